"""Binance futures: the names of their markets, and how REST lists them."""

from collections.abc import Callable
from functools import partial
from typing import Final

from booktape.exchanges import binance_shared as shared
from booktape.exchanges.wire import split_pair


def _market(split: Callable[[str], str], symbol: str) -> str:
    """``BTCUSDT`` and ``BTCUSD_PERP`` to ``BTC-USDT-PERP`` and ``BTC-USD-PERP``, ``…_260327`` to ``…-260327``."""
    pair, _, expiry = symbol.partition("_")
    return f"{split(pair)}-{expiry or 'PERP'}"


usd_m_market: Final = partial(_market, shared.pair)
"""The name of a USD-M symbol's market."""

coin_m_market: Final = partial(_market, partial(split_pair, quotes=("USD",)))
"""The name of a COIN-M symbol's market. All are quoted in USD: ``DOTUSD_PERP`` is not in TUSD."""


def usd_m_symbol(market: str) -> str:
    """The name of a USD-M market: a perpetual has no suffix."""
    pair, _, expiry = market.rpartition("-")
    return pair.replace("-", "") + ("" if expiry == "PERP" else f"_{expiry}")


def coin_m_symbol(market: str) -> str:
    """The name of a COIN-M market: each has a suffix."""
    pair, _, expiry = market.rpartition("-")
    return f"{pair.replace('-', '')}_{expiry}"


def kind(market: str) -> str:
    """What kind of instrument a market is, by its name."""
    return "perpetual" if market.endswith("-PERP") else "future"
