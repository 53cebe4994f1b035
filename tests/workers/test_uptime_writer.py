"""A worker's ledger: what is told of its streams becomes one segment each ten minutes, and covers all the time."""

from datetime import UTC, datetime
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape.model.batch import Batch
from booktape.model.records import MINUTE, SECOND
from booktape.model.uptime import (
    CONNECTED,
    DOWN,
    RESYNCING,
    SILENT,
    StateName,
    StreamInterval,
    StreamUptime,
    WrittenBatch,
)
from booktape.store.layout import BatchKey
from tests.model.uptime_gaps import logged, stored
from workers import uptime_writer as module
from workers.uptime_writer import Segment, UptimeWriter

NOON = int(datetime(2024, 8, 8, 12, tzinfo=UTC).timestamp()) * SECOND
MIDNIGHT = NOON + 12 * 60 * MINUTE
BTC = ("trades", "BTC-USDT")
ETH = ("trades", "ETH-USDT")


def key(number: int, market: str = "BTC-USDT", data_type: str = "trades") -> BatchKey:
    return BatchKey(data_type, "binance", market, NOON, number, number, f"{number:016x}")


def written(number: int, records: int) -> WrittenBatch:
    return WrittenBatch(NOON, number, number, records, f"{number:016x}")


def started(at: int = NOON, *names: tuple[str, str]) -> UptimeWriter:
    ledger = UptimeWriter("a", at)
    ledger.begin(names or [BTC], at)
    return ledger


def test_a_segment_as_it_is_made() -> None:
    ledger = started(NOON + 5)
    ledger.change(BTC, CONNECTED, NOON + 7)
    ledger.gap(BTC, logged(4, 6, "ids", NOON + 8))
    ledger.batch_saved(key(1), 3)
    ledger.batch_saved(key(7), 1)
    assert ledger.close(NOON + 20) == [
        Segment(
            NOON + 5,
            [
                StreamUptime(
                    *BTC,
                    "a",
                    NOON + 5,
                    NOON + 20,
                    [StreamInterval(DOWN, NOON + 5, NOON + 7), StreamInterval(CONNECTED, NOON + 7, NOON + 20)],
                    [logged(4, 6, "ids", NOON + 8)],
                    [written(1, 3), written(7, 1)],
                    over=True,
                )
            ],
        )
    ]


def test_a_segment_ends_with_its_ten_minutes_and_the_next_one_goes_on_in_the_same_state() -> None:
    ledger = started(NOON + 7 * MINUTE)
    ledger.change(BTC, CONNECTED, NOON + 7 * MINUTE)
    assert ledger.take(NOON + 10 * MINUTE - 1) == []
    (segment,) = ledger.take(NOON + 10 * MINUTE + 900_000)
    assert segment.lines[0].states == [StreamInterval(CONNECTED, NOON + 7 * MINUTE, NOON + 10 * MINUTE)]
    (last,) = ledger.close(NOON + 11 * MINUTE)
    assert last.lines[0].states == [StreamInterval(CONNECTED, NOON + 10 * MINUTE, NOON + 11 * MINUTE)]


def test_what_happens_after_the_ten_minutes_but_before_anybody_looks_belongs_to_the_next_segment() -> None:
    ledger = started()
    ledger.gap(BTC, logged(1, 1, "ids", NOON + 10 * MINUTE - 1))
    ledger.gap(BTC, logged(2, 2, "ids", NOON + 10 * MINUTE))
    ledger.change(BTC, CONNECTED, NOON + 10 * MINUTE + 5)
    first, second = ledger.close(NOON + 10 * MINUTE + 9)
    assert [gap.first for gap in first.lines[0].gaps] == [1]
    assert [gap.first for gap in second.lines[0].gaps] == [2]
    assert first.lines[0].states == [StreamInterval(DOWN, NOON, NOON + 10 * MINUTE)]
    assert [state.state for state in second.lines[0].states] == [DOWN, CONNECTED]


def test_no_segment_spans_midnight() -> None:
    ledger = started(MIDNIGHT - MINUTE)
    first, second = ledger.close(MIDNIGHT + MINUTE)
    assert (first.lines[0].end, second.start) == (MIDNIGHT, MIDNIGHT)


