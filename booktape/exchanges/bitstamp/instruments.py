"""Symbols, market names and the instrument list of Bitstamp.

Source: "Bitstamp HTTP API": ``GET /api/v2/markets/``. A pair has no separator between base and quote. The symbol of a
perpetual ends with ``-perp``.
"""

from typing import Final

from msgspec import Struct, json

from booktape.exchanges.wire import increment, instrument_status, split_pair
from booktape.model.records import Instrument

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
    """Parse the answer of ``GET /api/v2/markets/``."""
    return [
        Instrument(
            symbol=item.market_symbol,
            market=market(item.market_symbol),
            base=item.base_currency,
            quote=item.counter_currency,
            kind=_KINDS.get(item.market_type, "other"),
            status=instrument_status(item.trading, "Enabled"),
            price_increment=increment(item.counter_decimals),
            amount_increment=increment(item.base_decimals),
            contract_size=item.contract_size if item.market_type == "PERPETUAL" else None,
            local_timestamp=received,
        )
        for item in _markets.decode(body)
    ]
