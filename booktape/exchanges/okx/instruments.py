"""Symbols, market names and the instrument lists of OKX.

Source: "OKX API guide" (v5): REST ``GET /api/v5/public/instruments``. Options are listed by their instrument family.

- A contract is worth ``ctVal`` times ``ctMult`` of ``ctValCcy``: an option 1 x 0.01.
- Linear futures that settle in USD have ``USD_UM`` for a quote (``BTC-USD_UM-260710``): the quote is USD.
"""

from decimal import Decimal
from typing import Final

from msgspec import Struct, json

from booktape.exchanges.wire import instrument_status, millis_to_micros
from booktape.model.records import Instrument

_KINDS: Final = {"SPOT": "spot", "SWAP": "perpetual", "FUTURES": "future", "OPTION": "option"}

INSTRUMENT_PAGES: Final = tuple(
    f"/api/v5/public/instruments?instType={kind}"
    for kind in ("SPOT", "SWAP", "FUTURES", "OPTION&instFamily=BTC-USD", "OPTION&instFamily=ETH-USD")
)


class _Instrument(Struct):
    instId: str
    instType: str
    state: str
    tickSz: str
    lotSz: str
    baseCcy: str = ""
    quoteCcy: str = ""
    ctVal: str = ""
    ctMult: str = ""
    expTime: str = ""


class _Instruments(Struct):
    data: list[_Instrument]


_instruments = json.Decoder(_Instruments)


def market(symbol: str) -> str:
    """``BTC-USDT-SWAP`` to ``BTC-USDT-PERP``; other symbols are market names already."""
    return f"{symbol.removesuffix('-SWAP')}-PERP" if symbol.endswith("-SWAP") else symbol


def symbol(market: str) -> str:
    """The inverse of :func:`market`."""
    return f"{market.removesuffix('-PERP')}-SWAP" if market.endswith("-PERP") else market


def is_spot(symbol: str) -> bool:
    """Whether a symbol is a spot pair, ``BTC-USDT``, rather than a contract on it."""
    return symbol.count("-") == 1


def is_perpetual(symbol: str) -> bool:
    """Whether a symbol is a perpetual swap."""
    return symbol.endswith("-SWAP")


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse one answer of ``GET /api/v5/public/instruments``."""
    return [_instrument(item, received) for item in _instruments.decode(body).data]


def _product(one: str, other: str) -> str:
    """The exact product of two numbers."""
    return f"{Decimal(one) * Decimal(other):f}"


def _instrument(item: _Instrument, received: int) -> Instrument:
    base, quote, *_ = item.instId.split("-")
    return Instrument(
        symbol=item.instId,
        market=market(item.instId),
        base=item.baseCcy or base,
        quote=item.quoteCcy or quote.partition("_")[0],
        kind=_KINDS.get(item.instType, "other"),
        status=instrument_status(item.state, "live"),
        price_increment=item.tickSz or None,
        amount_increment=item.lotSz or None,
        contract_size=_product(item.ctVal, item.ctMult or "1") if item.ctVal else None,
        expiry=millis_to_micros(item.expTime),
        local_timestamp=received,
    )
