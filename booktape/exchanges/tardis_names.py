"""The names of exchanges and markets at Tardis.dev, under which many loaders look for their data.

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
"""Exchanges that Tardis splits in two: the id of the second one, which has the derivatives."""

_OKX: Final = "okx"
_SPOT_PARTS: Final = 2
_DATED_PARTS: Final = 3


class TardisName(NamedTuple):
    """Exchange and symbol of a market, as Tardis's files have them."""

    exchange: str
    symbol: str


def tardis_name(exchange: str, market: str) -> TardisName:
    """The Tardis name of a market: ``binance``, ``BTC-USDT`` to ``binance``, ``BTCUSDT``.

    An exchange that Tardis does not have keeps Booktape's id.

    :raises UnknownExchangeError: no exchange has this id.
    """
    symbol = find_exchange(exchange).symbol(market)
    if exchange == "bitget":
        symbol = symbol.partition(".")[0]  # the product type behind it is Booktape's addition
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
