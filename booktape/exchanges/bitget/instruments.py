"""Bitget's instruments and their names.

Source: "Bitget API docs" (v2): Get Symbol Info (spot) and Get Contract Config (futures). A perpetual is called
``BTCUSDT``, ``BTCPERP`` (margined in USDC) or ``BTCUSD`` (in coins); a dated future has its month and year behind that.
"""

from typing import Final

from msgspec import Struct, json

from booktape.core.records import Instrument
from booktape.exchanges.wire import QUOTE_ASSETS, digits, millis, split_pair, status_of, step

SPOT: Final = "SPOT"

_MARKS: Final = {"USDT": ("USDT", "USDT-FUTURES"), "USDC": ("PERP", "USDC-FUTURES"), "USD": ("USD", "COIN-FUTURES")}
"""By the quote asset: how a future's name writes it, and its product type."""

_QUOTES: Final = {product: (mark, quote) for quote, (mark, product) in _MARKS.items()}

INSTRUMENT_PAGES: Final = (
    "/api/v2/spot/public/symbols",
    *(f"/api/v2/mix/market/contracts?productType={product}" for product in _QUOTES),
)

_SPOT_QUOTES: Final = (*QUOTE_ASSETS, "BGB")


def native(symbol: str) -> tuple[str, str]:
    """A symbol's name and its product type: ``BTCUSDT.USDT-FUTURES`` taken apart, or a spot pair."""
    name, _, product = symbol.partition(".")
    return name, product or SPOT


def market(symbol: str) -> str:
    """``BTCUSDT`` to ``BTC-USDT``, ``BTCUSDT.USDT-FUTURES`` to ``BTC-USDT-PERP``."""
    name, product = native(symbol)
    if product == SPOT:
        return split_pair(name, _SPOT_QUOTES)
    mark, quote = _QUOTES[product]
    base, _, expiry = name.rpartition(mark)
    return f"{base}-{quote}-{expiry or 'PERP'}"


def symbol(market: str) -> str:
    """The other way round."""
    base, quote, *expiry = market.split("-")
    if not expiry:
        return f"{base}{quote}"
    mark, product = _MARKS[quote]
    return f"{base}{mark}{'' if expiry == ['PERP'] else '-'.join(expiry)}.{product}"


class _Instrument(Struct):
    """A spot pair or a contract: contracts have a ``symbolType``."""

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
    """One answer of Get Symbol Info or Get Contract Config."""
    return [
        _contract(told, received) if told.symbolType else _pair(told, received)
        for told in _instruments.decode(body).data
    ]


def _pair(told: _Instrument, received: int) -> Instrument:
    return Instrument(
        symbol=told.symbol,
        market=market(told.symbol),
        base=told.baseCoin,
        quote=told.quoteCoin,
        kind="spot",
        status=status_of(told.status, "online"),
        price_increment=step(int(told.pricePrecision)),
        amount_increment=step(int(told.quantityPrecision)),
        local_timestamp=received,
    )


def _contract(told: _Instrument, received: int) -> Instrument:
    name = f"{told.symbol}.{_MARKS[told.quoteCoin][1]}"
    return Instrument(
        symbol=name,
        market=market(name),
        base=told.baseCoin,
        quote=told.quoteCoin,
        kind="perpetual" if told.symbolType == "perpetual" else "future",
        status=status_of(told.symbolStatus, "normal"),
        price_increment=digits(f"{told.priceEndStep}e-{told.pricePlace}"),
        amount_increment=told.sizeMultiplier,
        expiry=millis(told.deliveryTime),
        local_timestamp=received,
    )
