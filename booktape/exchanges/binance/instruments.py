"""Symbols, market names and instrument lists of Binance spot, Binance.US and Binance futures.

Source: the ``exchangeInfo`` endpoint of each API. A symbol has no separator between base and quote asset; the longest
known quote asset that the symbol ends with is taken for the quote.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Listing, Request
from booktape.exchanges.wire import MILLISECOND, QUOTE_ASSETS, decimal_text, split_pair
from booktape.model.records import Instrument

spot_market: Final = partial(split_pair, quotes=(*QUOTE_ASSETS, "EURI", "RLUSD", "U"))
"""``BTCUSDT`` to ``BTC-USDT``."""

us_market: Final = partial(split_pair, quotes=("BNB", "BTC", "DAI", "ETH", "FDUSD", "USD", "USDC", "USDT"))
"""The same for Binance.US, which quotes in USD but not in TUSD or BUSD: ``DOTUSD``, ``BNBUSD``, ``USDTUSD``."""


def spot_symbol(market: str) -> str:
    """``BTC-USDT`` to ``BTCUSDT``."""
    return market.replace("-", "")


def _futures_market(split: Callable[[str], str], symbol: str) -> str:
    """``BTCUSDT`` and ``BTCUSD_PERP`` to ``BTC-USDT-PERP`` and ``BTC-USD-PERP``, ``…_260327`` to ``…-260327``."""
    pair, _, expiry = symbol.partition("_")
    return f"{split(pair)}-{expiry or 'PERP'}"


usd_m_market: Final = partial(_futures_market, spot_market)
"""USD-M symbol to market name."""

coin_m_market: Final = partial(_futures_market, partial(split_pair, quotes=("USD",)))
"""COIN-M symbol to market name. All COIN-M contracts are quoted in USD: ``DOTUSD_PERP`` is not in TUSD."""


def usd_m_symbol(market: str) -> str:
    """Market name to USD-M symbol; a perpetual has no suffix."""
    pair, _, expiry = market.rpartition("-")
    return pair.replace("-", "") + ("" if expiry == "PERP" else f"_{expiry}")


def coin_m_symbol(market: str) -> str:
    """Market name to COIN-M symbol; every contract has a suffix."""
    pair, _, expiry = market.rpartition("-")
    return f"{pair.replace('-', '')}_{expiry}"


def futures_kind(market: str) -> str:
    """The instrument kind of a futures market, by its name."""
    return "perpetual" if market.endswith("-PERP") else "future"


class _Filter(Struct):
    filterType: str
    tickSize: str = ""
    stepSize: str = ""


class _Symbol(Struct):
    symbol: str
    baseAsset: str
    quoteAsset: str
    filters: list[_Filter]
    status: str = ""
    contractStatus: str = ""
    contractSize: Raw = Raw(b"")
    deliveryDate: int = 0


class _Symbols(Struct):
    symbols: list[_Symbol]


_symbols = json.Decoder(_Symbols)


def listing(path: str, weight: int, market: Callable[[str], str], kind: Callable[[str], str]) -> Listing:
    """The instrument list of an ``exchangeInfo`` endpoint.

    :param path: path of the endpoint.
    :param weight: request weight of one call.
    :param market: converts a symbol to the market name.
    :param kind: gives the instrument kind of a market name.
    """

    def parse(body: bytes, received: int) -> list[Instrument]:
        return [instrument(symbol, received) for symbol in _symbols.decode(body).symbols]

    def instrument(symbol: _Symbol, received: int) -> Instrument:
        filters = {item.filterType: item for item in symbol.filters}
        name = market(symbol.symbol)
        return Instrument(
            symbol=symbol.symbol,
            market=name,
            base=symbol.baseAsset,
            quote=symbol.quoteAsset,
            kind=kind(name),
            status=(symbol.status or symbol.contractStatus).lower(),
            price_increment=filters["PRICE_FILTER"].tickSize if "PRICE_FILTER" in filters else None,
            amount_increment=filters["LOT_SIZE"].stepSize if "LOT_SIZE" in filters else None,
            contract_size=decimal_text(symbol.contractSize) if bytes(symbol.contractSize) else None,
            expiry=symbol.deliveryDate * MILLISECOND if kind(name) == "future" else None,
            local_timestamp=received,
        )

    return Listing((Request(path),), parse, weight)
