"""Symbols, market names and the instrument list of BitMEX.

Source: "BitMEX REST API" (``GET /instrument/active``) and "/instrument Field Definitions".

``XBTUSD`` is a perpetual (``XBT-USD-PERP``), ``XBT_USDT`` a spot pair (``XBT-USDT``). A month code and a year make a
future: ``ETHUSDM26`` is ``ETH-USD-M26``, and ``ETHM26``, which leaves its quote out, ``ETH-M26``. A spread of two
futures keeps both symbols: ``XBTM26-XBTU26-SPREAD``.
"""

import re
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.wire import ABSENT, instrument_status, iso_to_micros, optional_decimal_text, split_pair
from booktape.model.records import Instrument

_QUOTES: Final = ("USD", "USDT", "USDC", "EUR", "XBT", "ETH")  # not TUSD: XBTUSD
_EXPIRY: Final = re.compile(r"[FGHJKMNQUVXZ]\d\d")
_FUTURE: Final = re.compile(rf"(.+?)({_EXPIRY.pattern})")
_SPREAD: Final = "-SPREAD"
_PERPETUAL: Final = "-PERP"
_KINDS: Final = {"IFXXXP": "spot", "FFWCSX": "perpetual", "FFWCSF": "perpetual", "FFCCSX": "future"}
"""``typ``, an ISO 10962 (CFI) code, to the kind of instrument."""


def market(symbol: str) -> str:
    """``XBTUSD`` to ``XBT-USD-PERP``."""
    if "-" in symbol:
        return symbol + _SPREAD
    if "_" in symbol:
        return symbol.replace("_", "-")
    if future := _FUTURE.fullmatch(symbol):
        return f"{split_pair(future[1], _QUOTES)}-{future[2]}"
    return split_pair(symbol, _QUOTES) + _PERPETUAL


def symbol(market: str) -> str:
    """The inverse of :func:`market`."""
    if market.endswith(_SPREAD):
        return market.removesuffix(_SPREAD)
    if market.endswith(_PERPETUAL) or _EXPIRY.fullmatch(market.rpartition("-")[2]):
        return market.removesuffix(_PERPETUAL).replace("-", "")
    return market.replace("-", "_")


class _Instrument(Struct):
    symbol: str
    state: str
    typ: str
    underlying: str
    quoteCurrency: str
    tickSize: Raw = ABSENT
    lotSize: Raw = ABSENT
    expiry: str | None = None


_instruments = json.Decoder(list[_Instrument])


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse the answer of ``GET /instrument/active``. The contract size depends on several fields and is left out."""
    return [_instrument(item, received) for item in _instruments.decode(body)]


def _instrument(item: _Instrument, received: int) -> Instrument:
    return Instrument(
        symbol=item.symbol,
        market=market(item.symbol),
        base=item.underlying,
        quote=item.quoteCurrency,
        kind=_KINDS.get(item.typ, "other"),
        status=instrument_status(item.state, "Open"),
        price_increment=optional_decimal_text(item.tickSize),
        amount_increment=optional_decimal_text(item.lotSize),
        expiry=iso_to_micros(item.expiry) if item.expiry else None,
        local_timestamp=received,
    )