def test_a_state_may_have_begun_a_while_ago_but_not_before_the_one_that_it_follows() -> None:
    ledger = started()
    ledger.change(BTC, CONNECTED, NOON + 10)
    ledger.change(BTC, DOWN, NOON + 50, since=NOON + 30)
    ledger.change(BTC, CONNECTED, NOON + 60)
    ledger.change(BTC, DOWN, NOON + 70, since=NOON + 20)
    (segment,) = ledger.close(NOON + 100)
    assert segment.lines[0].states == [
        StreamInterval(DOWN, NOON, NOON + 10),
        StreamInterval(CONNECTED, NOON + 10, NOON + 30),
        StreamInterval(DOWN, NOON + 30, NOON + 100),
    ]


def test_what_is_written_stands_though_a_state_began_before() -> None:
    ledger = started(NOON + 9 * MINUTE)
    ledger.change(BTC, CONNECTED, NOON + 9 * MINUTE)
    ledger.change(BTC, DOWN, NOON + 10 * MINUTE + 5, since=NOON + 9 * MINUTE + 30)
    first, second = ledger.close(NOON + 11 * MINUTE)
    assert [state.state for state in first.lines[0].states] == [CONNECTED]
    assert second.lines[0].states == [StreamInterval(DOWN, NOON + 10 * MINUTE, NOON + 11 * MINUTE)]


def test_the_next_segment_says_since_when_a_state_was_that_the_one_before_could_not_know_of() -> None:
    ledger = started(NOON + 9 * MINUTE)
    ledger.change(BTC, CONNECTED, NOON + 9 * MINUTE + 20 * SECOND)
    ledger.take(NOON + 10 * MINUTE)
    ledger.change(BTC, DOWN, NOON + 10 * MINUTE + 5, since=NOON + 9 * MINUTE + 30 * SECOND)
    ledger.change(BTC, CONNECTED, NOON + 20 * MINUTE + 7)
    second, third, fourth = ledger.close(NOON + 30 * MINUTE + 1)
    assert second.lines[0].since == third.lines[0].since == NOON + 9 * MINUTE + 30 * SECOND
    assert fourth.lines[0].since is None  # connected


def test_no_state_reaches_back_over_the_one_that_it_follows() -> None:
    ledger = started(NOON + 9 * MINUTE)
    ledger.change(BTC, CONNECTED, NOON + 9 * MINUTE + 50 * SECOND)
    ledger.take(NOON + 10 * MINUTE)
    ledger.change(BTC, DOWN, NOON + 10 * MINUTE + 5, since=NOON + 9 * MINUTE + 30 * SECOND)
    (segment,) = ledger.close(NOON + 11 * MINUTE)
    assert segment.lines[0].since == NOON + 9 * MINUTE + 50 * SECOND


def test_a_line_says_whether_the_stream_is_the_workers_no_more() -> None:
    ledger = started(NOON, BTC, ETH)
    ledger.end([BTC], NOON + 5)
    (first,) = ledger.take(NOON + 10 * MINUTE)
    (last,) = ledger.close(NOON + 11 * MINUTE)
    assert [(line.market, line.over) for line in first.lines] == [("BTC-USDT", True), ("ETH-USDT", False)]
    assert [(line.market, line.over) for line in last.lines] == [("ETH-USDT", True)]


def test_a_segment_tells_the_lag_if_it_is_known_of_three_moments() -> None:
    ledger = started()
    for lag in (61 * SECOND, 30_000, 20_000, 25_000):  # a subscription may begin with what was sent a minute ago
        ledger.add_lag(lag)
    (first,) = ledger.take(NOON + 10 * MINUTE)
    ledger.add_lag(24_000)
    ledger.add_lag(26_000)
    (second,) = ledger.close(NOON + 11 * MINUTE)
    assert (first.lines[0].lag, second.lines[0].lag) == (20_000, None)
    assert ledger.lag == 20_000  # still the best that is known


def test_most_moments_may_be_late_and_the_lag_is_that_of_those_that_are_not() -> None:
    """A connection that is held up for minutes says nothing of the clock; only that it is held up."""
    ledger = started()
    for second in range(100):
        ledger.add_lag(20_000 + second if second % 8 == 0 else 5 * SECOND)
    (segment,) = ledger.close(NOON + MINUTE)
    assert segment.lines[0].lag == 20_080


