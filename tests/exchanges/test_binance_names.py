"""Binance's symbols do not say where the base ends; the longest known quote asset decides."""

import pytest

from booktape.exchanges import exchange

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
        ("USDT", "USDT"),
        ("NEWCOIN", "NEWCOIN"),
    ],
)
def test_market_of_a_symbol(symbol: str, expected: str) -> None:
    assert market(symbol) == expected
