"""What of a stretch of time is recorded, what is missing, and of what nobody knows.

What is missing of a stream in a stretch of time, day by day.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from booktape.archive.id_gaps import GapsSeen, inside, numbers_of, outside
from booktape.archive.market_days import MARGIN, Day, MarketDays, RowSource, StreamKey, Window
from booktape.archive.outages import Outages, is_numbered
from booktape.integrity.certificate import DayEdge
from booktape.model.gap import Gap, GapCause, GapUnit
from booktape.model.intervals import Interval, complement, intersection, total_length, union
from booktape.model.records import DAY
from booktape.model.timestamps import day_of, midnight


class Coverage(NamedTuple):
    """What is there of one market's data. Times in µs; intervals are half-open, and together the whole stretch.

    ``recorded`` is what is there whole, as far as anybody can know; in ``missing`` something is lost, and ``losses``
    says what; of ``unknown`` nobody knows.
    """

    exchange: str
    market: str
    data_type: str
    start: int
    end: int
    recorded: list[Interval]
    missing: list[Interval]
    unknown: list[Interval]
    losses: list[Gap]

    @property
    def is_whole(self) -> bool:
        """Whether everything is there."""
        return not self.losses

    @property
    def share(self) -> float:
        """The share of the time that is recorded whole."""
        return total_length(self.recorded) / (self.end - self.start)


def coverage_of(asked: Sequence[str], window: Interval, losses: list[Gap]) -> Coverage:
    """What some losses leave of a stretch."""
    start, end = window
    gone = intersection(((one.start, max(one.end, one.start + 1)) for one in losses if not one.is_unknown), [window])
    unknown = intersection(((one.start, one.end) for one in losses if one.is_unknown), [window])
    unknown = intersection(unknown, complement(gone, window))
    recorded = complement(union([*gone, *unknown]), window)
    exchange, market, data_type = asked
    return Coverage(exchange, market, data_type, start, end, recorded, gone, unknown, losses)


class OpenedDay(NamedTuple):
    """A day of a stretch, with its files where there are any."""

    start: int
    day: Day | None
    source: RowSource | None


def days_of(window: Window) -> list[int]:
    """The midnights (µs) of the days that a stretch lies in."""
    first, last = (midnight(day_of(max(time, 0))) for time in (window[0], window[1] - 1))
    return list(range(first, last + 1, DAY))


class GapFinder:
    """Looks at the days of a stretch in their order, and says of each what is missing.

    Where numbers prove that nothing is missing between two records, it does not matter who was connected.
    """

    def __init__(self, shelf: MarketDays, lapses: Outages, asked: StreamKey, window: Window) -> None:
        self._shelf = shelf
        self._lapses = lapses
        self._asked = asked
        self._window = window
        self._numbers = numbers_of(asked) if is_numbered(asked) else None
        self._last: OpenedDay | None = None
        self._pending: list[Gap] = []
        self._seen_at: int | None = None

    def day(self, opened: OpenedDay) -> list[Gap]:
        """What is missing of a day; where nobody knows how it went on after its last record, the next day tells."""
        found = self._lapses.of(self._asked, day_of(opened.start), opened.day.run if opened.day is not None else None)
        if self._numbers is None:
            return inside(found, self._window)
        if self._last is None:
            self._look_before(opened)
        self._last = opened
        window = _clipped(self._around(), opened.start)
        seen = self._numbers.take(opened.source, window) if opened.source is not None else None
        if seen is None:
            self._pending += outside(found, (opened.start, self._seen_at or opened.start))
            return inside(self._lost_day(opened), self._window)
        return inside(self._judged(opened, seen, found), self._window)

    def end(self) -> list[Gap]:
        """What is missing after the last record of all."""
        opened = self._last
        if self._numbers is None or opened is None:
            return []
        missing, midnight_after = self._pending, opened.start + DAY
        if self._window[1] + MARGIN < midnight_after:
            return inside(missing, self._window)
        if opened.day is not None and opened.day.run is not None:
            edge = self._edge(opened.day, "end")
            if edge is not None and self._seen_at is not None:
                missing = _at_edge(self._asked, edge, (self._seen_at, midnight_after))
        else:
            seen = self._look_at(midnight_after, (midnight_after, self._window[1] + MARGIN))
            missing = seen.missing if seen is not None else missing
        return inside(missing, self._window)

    def _judged(self, opened: OpenedDay, seen: GapsSeen, lapses: list[Gap]) -> list[Gap]:
        missing = list(seen.missing)
        if self._seen_at is None:  # nothing before it was seen: only the certificate can vouch for that
            reaches = self._window[0] - MARGIN <= opened.start
            edge = self._edge(opened.day, "start") if reaches else None
            if edge is None:
                missing += self._pending + outside(lapses, (seen.first, opened.start + DAY))
            else:
                missing += [*self._pending, *_at_edge(self._asked, edge, (opened.start, seen.first))]
        self._seen_at = seen.last
        self._pending = outside(lapses, (opened.start, seen.last))
        return missing

    def _lost_day(self, opened: OpenedDay) -> list[Gap]:
        """What a certificate tells of a day without a record: what is missing between the days around it."""
        edges = [self._edge(opened.day, name) for name in ("start", "end")]
        whole = opened.start, opened.start + DAY
        told = [one for edge in edges if edge is not None for one in _at_edge(self._asked, edge, whole)]
        return list(dict.fromkeys(told))

    def _around(self) -> Window:
        return self._window[0] - MARGIN, self._window[1] + MARGIN

    def _look_before(self, opened: OpenedDay) -> None:
        """What is not published has no certificate that tells how it joins the day before."""
        start = max(self._window[0] - MARGIN, 0)
        if start < opened.start and (opened.day is None or opened.day.run is None):
            seen = self._look_at(opened.start - DAY, (start, opened.start))
            self._seen_at = seen.last if seen is not None else None

    def _look_at(self, start: int, window: Window) -> GapsSeen | None:
        assert self._numbers is not None
        with opened_day(self._shelf, self._asked, start, window) as opened:
            return self._numbers.take(opened.source, window) if opened.source is not None else None

    def _edge(self, day: Day | None, name: str) -> DayEdge | None:
        """What a certificate tells of the place between two days; None where nobody knows."""
        if day is None or day.run is None:
            return None
        edges = self._shelf.told(day).edges
        return edges.start if name == "start" else edges.end


@contextmanager
def opened_day(shelf: MarketDays, asked: StreamKey, start: int, window: Window) -> Iterator[OpenedDay]:
    """A day of a market, of which a stretch is wanted, for as long as it is read. ``start`` is its midnight (µs)."""
    with ExitStack() as stack:
        day = shelf.day(asked, day_of(start), _clipped(window, start))
        yield OpenedDay(start, day, stack.enter_context(shelf.open(day)) if day is not None else None)


def _clipped(window: Window, start: int) -> Window:
    return max(window[0], start), min(window[1], start + DAY)


def _at_edge(asked: StreamKey, edge: DayEdge, between: Window) -> list[Gap]:
    start, end = between
    ranges = [(GapUnit.ID, first, last) for first, last in edge.missing_ids]
    ranges += [(GapUnit.LINK, before + 1, after - 1) for before, after in edge.broken_links]
    return [Gap(*one, GapCause.LOST, asked.data_type, asked.market, start, end) for one in ranges]