def test_a_machine_that_slept_says_nothing_of_that_time_and_no_state_reaches_back_over_it() -> None:
    ledger = started()
    ledger.tick(NOON, 0)
    ledger.change(BTC, CONNECTED, NOON + 3)
    ledger.tick(NOON + MINUTE, MINUTE)
    ledger.tick(NOON + 30 * MINUTE, MINUTE + SECOND)
    ledger.change(BTC, DOWN, NOON + 30 * MINUTE + 4 * SECOND, since=NOON + 29 * MINUTE)
    first, second = ledger.close(NOON + 31 * MINUTE)
    assert (first.start, first.lines[0].end, first.lines[0].over) == (NOON, NOON + MINUTE, False)
    assert second.start == NOON + 30 * MINUTE
    assert second.lines[0].states == [StreamInterval(DOWN, NOON + 30 * MINUTE, NOON + 31 * MINUTE)]
    assert second.lines[0].since is None


def test_a_clock_that_is_set_back_begins_a_segment_of_its_own_time_and_lag() -> None:
    ledger = started()
    ledger.tick(NOON, 0)
    ledger.change(BTC, CONNECTED, NOON)
    for second in range(10):
        ledger.tick(NOON + second * SECOND, second * SECOND)
        ledger.add_lag(2 * SECOND)
    ledger.tick(NOON + 8 * SECOND, 10 * SECOND)
    assert ledger.lag is None
    first, second_one = ledger.close(NOON + 9 * SECOND)
    assert (first.lines[0].end, first.lines[0].lag) == (NOON + 9 * SECOND, 2 * SECOND)
    assert (second_one.start, second_one.lines[0].end) == (NOON + 8 * SECOND, NOON + 9 * SECOND)


