"""What becomes of connections and subscriptions, as the ledger has it, stream by stream."""

from collections.abc import Callable

import pytest

from booktape.capture.subscriptions import subscriptions, venue_wide
from booktape.exchanges.spec import WHOLE_VENUE
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES
from booktape.model.uptime import CONNECTED, DOWN, RESYNCING, SILENT
from booktape.store import clock
from tests.workers.watched import NOON, World


@pytest.fixture
def of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    def make(venue: str, symbol: str) -> World:
        monkeypatch.setattr(clock, "reading", lambda: (NOON, NOON))
        world = World(venue, symbol)
        monkeypatch.setattr(clock, "reading", world.reading)
        return world

    return make


def test_streams_are_down_until_connected_and_a_book_is_not_whole_until_its_snapshot_has_come(
    of: Callable[..., World],
) -> None:
    world = of("kraken", "BTC/USD")
    world.at(3, world.states.connected, world.subscriptions)
    world.at(4, world.states.update)
    world.snapshot(5)
    world.at(6, world.states.update)
    book = [(DOWN, 0), (RESYNCING, 3), (CONNECTED, 5)]
    assert world.told(20) == {TRADES: [(DOWN, 0), (CONNECTED, 3)], BOOK_SNAPSHOTS: book, BOOK_UPDATES: book}


def test_streams_that_are_being_asked_for_are_down_until_they_are_heard_or_all_are_asked_for(
    of: Callable[..., World],
) -> None:
    world = of("coinbase", "BTC-USD")
    world.at(3, world.states.subscribing, world.subscriptions)
    world.trade(5)
    world.at(6, world.states.update)
    world.at(9, world.states.subscribed, world.subscriptions)
    told = world.told(20)
    assert told[TRADES] == [(DOWN, 0), (CONNECTED, 5)]
    assert told[QUOTES] == [(DOWN, 0), (CONNECTED, 9)]
    assert told[BOOK_UPDATES] == [(DOWN, 0), (RESYNCING, 3)]


def test_a_book_whose_snapshots_come_over_rest_is_connected_at_once(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(3, world.states.connected, world.subscriptions)
    assert world.told(20) == {kind: [(DOWN, 0), (CONNECTED, 3)] for kind in (TRADES, BOOK_UPDATES, QUOTES)}


def test_a_lost_connection_counts_from_its_last_record_on_any_of_its_streams(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(3, world.states.connected, world.subscriptions)
    world.trade(10)
    world.at(25, world.states.disconnected, world.subscriptions)
    world.at(26, world.states.disconnected, world.subscriptions)  # it could not be made anew
    world.at(30, world.states.connected, world.subscriptions)
    assert world.told(40)[BOOK_UPDATES] == [(DOWN, 0), (CONNECTED, 3), (DOWN, 10), (CONNECTED, 30)]


def test_a_lost_connection_of_quiet_markets_counts_from_one_minute_ago(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(3, world.states.connected, world.subscriptions)
    world.trade(10)
    for now in range(11, 251):
        world.at(now, world.states.update)
    world.states.disconnected(world.subscriptions)
    assert world.told(300)[TRADES][-1] == (DOWN, 189)  # one minute before it was looked for the last time but one


def test_a_silent_stream_is_connected_again_when_it_is_heard(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(0, world.states.connected, world.subscriptions)
    world.trade(1)
    world.at(100, world.states.stale, TRADES, world.symbol)
    world.at(101, world.states.update)
    world.at(200, world.states.stale, TRADES, world.symbol)
    world.trade(300)
    world.at(301, world.states.update)
    told = world.told(400)
    assert told[TRADES] == [(CONNECTED, 0), (SILENT, 1), (CONNECTED, 300)]
    assert told[BOOK_UPDATES] == [(CONNECTED, 0)]


def test_silence_of_a_books_updates_is_that_of_its_snapshots_too(of: Callable[..., World]) -> None:
    world = of("coinbase", "BTC-USD")
    world.at(0, world.states.connected, world.subscriptions)
    world.snapshot(1)
    world.at(1, world.states.update)
    world.at(70, world.states.stale, BOOK_UPDATES, world.symbol)
    told = world.told(90)
    assert told[BOOK_UPDATES] == told[BOOK_SNAPSHOTS] == [(RESYNCING, 0), (SILENT, 1)]


def test_what_is_not_connected_is_not_silent(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(100, world.states.stale, TRADES, world.symbol)
    assert world.told(200)[TRADES] == [(DOWN, 0)]


def test_a_book_asked_for_anew_waits_for_another_snapshot(of: Callable[..., World]) -> None:
    world = of("kraken", "BTC/USD")
    world.at(0, world.states.connected, world.subscriptions)
    world.snapshot(1)
    world.at(1, world.states.update)
    world.at(10, world.states.resyncing, world.book)
    world.at(11, world.states.update)
    world.snapshot(12)
    world.at(13, world.states.update)
    told = world.told(20)
    assert told[BOOK_UPDATES] == [(RESYNCING, 0), (CONNECTED, 1), (RESYNCING, 10), (CONNECTED, 12)]
    assert told[TRADES] == [(CONNECTED, 0)]


def test_a_connection_that_takes_over_changes_nothing_but_for_streams_that_waited_for_it(
    of: Callable[..., World],
) -> None:
    world = of("kraken", "BTC/USD")
    world.at(0, world.states.connected, world.subscriptions)
    world.snapshot(1)
    world.at(2, world.states.update)
    more = subscriptions(world.exchange, ["ETH/USD"])
    world.at(5, world.states.added, more)
    world.at(8, world.states.subscribed, [*world.subscriptions, *more])
    lines = world.lines(10)
    assert [state.state for state in lines[BOOK_UPDATES, "BTC-USD"].states] == [RESYNCING, CONNECTED]
    assert [state.state for state in lines[TRADES, "ETH-USD"].states] == [DOWN, CONNECTED]


def test_a_snapshot_that_came_while_another_connection_took_over_a_lost_one_is_not_waited_for(
    of: Callable[..., World],
) -> None:
    world = of("kraken", "BTC/USD")
    world.at(0, world.states.connected, world.subscriptions)
    world.snapshot(1)
    world.at(2, world.states.update)
    world.trade(5)
    world.at(10, world.states.disconnected, world.subscriptions)
    world.snapshot(11)
    world.at(12, world.states.subscribed, world.subscriptions)
    world.at(13, world.states.update)
    states = world.told(20)[BOOK_UPDATES]
    assert [state for state, _ in states] == [RESYNCING, CONNECTED, DOWN, CONNECTED]


def test_a_channel_for_all_markets_is_one_stream(of: Callable[..., World]) -> None:
    world = of("bitmex", "XBTUSD")
    world.states.added(venue_wide(world.exchange))
    assert ("liquidations", "*") in world.lines(10)
    assert {one.symbol for one in venue_wide(world.exchange)} == {WHOLE_VENUE}
