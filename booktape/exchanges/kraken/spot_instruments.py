"""Symbols, market names and the list of pairs (``AssetPairs``) of Kraken spot."""

from typing import Final

from msgspec import Struct, json

from booktape.exchanges.wire import increment, instrument_status
from booktape.model.records import Instrument


def market(symbol: str) -> str:
    """``BTC/USD`` to ``BTC-USD``."""
    return symbol.replace("/", "-")


def symbol(market: str) -> str:
    """The inverse of :func:`market`."""
    return market.replace("-", "/")


class _Pair(Struct):
    wsname: str
    tick_size: str
    lot_decimals: int
    status: str


class _Pairs(Struct):
    result: dict[str, _Pair]


_pairs = json.Decoder(_Pairs)

# The REST API and its ``wsname`` still have XBT and XDG; WebSocket v2 has BTC and DOGE ("Symbols", v2 changes).
_RENAMED: Final = {"XBT": "BTC", "XDG": "DOGE"}


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse the answer of ``GET /0/public/AssetPairs``."""
    return [_instrument(pair, received) for pair in _pairs.decode(body).result.values()]


def _instrument(pair: _Pair, received: int) -> Instrument:
    base, quote = (_RENAMED.get(asset, asset) for asset in pair.wsname.split("/"))
    return Instrument(
        symbol=f"{base}/{quote}",
        market=f"{base}-{quote}",
        base=base,
        quote=quote,
        kind="spot",
        status=instrument_status(pair.status, "online"),
        price_increment=pair.tick_size,
        amount_increment=increment(pair.lot_decimals),
        local_timestamp=received,
    )
