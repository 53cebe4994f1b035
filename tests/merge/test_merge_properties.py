"""However a stream was spread over collectors, what is published is what any of them took: all of it, and once."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from booktape.merge import Merge, NothingToMergeError
from booktape.model.csv import Row
from tests.merge.binance import Collector, Depth, Event, Trade
from tests.merge.systems import Systems, at, memory_store, open_systems

DAY, NEXT = date(2024, 8, 8), date(2024, 8, 9)
START = at(NEXT) // 1_000 - 90_000  # ms: a minute and a half before midnight
STEPS = (0, 1, 900, 20_000, 61_000, -700)  # ms from one event to the next; one that goes back is late


class Run(NamedTuple):
    """What one process received between a start and a stop: some events on connection 0, some on 1, which lags."""

    system: int
    shift: int
    frames: list[tuple[int, Event]]

    def taken(self) -> Iterator[Event]:
        """What its sequence rule lets through: whatever is newer than all before."""
        newest = {Trade: -1, Depth: -1}
        for _, event in self.frames:
            position = event.id if isinstance(event, Trade) else event.last
            if position > newest[type(event)]:
                newest[type(event)] = position
                yield event


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Trades and depth windows, in the order in which the venue makes them."""
    events: list[Event] = []
    time, update = START, 1
    for is_trade, step, width in draw(
        st.lists(st.tuples(st.booleans(), st.sampled_from(STEPS), st.integers(0, 4)), min_size=1, max_size=30)
    ):
        time += step
        if is_trade:
            events.append(Trade(len(events), time))
        else:
            events.append(Depth(update, update + width, time, [("10.0", f"{update}")], []))
            update += width + 1
    trades = iter(range(len(events)))
    return [event._replace(id=next(trades)) if isinstance(event, Trade) else event for event in events]


@st.composite
def recordings(draw: st.DrawFn) -> list[Run]:
    """A stream over two systems, each of several processes with restarts, holes and a second, lagging connection."""
    stream = draw(streams())
    ends = st.integers(0, len(stream))
    runs = []
    for system, shift, start, stop, lag in draw(
        st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), ends, ends, st.integers(0, 4)), min_size=1, max_size=8)
    ):
        heard = stream[min(start, stop) : max(start, stop)]
        dropped = draw(st.sets(st.integers(0, len(stream)), max_size=3))
        first = [(2 * place, 0, event) for place, event in enumerate(heard) if place not in dropped]
        second = [(2 * (place + lag) + 1, 1, event) for place, event in enumerate(heard)] if lag else []
        frames = [(number, event) for _, number, event in sorted(first + second, key=lambda frame: frame[0])]
        runs.append(Run(system, shift, frames))
    return runs


def record(systems: Systems, runs: list[Run]) -> None:
    for number, run in enumerate(runs):
        store = (systems.primary, systems.replica)[run.system]
        Collector(store, run.shift).record(run.frames, received=(START + 7 * number) * 1_000)


def published(systems: Systems, data_type: str, day: date) -> list[Row]:
    return list(systems.reference_rows(Merge("binance", data_type, day)))


@given(recordings())
@settings(max_examples=150, deadline=None)
def test_every_trade_that_any_process_took_is_published_once_on_its_own_day_in_order(runs: list[Run]) -> None:
    systems = Systems(memory_store("a"), memory_store("b"), "")
    record(systems, runs)
    taken = {event for run in runs for event in run.taken() if isinstance(event, Trade)}
    for day in (DAY, NEXT):
        sent = sorted(
            (trade.time * 1_000, trade.id) for trade in taken if at(day) <= trade.time * 1_000 < at(day, 86_400_000_000)
        )
        assert [(row[2], int(str(row[4]))) for row in published(systems, "trades", day)] == sent


@given(recordings())
@settings(max_examples=150, deadline=None)
def test_every_book_message_that_any_process_took_is_published_in_the_order_of_its_ids(runs: list[Run]) -> None:
    systems = Systems(memory_store("a"), memory_store("b"), "")
    record(systems, runs)
    taken = {event.first for run in runs for event in run.taken() if isinstance(event, Depth)}
    days = [published(systems, "book_updates", day) for day in (DAY, NEXT)]
    assert {int(str(row[7])) for rows in days for row in rows} == taken
    for rows in days:
        names = [int(str(row[7])) for row in rows]
        times = [int(str(row[2])) for row in rows]
        assert names == sorted(set(names))
        assert times == sorted(times)


@given(recordings())
@settings(max_examples=50, deadline=None)
def test_however_batches_are_cut_and_late_nothing_looks_as_if_numbers_had_begun_anew(runs: list[Run]) -> None:
    systems = Systems(memory_store("a"), memory_store("b"), "")
    record(systems, runs)
    for data_type in ("trades", "book_updates"):
        for day in (DAY, NEXT):
            assert systems.resets(Merge("binance", data_type, day)) == {}


@given(recordings())
@settings(max_examples=12, deadline=None)
def test_duckdb_says_the_same(runs: list[Run]) -> None:
    with TemporaryDirectory() as directory:
        systems = open_systems(Path(directory))
        record(systems, runs)
        for data_type in ("trades", "book_updates"):
            for day in (DAY, NEXT):
                merge = Merge("binance", data_type, day)
                try:
                    systems.merge_rows(merge)
                except NothingToMergeError:
                    assert systems.reference(merge) == []
