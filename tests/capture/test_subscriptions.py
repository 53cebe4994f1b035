"""Which streams go over which connection."""

from dataclasses import replace

import pytest

from booktape.capture.subscriptions import Route, Shard, UnknownDataTypeError, routes, subscriptions, venue_wide
from booktape.exchanges import exchange
from booktape.exchanges.spec import WHOLE_VENUE, Channel, Exchange
from booktape.model.sequence import NONE

BINANCE = exchange("binance")
KRAKEN = exchange("kraken")


def limited(streams: int) -> Exchange:
    return replace(BINANCE, limits=replace(BINANCE.limits, streams_per_connection=streams))


def symbols_of(venue: Exchange, symbols: list[str]) -> list[list[str]]:
    """The symbols of each connection."""
    found = routes(venue, subscriptions(venue, symbols))
    return [sorted({subscription.symbol for subscription in route.subscriptions}) for route in found]


def test_all_channels_of_a_market_are_subscribed_to() -> None:
    assert subscriptions(BINANCE, ["BTCUSDT"]) == [
        ("trade", "BTCUSDT"),
        ("depth@100ms", "BTCUSDT"),
        ("bookTicker", "BTCUSDT"),
    ]


def test_only_the_channels_of_the_data_types_asked_for() -> None:
    assert subscriptions(BINANCE, ["A", "B"], ["trades"]) == [("trade", "A"), ("trade", "B")]


def test_a_channel_with_two_data_types_is_subscribed_to_once() -> None:
    assert subscriptions(KRAKEN, ["BTC/USD"], ["book_updates", "book_snapshots"]) == [("book", "BTC/USD")]


def test_a_channel_that_tells_of_the_whole_venue_is_subscribed_to_once_and_for_no_market() -> None:
    wide = Channel("forceOrder", ("liquidations",), NONE, stale_after=None, venue_wide=True)
    venue = replace(BINANCE, channels=(*BINANCE.channels, wide))
    assert venue_wide(venue) == [("forceOrder", WHOLE_VENUE)]
    assert venue_wide(venue, ["trades"]) == []
    assert "forceOrder" not in {channel for channel, _ in subscriptions(venue, ["BTCUSDT"])}


def test_the_venues_limit_opens_more_connections_and_a_market_stays_on_one() -> None:
    assert symbols_of(limited(7), ["A", "B", "C"]) == [["A", "B"], ["C"]]


def test_a_limit_below_one_markets_channels_is_kept_all_the_same() -> None:
    venue = limited(2)
    assert [len(route.subscriptions) for route in routes(venue, subscriptions(venue, ["A", "B"]))] == [2, 1, 2, 1]


def test_streams_of_different_urls_go_over_different_connections() -> None:
    venue = replace(BINANCE, path=lambda subscription: "/market" if subscription.channel == "trade" else "/public")
    assert routes(venue, subscriptions(venue, ["A", "B"])) == [
        Route("/market", [("trade", "A"), ("trade", "B")]),  # type: ignore[list-item]  # plain tuples are equal
        Route("/public", [("depth@100ms", "A"), ("bookTicker", "A"), ("depth@100ms", "B"), ("bookTicker", "B")]),  # type: ignore[list-item]  # as above
    ]


def test_a_data_type_that_the_exchange_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(
        UnknownDataTypeError, match=r"kraken has no 'quotes'; it has: book_snapshots, book_updates, trades"
    ):
        subscriptions(KRAKEN, ["BTC/USD"], ["quotes"])


def test_shards_part_the_markets_among_them_and_a_new_market_moves_no_other() -> None:
    shards = [Shard(number, 4) for number in (1, 2, 3, 4)]
    symbols = [f"COIN{number}USDT" for number in range(1_000)]
    parts = [{symbol for symbol in symbols if shard.holds(symbol)} for shard in shards]
    assert sorted(symbol for part in parts for symbol in part) == sorted(symbols)
    assert all(200 < len(part) < 300 for part in parts)
    assert Shard().holds("anything")
    # Written out: with another distribution, a stopped worker's successor would record other markets.
    held = [[symbol for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT") if shard.holds(symbol)] for shard in shards]
    assert held == [["ETHUSDT", "SOLUSDT"], [], [], ["BTCUSDT"]]
