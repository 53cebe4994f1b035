"""Bitstamp's instruments: their names, and how REST lists them.

Source: "Bitstamp HTTP API": ``GET /api/v2/markets/``. A pair has no mark between base and quote; a perpetual's symbol
ends with ``-perp``.
"""

from typing import Final

from msgspec import Struct, json

from booktape.core.records import Instrument
from booktape.exchanges.wire import split_pair, status_of, step

PERPETUAL: Final = "-perp"
_QUOTES: Final = ("BTC", "ETH", "EUR", "EURC", "GBP", "PAX", "RLUSD", "USD", "USDC", "USDT")
_KINDS: Final = {"SPOT": "spot", "PERPETUAL": "perpetual"}


def symbol(market: str) -> str:
    """``BTC-USD`` to ``btcusd``, ``BTC-USD-PERP`` to ``btcusd-perp``."""
    pair = market.lower().removesuffix(PERPETUAL)
    return pair.replace("-", "") + (PERPETUAL if pair != market.lower() else "")


def market(symbol: str) -> str:
    """``btcusd`` to ``BTC-USD``, ``btcusd-perp`` to ``BTC-USD-PERP``."""
    pair = symbol.removesuffix(PERPETUAL)
    return split_pair(pair.upper(), _QUOTES) + ("-PERP" if pair != symbol else "")


class _Market(Struct):
    market_symbol: str
    base_currency: str
    counter_currency: str
    base_decimals: int
    counter_decimals: int
    trading: str
    market_type: str = "SPOT"
    contract_size: str | None = None


_markets = json.Decoder(list[_Market])


def instruments(body: bytes, received: int) -> list[Instrument]:
    """The answer of ``GET /api/v2/markets/``."""
    return [
        Instrument(
            symbol=found.market_symbol,
            market=market(found.market_symbol),
            base=found.base_currency,
            quote=found.counter_currency,
            kind=_KINDS.get(found.market_type, "other"),
            status=status_of(found.trading, "Enabled"),
            price_increment=step(found.counter_decimals),
            amount_increment=step(found.base_decimals),
            contract_size=found.contract_size if found.market_type == "PERPETUAL" else None,
            local_timestamp=received,
        )
        for found in _markets.decode(body)
    ]
