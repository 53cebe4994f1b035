"""What an instance's ledger says, put together, and what all of them together say of a day."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape.integrity.uptime import Downtime, InstanceUptime, downtime, instance_uptime
from booktape.model.gap import Gap
from booktape.model.intervals import Interval, intersection, union
from booktape.model.records import DAY, MINUTE, SECOND
from booktape.model.uptime import CONNECTED, DOWN, RESYNCING, SILENT, StreamInterval, StreamUptime
from tests.model.uptime_gaps import logged

MIDNIGHT = 1723161600_000_000
TEN = 10 * MINUTE
THE_DAY = range(MIDNIGHT, MIDNIGHT + DAY)


def line(
    *states: tuple[str, int],
    end: int,
    gaps: Sequence[Gap] = (),
    since: int | None = None,
    lag: int | None = 0,
    over: bool = False,
) -> StreamUptime:
    """A line from the first state's beginning on, all times from midnight on (µs)."""
    edges = [*(start for _, start in states), end]
    told = [
        StreamInterval(state, MIDNIGHT + start, MIDNIGHT + to)  # type: ignore[arg-type]  # spelled out in each test
        for (state, _), (start, to) in zip(states, pairwise(edges), strict=True)
    ]
    begun = None if since is None else MIDNIGHT + since
    whole = MIDNIGHT + edges[0], MIDNIGHT + end
    return StreamUptime("trades", "BTC-USDT", "a", *whole, told, list(gaps), [], begun, lag, over)


def from_midnight(intervals: Sequence[Interval]) -> list[Interval]:
    return [(start - MIDNIGHT, end - MIDNIGHT) for start, end in intervals]


def test_a_connection_that_died_before_the_end_of_a_segment_was_not_connected_there() -> None:
    first = line((CONNECTED, 0), end=TEN)
    second = line((DOWN, TEN), (CONNECTED, TEN + 5), end=2 * TEN, since=TEN - 20 * SECOND, over=True)
    assert from_midnight(instance_uptime([first, second]).sound) == [(0, TEN - 20 * SECOND), (TEN + 5, 2 * TEN)]


def test_since_when_it_was_dead_is_by_the_exchanges_clock_too() -> None:
    first = line((CONNECTED, 0), end=TEN, lag=2 * SECOND)
    second = line((DOWN, TEN), end=2 * TEN, since=TEN - 20 * SECOND, lag=2 * SECOND, over=True)
    assert from_midnight(instance_uptime([first, second]).sound) == [(-2 * SECOND, TEN - 22 * SECOND)]


def test_nor_was_a_stream_heard_there_that_is_called_silent_afterwards() -> None:
    first = line((CONNECTED, 0), end=TEN)
    second = line((SILENT, TEN), (CONNECTED, TEN + 5), end=2 * TEN, since=TEN - 90 * SECOND, over=True)
    found = instance_uptime([second, first])
    assert from_midnight(found.sound) == [(0, TEN - 90 * SECOND), (TEN + 5, 2 * TEN)]
    assert from_midnight(found.silent) == [(TEN - 90 * SECOND, TEN + 5)]


@pytest.mark.parametrize(
    ("last", "known"),
    [
        (line((CONNECTED, 0), end=TEN), TEN - MINUTE),
        (line((CONNECTED, 0), end=TEN, over=True), TEN),
        (line((CONNECTED, 0), (SILENT, 9 * MINUTE + 30 * SECOND), end=TEN), 9 * MINUTE + 30 * SECOND),
        (line((CONNECTED, 0), (DOWN, 9 * MINUTE + 30 * SECOND), end=TEN), TEN),
        (line((DOWN, 0), (CONNECTED, TEN - 5), end=TEN), TEN - 5),
    ],
)
def test_the_last_minute_before_a_segment_that_is_missing_is_unknown_unless_the_worker_ended_or_knew(
    last: StreamUptime, known: int
) -> None:
    assert from_midnight(instance_uptime([last]).logged) == [(0, known)]


def test_all_times_are_brought_to_the_exchanges_clock_but_those_that_are_its_own() -> None:
    gaps = [
        logged(MIDNIGHT + 20 * SECOND, MIDNIGHT + 21 * SECOND - 1, "counter", 0),
        logged(MIDNIGHT + 30 * SECOND, MIDNIGHT + 31 * SECOND - 1, "time", 0),
        logged(MIDNIGHT + 40 * SECOND, MIDNIGHT + 41 * SECOND - 1, "time", 0, received=True),
        logged(7, 9, "ids", 0),
    ]
    found = instance_uptime([line((DOWN, 0), (CONNECTED, 5 * SECOND), end=TEN, gaps=gaps, lag=2 * SECOND, over=True)])
    assert from_midnight(found.sound) == [
        (3 * SECOND, 18 * SECOND),
        (19 * SECOND, 30 * SECOND),
        (31 * SECOND, 38 * SECOND),
        (39 * SECOND, TEN - 2 * SECOND),
    ]
    assert from_midnight(found.logged) == [(-2 * SECOND, TEN - 2 * SECOND)]
    assert (len(found.interruptions), found.by_exchange) == (3, True)


