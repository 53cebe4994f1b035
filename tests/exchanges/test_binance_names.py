"""Binance's symbols do not say where the base ends; the longest known quote asset decides."""

import pytest

from booktape.exchanges import exchange
from booktape.exchanges.spec import Subscription

market = exchange("binance").market


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("BTCUSDT", "BTC-USDT"),
        ("BTCSTUSDT", "BTCST-USDT"),
        ("RENBTCETH", "RENBTC-ETH"),
        ("NEOUSDC", "NEO-USDC"),
        ("BNBFDUSD", "BNB-FDUSD"),
        ("AXSBNB", "AXS-BNB"),
        ("BTCEURI", "BTC-EURI"),
        ("BTCU", "BTC-U"),
        ("XRPRLUSD", "XRP-RLUSD"),
        ("USDT", "USDT"),
        ("NEWCOIN", "NEWCOIN"),
    ],
)
def test_market_of_a_symbol(symbol: str, expected: str) -> None:
    assert market(symbol) == expected


@pytest.mark.parametrize(
    ("identifier", "symbol", "expected"),
    [
        ("binance-futures", "BTCUSDT", "BTC-USDT-PERP"),
        ("binance-futures", "1000SHIBUSDC", "1000SHIB-USDC-PERP"),
        ("binance-futures", "ETHBTC", "ETH-BTC-PERP"),
        ("binance-futures", "BTCUSDT_260327", "BTC-USDT-260327"),
        ("binance-futures", "NEWCOIN", "NEWCOIN-PERP"),
        ("binance-delivery", "BTCUSD_PERP", "BTC-USD-PERP"),
        ("binance-delivery", "BTCUSD_260327", "BTC-USD-260327"),
        ("binance-delivery", "DOTUSD_PERP", "DOT-USD-PERP"),
        ("binance-delivery", "BNBUSD_260327", "BNB-USD-260327"),
        ("binance-us", "DOTUSD", "DOT-USD"),
        ("binance-us", "USDTUSD", "USDT-USD"),
        ("binance-us", "BNBUSD", "BNB-USD"),
        ("binance-us", "BTCUSDT", "BTC-USDT"),
    ],
)
def test_market_of_another_venue_and_back(identifier: str, symbol: str, expected: str) -> None:
    venue = exchange(identifier)
    assert venue.market(symbol) == expected
    assert venue.symbol(expected) == symbol


@pytest.mark.parametrize(
    ("identifier", "channel", "path"),
    [
        ("binance-futures", "trade", "/public/stream"),
        ("binance-futures", "depth@100ms", "/public/stream"),
        ("binance-futures", "bookTicker", "/public/stream"),
        ("binance-futures", "markPrice@1s", "/market/stream"),
        ("binance-futures", "forceOrder", "/market/stream"),
        ("binance-delivery", "forceOrder", ""),
    ],
)
def test_a_stream_is_asked_for_where_it_lives(identifier: str, channel: str, path: str) -> None:
    assert exchange(identifier).path(Subscription(channel, "X")) == path
