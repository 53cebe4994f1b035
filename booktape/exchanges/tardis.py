"""What Tardis.dev calls a market: the names under which every quant's loader looks for it. Pure.

Source: Tardis's documentation ("Downloadable CSV files", ``symbol``: as the exchange has it, always upper case), its
public clients (exchange ids), and nautilus_trader's ``TardisExchange``, which refuses a file with any other id.
"""

from typing import Final, NamedTuple

from booktape.exchanges import exchange as find_exchange

_RENAMED: Final = {
    "dydx": "dydx-v4",
    "gate": "gate-io",
    "gate-futures": "gate-io-futures",
    "gemini-ws": "gemini",
    "htx": "huobi",
    "htx-coin-swap": "huobi-dm-swap",
    "htx-linear-swap": "huobi-dm-linear-swap",
    "kraken-futures": "cryptofacilities",
}

_OF_DERIVATIVES: Final = {"bitfinex": "bitfinex-derivatives", "bitget": "bitget-futures"}
"""Where Booktape has one exchange and Tardis two: the second one's id."""

_OKX: Final = "okx"
_SPOT_PARTS: Final = 2
_DATED_PARTS: Final = 3


class TardisName(NamedTuple):
    """A market's exchange and symbol, as they stand in Tardis's files."""

    exchange: str
    symbol: str


def tardis_name(exchange: str, market: str) -> TardisName:
    """``binance``, ``BTC-USDT`` to ``binance``, ``BTCUSDT``. Raises :class:`~booktape.exchanges.UnknownExchange`.

    An exchange that Tardis does not have keeps Booktape's id.
    """
    symbol = find_exchange(exchange).symbol(market)
    if exchange == "bitget":
        symbol = symbol.partition(".")[0]  # behind it stands the product type, which only Booktape writes so
    elif exchange == "bitfinex":
        symbol = symbol.removeprefix("t")
    return TardisName(_exchange(exchange, market), symbol.upper())


def _exchange(exchange: str, market: str) -> str:
    parts = market.split("-")
    if exchange == _OKX:
        return _okx(parts)
    if len(parts) > _SPOT_PARTS and exchange in _OF_DERIVATIVES:
        return _OF_DERIVATIVES[exchange]
    return _RENAMED.get(exchange, exchange)


def _okx(parts: list[str]) -> str:
    if len(parts) <= _SPOT_PARTS:
        return "okex"
    if len(parts) > _DATED_PARTS:
        return "okex-options"
    return "okex-swap" if parts[-1] == "PERP" else "okex-futures"