def test_clocks_that_go_apart_by_less_than_a_second_are_nothing() -> None:
    ledger = started()
    for second in range(60):
        ledger.tick(NOON + second * SECOND, second * SECOND * 99 // 100)
    ledger.tick(NOON + 61 * SECOND, 60 * SECOND)
    assert len(ledger.close(NOON + MINUTE + 2 * SECOND)) == 1


def test_markets_come_and_go() -> None:
    ledger = started(NOON, BTC)
    ledger.begin([ETH], NOON + 3)
    ledger.end([BTC], NOON + 5)
    ledger.batch_saved(key(1), 1)  # its open batch ends a moment later
    (segment,) = ledger.take(NOON + 10 * MINUTE)
    assert [(line.market, line.start, line.end) for line in segment.lines] == [
        ("BTC-USDT", NOON, NOON + 5),
        ("ETH-USDT", NOON + 3, NOON + 10 * MINUTE),
    ]
    assert segment.lines[0].batches == [written(1, 1)]
    (segment,) = ledger.close(NOON + 20 * MINUTE - 1)
    assert [line.market for line in segment.lines] == ["ETH-USDT"]


def test_a_market_that_comes_back_has_a_line_for_each_of_its_times() -> None:
    ledger = started()
    ledger.end([BTC], NOON + 5)
    ledger.begin([BTC], NOON + 9)
    (segment,) = ledger.close(NOON + 20)
    assert [(line.start, line.end) for line in segment.lines] == [(NOON, NOON + 5), (NOON + 9, NOON + 20)]


def test_the_last_batch_of_a_market_that_is_gone_has_a_line_without_any_time() -> None:
    ledger = started(NOON, BTC, ETH)
    ledger.end([BTC], NOON + 5)
    ledger.take(NOON + 10 * MINUTE)
    ledger.batch_saved(key(1), 1)
    (segment,) = ledger.close(NOON + 15 * MINUTE)
    late = segment.lines[0]
    assert (late.market, late.states, late.batches) == ("BTC-USDT", [], [written(1, 1)])
    assert late.start == late.end == NOON + 15 * MINUTE


def test_markets_heard_of_by_a_channel_for_all_fare_as_that_does() -> None:
    ledger = started(NOON, ("liquidations", "*"))
    ledger.change(("liquidations", "*"), CONNECTED, NOON + 4)
    ledger.batch_saved(key(1, "ETH-USDT", "liquidations"), 1)
    ledger.gap(("liquidations", "BTC-USDT"), logged(1, 2, "time", NOON + 6))
    (segment,) = ledger.close(NOON + 9)
    assert [line.market for line in segment.lines] == ["*", "BTC-USDT", "ETH-USDT"]
    assert {tuple(line.states) for line in segment.lines} == {
        (StreamInterval(DOWN, NOON, NOON + 4), StreamInterval(CONNECTED, NOON + 4, NOON + 9))
    }


def test_a_clock_that_is_set_back_stands_still_in_the_ledger() -> None:
    ledger = started()
    ledger.change(BTC, CONNECTED, NOON + 50)
    ledger.change(BTC, SILENT, NOON + 20)
    ledger.change(BTC, CONNECTED, NOON + 60)
    (segment,) = ledger.close(NOON + 70)
    states = segment.lines[0].states
    assert states[0] == StreamInterval(DOWN, NOON, NOON + 50)
    assert states[-1].end == NOON + 70


def test_a_market_that_comes_while_the_clock_is_set_back_comes_no_earlier_than_the_segment() -> None:
    ledger = started()
    ledger.take(NOON + 10 * MINUTE)
    ledger.begin([ETH], NOON + 9 * MINUTE)
    (segment,) = ledger.close(NOON + 11 * MINUTE)
    assert [line.start for line in segment.lines] == [NOON + 10 * MINUTE] * 2


def test_of_hours_in_which_the_machine_slept_nothing_is_told() -> None:
    ledger = started()
    (first,) = ledger.take(NOON + 125 * MINUTE)
    (second,) = ledger.close(NOON + 126 * MINUTE)
    assert first.lines[0].end == NOON + 10 * MINUTE
    assert second.start == NOON + 125 * MINUTE


def test_minutes_that_nobody_looked_are_cut_like_all_others() -> None:
    assert [segment.start - NOON for segment in started().close(NOON + 35 * MINUTE)] == [
        0,
        10 * MINUTE,
        20 * MINUTE,
        30 * MINUTE,
    ]


def test_a_segment_that_grows_too_large_ends_early_but_no_two_begin_in_the_same_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MAX_ENTRIES", 3)
    ledger = started()
    for number in range(5):
        ledger.gap(BTC, logged(number, number, "ids", NOON + number))
    assert ledger.take(NOON + SECOND - 1) == []
    (segment,) = ledger.take(NOON + SECOND)
    assert len(segment.lines[0].gaps) == 5
    assert ledger.take(NOON + 3 * SECOND) == []


def test_a_batch_that_is_lost_is_an_interruption_of_its_minute() -> None:
    """Nothing else would tell of it where nothing is numbered: its stream was connected all the time."""
    ledger = started()
    ledger.batch_lost(Batch(*BTC, NOON + 3 * MINUTE, 4, 9, 6, b""))
    ledger.change(BTC, CONNECTED, NOON + 5 * MINUTE)
    (segment,) = ledger.close(NOON + 9 * MINUTE)
    assert stored(segment.lines[0].gaps) == [
        (NOON + 3 * MINUTE, NOON + 4 * MINUTE - 1, "time", NOON + 9 * MINUTE, False)
    ]


def test_batches_may_be_told_on_any_thread() -> None:
    ledger = started()

    def tell(first: int) -> None:
        for number in range(first, first + 1000):
            ledger.batch_saved(key(number), 1)

    threads = [Thread(target=tell, args=(1000 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    segments = [ledger.take(NOON + minute * 10 * MINUTE) for minute in range(1, 6)]
    for thread in threads:
        thread.join()
    segments.append(ledger.close(NOON + 70 * MINUTE))
    told = [batch.first for found in segments for segment in found for line in segment.lines for batch in line.batches]
    assert sorted(told) == list(range(4000))


changes = st.tuples(
    st.sampled_from([CONNECTED, SILENT, RESYNCING, DOWN]), st.integers(0, 15 * MINUTE), st.integers(0, 2 * MINUTE)
)


@given(st.lists(changes, max_size=12), st.integers(0, 5 * MINUTE))
def test_states_cover_each_segment_without_a_hole(steps: list[tuple[StateName, int, int]], rest: int) -> None:
    ledger, now = started(), NOON
    for state, pause, ago in steps:
        now += pause
        ledger.change(BTC, state, now, since=now - ago)
    segments = ledger.close(now + rest)
    edges = [NOON]
    for segment in segments:
        (line,) = segment.lines
        assert (segment.start, line.start) == (edges[-1], edges[-1])
        for before, after in zip(line.states, line.states[1:], strict=False):
            assert before.end == after.start
            assert before.state != after.state
        if line.states:
            assert (line.states[0].start, line.states[-1].end) == (line.start, line.end)
        edges.append(line.end)
    assert edges[-1] == now + rest