def test_only_breaks_of_the_day_count() -> None:
    gaps = [
        logged(MIDNIGHT + at, MIDNIGHT + at + SECOND - 1, "time", 0)
        for at in (-40 * MINUTE, -SECOND // 2, MINUTE, DAY, DAY + MINUTE)
    ]
    whole = line((CONNECTED, -MINUTE), end=DAY + 2 * MINUTE, gaps=gaps, over=True)
    assert downtime([[whole]], THE_DAY).interruptions == 2


@pytest.mark.parametrize("lags", [(2000, 5000, 1000), (2000, None, 1000), (None, 1000, None), (-9000, 2000, None)])
def test_between_segments_whose_clocks_differ_there_is_neither_hole_nor_overlap(lags: tuple[int | None, ...]) -> None:
    lines = [line((CONNECTED, n * TEN), end=(n + 1) * TEN, lag=lag, over=n == 2) for n, lag in enumerate(lags)]
    assert len(instance_uptime(lines).sound) == len(instance_uptime(lines).logged) == 1


def test_a_segment_that_heard_no_time_goes_by_the_nearest_that_did() -> None:
    lines = [
        line((CONNECTED, 0), (DOWN, 5 * MINUTE), end=TEN, lag=SECOND),
        line((DOWN, TEN), end=2 * TEN, lag=None),
        line((DOWN, 2 * TEN), end=3 * TEN, lag=None),
        line((DOWN, 3 * TEN), (CONNECTED, 3 * TEN + 5 * SECOND), end=4 * TEN, lag=None),
        line((CONNECTED, 4 * TEN), end=5 * TEN, lag=3 * SECOND, over=True),
    ]
    assert from_midnight(instance_uptime(lines).sound) == [
        (-SECOND, 5 * MINUTE - SECOND),
        (3 * TEN + 2 * SECOND, 5 * TEN - 3 * SECOND),
    ]


def test_what_is_lost_by_a_clock_of_which_nothing_is_known_is_a_second_longer_at_both_ends() -> None:
    states = ((CONNECTED, 0), (DOWN, 5 * MINUTE), (CONNECTED, 6 * MINUTE))
    gap = logged(MIDNIGHT + 8 * MINUTE, MIDNIGHT + 8 * MINUTE, "counter", 0)
    found = instance_uptime([line(*states, end=TEN, gaps=[gap], lag=None, over=True)])
    assert from_midnight(found.sound) == [
        (0, 5 * MINUTE - SECOND),
        (6 * MINUTE + SECOND, 8 * MINUTE - SECOND),
        (8 * MINUTE + 1 + SECOND, TEN),
    ]
    assert found.by_exchange is False


def day_of(*instances: Sequence[StreamUptime]) -> dict[str, list[Interval]]:
    found = downtime(instances, THE_DAY)
    return {name: from_midnight(getattr(found, name)) for name in ("down", "unknown", "silent")}


def test_two_accounts_of_one_outage_by_clocks_that_are_apart_are_one() -> None:
    def outage(lag: int) -> StreamUptime:
        states = ((CONNECTED, lag), (DOWN, MINUTE + lag), (CONNECTED, MINUTE + 3 * SECOND + lag))
        return line(*states, end=DAY + lag, lag=lag, over=True)

    assert day_of([outage(0)], [outage(2 * SECOND)], [outage(-700 * SECOND)]) == {
        "down": [(MINUTE, MINUTE + 3 * SECOND)],
        "unknown": [],
        "silent": [],
    }


def test_silent_is_not_down_but_no_proof_that_nothing_was_lost() -> None:
    quiet = line((CONNECTED, 0), (SILENT, 100), (CONNECTED, 400), end=DAY, over=True)
    other = line((CONNECTED, 0), (RESYNCING, 200), (CONNECTED, 300), end=DAY, over=True)
    assert day_of([quiet], [other]) == {"down": [], "unknown": [], "silent": [(200, 300)]}


def test_where_one_is_down_and_anothers_segment_is_missing_nobody_knows() -> None:
    down = line((CONNECTED, 0), (DOWN, 5 * TEN), (CONNECTED, 6 * TEN), end=DAY, over=True)
    before = line((CONNECTED, 0), end=2 * TEN)
    after = line((CONNECTED, 5 * TEN + MINUTE), end=DAY, over=True)
    assert day_of([down], [before, after]) == {"down": [], "unknown": [(5 * TEN, 5 * TEN + MINUTE)], "silent": []}


def test_where_one_is_down_and_another_had_ended_before_it_is_down() -> None:
    down = line((CONNECTED, 0), (DOWN, 5 * TEN), (CONNECTED, 6 * TEN), end=DAY, over=True)
    ended = line((CONNECTED, 0), end=2 * TEN, over=True)
    later = line((DOWN, 7 * TEN), (CONNECTED, 7 * TEN + 5), end=DAY, over=True)
    assert day_of([down], [ended]) == {"down": [(5 * TEN, 6 * TEN)], "unknown": [], "silent": []}
    assert day_of([down], [ended, later]) == {"down": [(5 * TEN, 6 * TEN)], "unknown": [], "silent": []}
    assert day_of([down], [later]) == {"down": [(5 * TEN, 6 * TEN)], "unknown": [], "silent": []}


@pytest.mark.parametrize(
    "first",
    [
        line((CONNECTED, 7 * TEN), end=DAY, over=True),
        line((DOWN, 7 * TEN), (CONNECTED, 7 * TEN + 5), end=DAY, since=7 * TEN - 9, over=True),
    ],
)
def test_who_goes_on_in_the_first_segment_that_can_be_read_was_to_listen_before_it(first: StreamUptime) -> None:
    """The segments before are lost or broken: a worker that begins is down at first, and says so of no time before."""
    down = line((CONNECTED, 0), (DOWN, 5 * TEN), (CONNECTED, 6 * TEN), end=DAY, over=True)
    assert day_of([down], [first]) == {"down": [], "unknown": [(5 * TEN, 6 * TEN)], "silent": []}


def test_a_system_that_recorded_something_and_has_no_ledger_may_have_listened() -> None:
    down = line((CONNECTED, 0), (DOWN, 5 * TEN), (CONNECTED, 6 * TEN), end=DAY, over=True)
    assert day_of([down], []) == {"down": [], "unknown": [(5 * TEN, 6 * TEN)], "silent": []}


def test_without_any_ledger_all_of_it_is_unknown_and_by_no_clock() -> None:
    assert downtime([[]], THE_DAY) == Downtime(unknown=[(MIDNIGHT, MIDNIGHT + DAY)])


def test_one_clock_of_which_nothing_is_known_is_said() -> None:
    whole = line((CONNECTED, 0), end=DAY, over=True)
    blind = line((CONNECTED, 0), end=DAY, lag=None, over=True)
    assert [downtime(some, THE_DAY).by_exchange for some in ([[whole]], [[whole], []], [[whole], [blind]])] == [
        True,
        True,
        False,
    ]


def test_the_next_days_first_segment_tells_of_the_last_minute() -> None:
    whole = line((CONNECTED, 0), end=DAY)
    assert day_of([whole])["unknown"] == [(DAY - MINUTE, DAY)]
    assert day_of([whole, line((CONNECTED, DAY), end=DAY + TEN)])["unknown"] == []
    dead = line((DOWN, DAY), end=DAY + TEN, since=DAY - 9 * SECOND)
    assert day_of([whole, dead])["down"] == [(DAY - 9 * SECOND, DAY)]


states = st.lists(
    st.tuples(st.sampled_from([CONNECTED, SILENT, RESYNCING, DOWN]), st.integers(1, 5 * MINUTE)), min_size=1, max_size=5
)
lines = st.builds(
    lambda start, told, lag, over: line(
        *((state, start + sum(length for _, length in told[:n])) for n, (state, _) in enumerate(told)),
        end=start + sum(length for _, length in told),
        lag=lag,
        over=over,
    ),
    st.integers(0, DAY),
    states,
    st.none() | st.integers(-SECOND, SECOND),
    st.booleans(),
)


@given(st.lists(st.lists(lines, max_size=4), max_size=3))
def test_each_moment_of_a_day_is_in_one_of_four_states(instances: list[list[StreamUptime]]) -> None:
    found = downtime(instances, THE_DAY)
    parts = [found.down, found.unknown, found.silent, found.sound]
    assert union(one for part in parts for one in part) == [(MIDNIGHT, MIDNIGHT + DAY)]
    assert sum(end - start for part in parts for start, end in part) == DAY


@given(st.lists(lines, max_size=5))
def test_what_was_heard_is_told_and_due(some: list[StreamUptime]) -> None:
    found: InstanceUptime = instance_uptime(some)
    heard = union([*found.sound, *found.silent])
    assert intersection(heard, found.logged) == heard
    assert intersection(found.logged, found.due) == found.logged or any(one.over for one in some)
