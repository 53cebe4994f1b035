"""Symbols, market names and the instrument lists of Bitget.

Source: "Bitget API docs" (v2): Get Symbol Info (spot) and Get Contract Config (futures). A perpetual is called
``BTCUSDT``, ``BTCPERP`` (margined in USDC) or ``BTCUSD`` (in coins). A dated future has its month and year behind that.
"""

from typing import Final

from msgspec import Struct, json

from booktape.exchanges.wire import (
    QUOTE_ASSETS,
    decimal_text,
    increment,
    instrument_status,
    millis_to_micros,
    split_pair,
)
from booktape.model.records import Instrument

SPOT: Final = "SPOT"

_MARKS: Final = {"USDT": ("USDT", "USDT-FUTURES"), "USDC": ("PERP", "USDC-FUTURES"), "USD": ("USD", "COIN-FUTURES")}
"""Quote asset to its mark in the symbol of a future and to the product type."""

_QUOTES: Final = {product: (mark, quote) for quote, (mark, product) in _MARKS.items()}

INSTRUMENT_PAGES: Final = (
    "/api/v2/spot/public/symbols",
    *(f"/api/v2/mix/market/contracts?productType={product}" for product in _QUOTES),
)

_SPOT_QUOTES: Final = (*QUOTE_ASSETS, "BGB")


def split_symbol(symbol: str) -> tuple[str, str]:
    """Split ``BTCUSDT.USDT-FUTURES`` into the venue's symbol and product type, which is ``SPOT`` for a spot pair."""
    name, _, product = symbol.partition(".")
    return name, product or SPOT


def market(symbol: str) -> str:
    """``BTCUSDT`` to ``BTC-USDT``, ``BTCUSDT.USDT-FUTURES`` to ``BTC-USDT-PERP``."""
    name, product = split_symbol(symbol)
    if product == SPOT:
        return split_pair(name, _SPOT_QUOTES)
    mark, quote = _QUOTES[product]
    base, _, expiry = name.rpartition(mark)
    return f"{base}-{quote}-{expiry or 'PERP'}"


def symbol(market: str) -> str:
    """The inverse of :func:`market`."""
    base, quote, *expiry = market.split("-")
    if not expiry:
        return f"{base}{quote}"
    mark, product = _MARKS[quote]
    return f"{base}{mark}{'' if expiry == ['PERP'] else '-'.join(expiry)}.{product}"


class _Instrument(Struct):
    """A spot pair or a contract; only contracts have a ``symbolType``."""

    symbol: str
    baseCoin: str
    quoteCoin: str
    status: str = ""
    pricePrecision: str = ""
    quantityPrecision: str = ""
    symbolType: str = ""
    symbolStatus: str = ""
    pricePlace: str = ""
    priceEndStep: str = ""
    sizeMultiplier: str = ""
    deliveryTime: str | None = None


class _Instruments(Struct):
    data: list[_Instrument]


_instruments = json.Decoder(_Instruments)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse one answer of Get Symbol Info or Get Contract Config."""
    return [
        _contract(item, received) if item.symbolType else _pair(item, received)
        for item in _instruments.decode(body).data
    ]


def _pair(item: _Instrument, received: int) -> Instrument:
    return Instrument(
        symbol=item.symbol,
        market=market(item.symbol),
        base=item.baseCoin,
        quote=item.quoteCoin,
        kind="spot",
        status=instrument_status(item.status, "online"),
        price_increment=increment(int(item.pricePrecision)),
        amount_increment=increment(int(item.quantityPrecision)),
        local_timestamp=received,
    )


def _contract(item: _Instrument, received: int) -> Instrument:
    name = f"{item.symbol}.{_MARKS[item.quoteCoin][1]}"
    return Instrument(
        symbol=name,
        market=market(name),
        base=item.baseCoin,
        quote=item.quoteCoin,
        kind="perpetual" if item.symbolType == "perpetual" else "future",
        status=instrument_status(item.symbolStatus, "normal"),
        price_increment=decimal_text(f"{item.priceEndStep}e-{item.pricePlace}"),
        amount_increment=item.sizeMultiplier,
        expiry=millis_to_micros(item.deliveryTime),
        local_timestamp=received,
    )
