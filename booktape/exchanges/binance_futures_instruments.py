"""Binance futures: the names of their markets, and how REST lists them."""

from booktape.exchanges import binance_shared as shared


def market(symbol: str) -> str:
    """``BTCUSDT`` and ``BTCUSD_PERP`` to ``BTC-USDT-PERP`` and ``BTC-USD-PERP``, ``…_260327`` to ``…-260327``."""
    pair, _, expiry = symbol.partition("_")
    return f"{shared.pair(pair)}-{expiry or 'PERP'}"


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
