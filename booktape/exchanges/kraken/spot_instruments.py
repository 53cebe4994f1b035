"""Kraken spot: the names of its markets, and the list of pairs (``AssetPairs``)."""

from typing import Final

from msgspec import Struct, json

from booktape.core.records import Instrument
from booktape.exchanges.wire import status_of, step


def market(symbol: str) -> str:
    """``BTC/USD`` to ``BTC-USD``."""
    return symbol.replace("/", "-")


def symbol(market: str) -> str:
    """The way back from :func:`market`."""
    return market.replace("-", "/")


class _Pair(Struct):
    wsname: str
    tick_size: str
    lot_decimals: int
    status: str


class _Pairs(Struct):
    result: dict[str, _Pair]


_pairs = json.Decoder(_Pairs)

# The REST API and its ``wsname`` still speak of XBT and XDG; WebSocket v2 says BTC and DOGE ("Symbols", v2 changes).
_RENAMED: Final = {"XBT": "BTC", "XDG": "DOGE"}


def instruments(body: bytes, received: int) -> list[Instrument]:
    """The answer of ``GET /0/public/AssetPairs``."""
    return [_instrument(pair, received) for pair in _pairs.decode(body).result.values()]


def _instrument(pair: _Pair, received: int) -> Instrument:
    base, quote = (_RENAMED.get(asset, asset) for asset in pair.wsname.split("/"))
    return Instrument(
        symbol=f"{base}/{quote}",
        market=f"{base}-{quote}",
        base=base,
        quote=quote,
        kind="spot",
        status=status_of(pair.status, "online"),
        price_increment=pair.tick_size,
        amount_increment=step(pair.lot_decimals),
        local_timestamp=received,
    )
