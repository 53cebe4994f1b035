"""What the ledger says of gaps, of clocks that are wrong, and of time in which nobody can have listened."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import json

from booktape.capture.uploader import Uploader
from booktape.model.batch import Batch
from booktape.model.gap import Gap, GapCause, GapUnit, time_gap
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, SECOND, TRADES, Quote, Trade
from booktape.model.uptime import CONNECTED, DOWN, SILENT, StreamInterval, decode_segment
from booktape.store import clock
from booktape.store.layout import parse_segment_key
from booktape.store.objects import open_store
from tests.model.uptime_gaps import stored
from tests.workers.watched import NOON, World


@pytest.fixture
def of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    def make(venue: str, symbol: str) -> World:
        monkeypatch.setattr(clock, "reading", lambda: (NOON, NOON))
        world = World(venue, symbol)
        monkeypatch.setattr(clock, "reading", world.reading)
        return world

    return make


def test_missing_ids_are_told_as_they_are(of: Callable[..., World]) -> None:
    world = of("coinbase", "BTC-USD")
    world.now = 7
    world.states.gap(Gap(GapUnit.ID, 5, 9, data_type=TRADES, market="BTC-USD"))
    assert stored(world.lines(10)[TRADES, "BTC-USD"].gaps) == [(5, 9, "ids", NOON + 7 * SECOND, False)]


def test_where_only_the_beginning_is_known_a_gap_lasts_until_now(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.now = 7
    world.states.gap(time_gap(BOOK_UPDATES, "BTC-USDT", NOON + 2, 0, GapCause.RESET))
    assert stored(world.lines(10)[BOOK_UPDATES, "BTC-USDT"].gaps) == [
        (NOON + 2, NOON + 7 * SECOND, "time", NOON + 7 * SECOND, False)
    ]


def test_times_of_a_gap_are_receipts_where_the_streams_records_tell_no_other(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    quotes, trades = (world.pipeline.batcher(kind, world.symbol) for kind in (QUOTES, TRADES))
    quotes.append(Quote(1, None, "1", "1", "2", "1", world.time(1)), NOON)
    quotes.interrupt()
    quotes.append(Quote(9, None, "1", "1", "2", "1", world.time(5)), NOON)
    world.trade(4)
    trades.append(Trade(1, world.time(90), "buy", "1", "1", world.time(90)), NOON)  # its ids begin anew
    for gap in world.gaps:
        world.states.gap(gap)
    told = {data_type: line.gaps for (data_type, _), line in world.lines(100).items()}
    assert stored(told[QUOTES]) == [(world.time(1), world.time(5), "time", NOON, True)]
    assert stored(told[TRADES]) == [(NOON, world.time(90), "time", NOON, False)]


def test_now_is_told_by_the_exchanges_clock_where_the_other_end_of_a_gap_is(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    for _ in range(3):
        world.uptime.add_lag(2 * SECOND)
    world.now = 7
    world.states.gap(time_gap(BOOK_UPDATES, "BTC-USDT", NOON + 2, 0, GapCause.RESET))
    (gap,) = world.lines(10)[BOOK_UPDATES, "BTC-USDT"].gaps
    assert (gap.first, gap.last, gap.noticed) == (NOON + 2, NOON + 5 * SECOND, NOON + 7 * SECOND)


def test_a_segment_tells_by_how_much_receipts_come_after_the_exchanges_times(of: Callable[..., World]) -> None:
    world = of("coinbase", "BTC-USD")
    connection = world.pipeline.new_feed()

    def hear(sent: int, late: int) -> None:
        received = sent + late - 3 * SECOND  # this machine's clock is three seconds slow
        trade = Trade(sent, sent, "buy", "1", "1", received)
        connection.feed(b"", received, lambda *_: [(TRADES, "BTC-USD", sent, trade)])

    for second in range(1, 5):
        hear(world.time(second), 250_000)
        hear(world.time(second + 0.5), 80_000 + second * 10_000)
        world.at(second, world.states.update)
    assert world.lines(10)[TRADES, "BTC-USD"].lag == -3 * SECOND + 90_000


def test_a_connection_that_is_late_when_it_is_lost_is_down_from_when_its_last_record_was_usually_to_come(
    of: Callable[..., World],
) -> None:
    """What the exchange sent in the five seconds after that record never came, though one was received then."""
    world = of("binance", "BTCUSDT")
    world.at(3, world.states.connected, world.subscriptions)
    for _ in range(3):
        world.uptime.add_lag(20_000)
    trades, quotes = (world.pipeline.batcher(kind, world.symbol) for kind in (TRADES, QUOTES))
    trades.append(Trade(1, world.time(20) - 20_000, "buy", "1", "1", world.time(25)), NOON)
    quotes.append(Quote(1, None, "1", "1", "2", "1", world.time(25.5)), NOON)  # tells no time, and is as late
    world.at(26, world.states.disconnected, world.subscriptions)
    assert world.told(40)[QUOTES] == [(DOWN, 0), (CONNECTED, 3), (DOWN, 20)]


def test_a_record_that_tells_a_time_long_past_does_not_make_a_connection_dead_for_longer_than_it_goes_unnoticed(
    of: Callable[..., World],
) -> None:
    world = of("binance", "BTCUSDT")
    world.at(3, world.states.connected, world.subscriptions)
    for _ in range(3):
        world.uptime.add_lag(20_000)
    for now in (199, 200):
        world.at(now, world.states.update)
    world.pipeline.batcher(TRADES, world.symbol).append(Trade(1, world.time(5), "buy", "1", "1", world.time(200)), NOON)
    world.at(201, world.states.disconnected, world.subscriptions)
    assert world.told(240)[TRADES][-1] == (DOWN, 139)


def test_where_the_clock_was_set_back_the_lag_is_by_the_clock_of_now(of: Callable[..., World]) -> None:
    """Receipts rise on each connection, so for an hour they are later than the clock that was set back by one."""
    world = of("coinbase", "BTC-USD")
    connection = world.pipeline.new_feed()
    received = world.time(3700)
    for second in range(101, 105):
        sent, received = world.time(second) - 50_000, received + 1
        trade = Trade(sent, sent, "buy", "1", "1", received)
        connection.feed(b"", received, lambda *_, sent=sent, trade=trade: [(TRADES, "BTC-USD", sent, trade)])
        world.at(second, world.states.update)
    assert world.lines(110)[TRADES, "BTC-USD"].lag == 50_000


def test_a_segment_that_was_ended_by_a_clock_that_is_set_back_is_written_at_once(
    of: Callable[..., World], tmp_path: Path
) -> None:
    world = of("binance", "BTCUSDT")
    store = open_store((tmp_path / "store").as_uri())
    uploader = Uploader(store, open_store((tmp_path / "spool").as_uri()), "binance", lambda key, error: None)
    world.at(3, world.states.connected, world.subscriptions)
    world.at(200, world.states.update)
    world.asleep = -100
    world.at(101, world.states.write, uploader)
    uploader.close()
    assert uploader.uploads.segments == 1


def interruption(start: int, end: int) -> Gap:
    return time_gap(TRADES, "BTC-USDT", start, end, GapCause.INTERRUPTED)


def test_what_is_lost_of_a_quiet_stream_by_asking_for_it_anew_is_its_silence(of: Callable[..., World]) -> None:
    """It is asked for because it is quiet; that nobody can tell what came then makes no outage of a quiet market."""
    world = of("binance", "BTCUSDT")
    world.at(0, world.states.connected, world.subscriptions)
    world.trade(1)
    world.at(100, world.states.stale, TRADES, world.symbol)
    world.at(300, world.states.gap, interruption(world.time(1), world.time(300)))
    world.trade(300)
    world.at(301, world.states.update)
    world.at(310, world.states.gap, interruption(world.time(305), world.time(310)))
    line = world.lines(400)[TRADES, "BTC-USDT"]
    assert [state.state for state in line.states] == [CONNECTED, SILENT, CONNECTED]
    assert [gap.first for gap in line.gaps] == [world.time(305)]


def test_before_a_segment_is_written_the_batches_of_its_time_are_closed(
    of: Callable[..., World], tmp_path: Path
) -> None:
    """Where everything has gone quiet no new minute ends them; a SIGKILL would then lose what is told as heard."""
    world = of("binance", "BTCUSDT")
    for _ in range(3):
        world.uptime.add_lag(2 * SECOND)
    batches: list[Batch] = []
    world.pipeline._on_batch = batches.append
    store = open_store((tmp_path / "store").as_uri())
    uploader = Uploader(store, open_store((tmp_path / "spool").as_uri()), "binance", lambda key, error: None)
    world.at(1, world.states.connected, world.subscriptions)
    quotes = world.pipeline.batcher(QUOTES, world.symbol)
    quotes.append(Quote(1, None, "1", "1", "2", "1", world.time(480)), world.time(478))
    world.at(609, world.states.write, uploader)
    assert (batches, uploader.uploads.segments + uploader.waiting) == ([], 0)
    world.at(610, world.states.write, uploader)
    uploader.close()
    assert ([batch.minute for batch in batches], uploader.uploads.segments) == ([world.time(420)], 1)


def test_a_process_that_stood_still_counts_as_down_from_before_that(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(3, world.states.connected, world.subscriptions)
    for now in (100, 101, 500):  # stopped at 101; at 500 it looks, and then notices
        world.at(now, world.states.update)
    world.at(501, world.states.disconnected, world.subscriptions)
    assert world.told(510)[TRADES] == [(DOWN, 0), (CONNECTED, 3), (DOWN, 41)]


def test_a_record_received_before_the_clock_was_set_back_does_not_say_since_when_a_connection_is_lost(
    of: Callable[..., World],
) -> None:
    world = of("binance", "BTCUSDT")
    world.at(3, world.states.connected, world.subscriptions)
    world.at(200, world.states.update)
    world.trade(200)
    world.asleep = -100  # at 201 it is set to 101
    for now in (101, 102, 103, 130):
        world.at(now, world.states.update)
    world.states.disconnected(world.subscriptions)
    _, segment = world.uptime.close(world.time(140))
    assert segment.lines[0].states == [StreamInterval(DOWN, world.time(101), world.time(140))]


def test_of_the_time_in_which_the_machine_slept_nothing_is_told(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(3, world.states.connected, world.subscriptions)
    world.at(60, world.states.update)
    world.asleep = 180
    world.at(240, world.states.update)
    first, second = world.uptime.close(world.time(300))
    told = [(line.start - NOON, line.end - NOON) for line in (first.lines[0], second.lines[0])]
    assert told == [(0, 60 * SECOND), (240 * SECOND, 300 * SECOND)]


def test_missing_frames_are_told_in_each_stream_that_only_their_connections_counter_vouches_for(
    of: Callable[..., World],
) -> None:
    world = of("coinbase", "BTC-USD")
    connection = world.pipeline.new_feed()
    for number, received in ((1, NOON + 10), (2, NOON + 20), (5, NOON + 60)):
        frame = {"channel": "heartbeats", "timestamp": "2024-08-08T12:00:00Z", "sequence_num": number, "events": []}
        connection.feed(json.encode(frame), received)
    (gap,) = world.gaps
    assert (gap.data_type, gap.unit, gap.first, gap.last, gap.start, gap.end) == (
        "*", GapUnit.COUNTER, 3, 4, NOON + 20, NOON + 60,
    )  # fmt: skip
    world.now = 1
    world.states.frames_lost(gap, connection, world.subscriptions)
    told = {data_type: stored(line.gaps) for (data_type, _), line in world.lines(10).items()}
    missing = [(NOON + 20, NOON + 60, "counter", NOON + SECOND, False)]
    assert told == {TRADES: [], BOOK_SNAPSHOTS: missing, BOOK_UPDATES: missing, QUOTES: missing}


def test_segments_become_objects(of: Callable[..., World], tmp_path: Path) -> None:
    world = of("binance", "BTCUSDT")
    store = open_store((tmp_path / "store").as_uri())
    uploader = Uploader(store, open_store((tmp_path / "spool").as_uri()), "binance", lambda key, error: None)
    world.at(1, world.states.connected, world.subscriptions)
    world.at(599, world.states.write, uploader)
    world.at(610, world.states.write, uploader)
    world.at(700, world.states.close, uploader)
    uploader.close()
    found = {parse_segment_key(item.key): decode_segment(store.read(item.key)) for item in store.objects("")}
    first, second = sorted(found, key=lambda key: key.start)
    assert [(key.exchange, key.instance, key.start) for key in (first, second)] == [
        ("binance", "a", NOON),
        ("binance", "a", NOON + 600 * SECOND),
    ]
    assert [(line.data_type, line.start - NOON) for line in found[second]] == [
        (data_type, 600 * SECOND) for data_type in (BOOK_UPDATES, QUOTES, TRADES)
    ]
    assert uploader.uploads.segments == 2
