"""Which streams go over which connection."""

from dataclasses import replace

import pytest

from booktape.exchanges import exchange
from booktape.feed.plan import UnknownDataType, plan

BINANCE = exchange("binance")


def limited(streams: int):  # type: ignore[no-untyped-def]
    return replace(BINANCE, limits=replace(BINANCE.limits, streams_per_connection=streams))


def test_everything_fits_on_one_connection() -> None:
    assert plan(BINANCE, ["BTC-USDT"]) == [
        [("trade", "BTCUSDT"), ("depth@100ms", "BTCUSDT"), ("bookTicker", "BTCUSDT")]
    ]


def test_only_the_data_types_asked_for() -> None:
    assert plan(BINANCE, ["BTC-USDT", "ETH-USDT"], ["trades"]) == [[("trade", "BTCUSDT"), ("trade", "ETHUSDT")]]


def test_a_channel_with_two_data_types_is_subscribed_to_once() -> None:
    assert plan(exchange("kraken"), ["BTC-USD"], ["book_updates", "book_snapshots"]) == [[("book", "BTC/USD")]]


def test_the_venues_limit_opens_more_connections_and_a_market_stays_on_one() -> None:
    connections = plan(limited(7), ["A-USDT", "B-USDT", "C-USDT"])
    assert [sorted({symbol for _, symbol in connection}) for connection in connections] == [
        ["AUSDT", "BUSDT"],
        ["CUSDT"],
    ]


def test_a_limit_below_one_markets_channels_is_kept_all_the_same() -> None:
    assert [len(connection) for connection in plan(limited(2), ["A-USDT"])] == [2, 1]


def test_a_data_type_that_the_exchange_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(UnknownDataType, match=r"kraken has no 'quotes'; it has: book_snapshots, book_updates, trades"):
        plan(exchange("kraken"), ["BTC-USD"], ["quotes"])
