"""OKX's instruments and their names.

Source: "OKX API guide" (v5): REST ``GET /api/v5/public/instruments``. Options are listed by their instrument family.

- A contract is ``ctVal`` times ``ctMult`` of ``ctValCcy``: an option's 1 x 0.01.
- Linear futures that settle in USD have ``USD_UM`` for a quote (``BTC-USD_UM-260710``): it is USD.
"""

from decimal import Decimal
from typing import Final

from msgspec import Struct, json

from booktape.core.records import Instrument
from booktape.exchanges.wire import millis, status_of

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
    """``BTC-USDT-SWAP`` to ``BTC-USDT-PERP``; the others are named as we do."""
    return f"{symbol.removesuffix('-SWAP')}-PERP" if symbol.endswith("-SWAP") else symbol


def symbol(market: str) -> str:
    """The other way round."""
    return f"{market.removesuffix('-PERP')}-SWAP" if market.endswith("-PERP") else market


def is_spot(symbol: str) -> bool:
    """Whether a symbol is of a pair, ``BTC-USDT``, rather than of a contract on it."""
    return symbol.count("-") == 1


def is_perpetual(symbol: str) -> bool:
    """Whether a symbol is of a perpetual swap."""
    return symbol.endswith("-SWAP")


def instruments(body: bytes, received: int) -> list[Instrument]:
    """One answer of ``GET /api/v5/public/instruments``."""
    return [_instrument(told, received) for told in _instruments.decode(body).data]


def _product(one: str, other: str) -> str:
    """Two numbers' product, exactly."""
    return f"{Decimal(one) * Decimal(other):f}"


def _instrument(told: _Instrument, received: int) -> Instrument:
    base, quote, *_ = told.instId.split("-")
    return Instrument(
        symbol=told.instId,
        market=market(told.instId),
        base=told.baseCcy or base,
        quote=told.quoteCcy or quote.partition("_")[0],
        kind=_KINDS.get(told.instType, "other"),
        status=status_of(told.state, "live"),
        price_increment=told.tickSz or None,
        amount_increment=told.lotSz or None,
        contract_size=_product(told.ctVal, told.ctMult or "1") if told.ctVal else None,
        expiry=millis(told.expTime),
        local_timestamp=received,
    )
