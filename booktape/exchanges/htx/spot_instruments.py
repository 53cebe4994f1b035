"""Symbols, market names and the instrument list of HTX spot ("Get all Supported Trading Symbol")."""

from typing import Final

from msgspec import Struct, json

from booktape.exchanges.wire import increment, instrument_status, split_pair
from booktape.model.records import Instrument

QUOTE_ASSETS: Final = (
    "USDT", "USDC", "USDD", "HUSD", "USD1", "BTC", "ETH", "HT", "TRX", "EUR", "GBP", "RUB", "UAH", "TRY", "BRL",
    "EURT", "USD",
)  # fmt: skip
"""Without TUSD: ``dotusd`` is DOT-USD, and ``usdtusd`` is USDT-USD."""

_NOT_HUSD: Final = {"ETHUSD": "ETH-USD", "BCHUSD": "BCH-USD"}
"""Pairs in USD whose symbols end with HUSD."""


class _Pair(Struct, rename="kebab"):
    symbol: str
    base_currency: str
    quote_currency: str
    price_precision: int
    amount_precision: int
    state: str


class _Pairs(Struct):
    data: list[_Pair]


_pairs = json.Decoder(_Pairs)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse the answer of ``GET /v1/common/symbols``."""
    return [
        Instrument(
            symbol=pair.symbol,
            market=market(pair.symbol),
            base=pair.base_currency.upper(),
            quote=pair.quote_currency.upper(),
            kind="spot",
            status=instrument_status(pair.state, "online"),
            price_increment=increment(pair.price_precision),
            amount_increment=increment(pair.amount_precision),
            local_timestamp=received,
        )
        for pair in _pairs.decode(body).data
    ]


def market(symbol: str) -> str:
    """``btcusdt`` to ``BTC-USDT``."""
    pair = symbol.upper()
    return _NOT_HUSD.get(pair) or split_pair(pair, QUOTE_ASSETS)
