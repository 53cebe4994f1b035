"""What becomes of a worker's streams, kept until it is written as a segment of the ledger. No I/O and no clock.

Nothing here is told of a record: only of states, gaps and whole batches.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec import json

from booktape.model.batch import Batch
from booktape.model.gap import Gap, GapCause, time_gap
from booktape.model.records import MINUTE, SECOND
from booktape.model.uptime import (
    CONNECTED,
    DOWN,
    StateName,
    StreamInterval,
    StreamUptime,
    WrittenBatch,
)
from booktape.store.layout import BatchKey

LENGTH: Final = 600 * SECOND
"""Segments end where the clock shows a whole ten minutes, hence at midnight too."""

ANY_MARKET: Final = "*"

_MOST_ENTRIES: Final = 100_000
"""A segment that holds so many gaps, batches and changes ends early: its memory is bounded, whatever happens."""

_UNTOLD: Final = 3600 * SECOND
"""Where nobody has told anything for so long, nobody knows what was in between, and no segment says so."""

_LEAP: Final = SECOND
"""Where the wall clock goes on so much more or less than one that nobody sets, it was set, or the machine slept."""

_LAGS: Final = 3
"""Of so many moments the lag must be known: right after a subscription a venue may tell times that are long past."""

_PUNCTUAL: Final = 10
"""Of so many moments one is taken to be punctual: what is late says nothing of the clock, and nothing comes early."""

Name = tuple[str, str]
"""Data type and market."""

_packed: Final = json.Decoder(tuple[Name, WrittenBatch])
"""What waits of a batch, as text: tens of thousands of them wait ten minutes, and objects take four times the space."""


class Segment(NamedTuple):
    """A finished segment: when it began (µs), and a line for each stream."""

    start: int
    lines: list[StreamUptime]


@dataclass
class _Track:
    """A stream's states in the open segment: each with the time of its beginning, which may be before ``start``."""

    start: int
    changes: list[tuple[StateName, int]]
    end: int | None = None

    def change(self, state: StateName, at: int) -> bool:
        """Whether this is a change. It never begins before the state that it follows."""
        now, since = self.changes[-1]
        if now == state:
            return False
        if at <= since:
            self.changes.pop()
        if not self.changes or self.changes[-1][0] != state:
            self.changes.append((state, max(at, since)))
        return True

    def go_on(self, start: int) -> None:
        """Another segment begins in the state of now."""
        self.start, self.changes = start, self.changes[-1:]

    def states(self, end: int) -> list[StreamInterval]:
        """The intervals from ``start`` to ``end``, but for empty ones."""
        ends = [*(since for _, since in self.changes[1:]), end]
        told = [
            StreamInterval(state, max(since, self.start), to)
            for (state, since), to in zip(self.changes, ends, strict=True)
        ]
        return [state for state in told if state.start < state.end]

    @property
    def since(self) -> int | None:
        """When the first state began, if before ``start``: the segment before may not know of it yet."""
        begun = [change for change in self.changes if change[1] <= self.start]
        if not begun or begun[-1][0] == CONNECTED or begun[-1][1] == self.start:
            return None
        return begun[-1][1]


@dataclass
class UptimeWriter:
    """The open segment of one worker, and finished ones that wait to be taken. Times are the collector's, in µs.

    All is told on the event loop, but for :meth:`wrote` and :meth:`lost`.

    :param instance: the worker's name.
    :param start: when the first segment begins.
    """

    instance: str
    start: int
    lag: int | None = field(default=None, init=False)
    """By how much receipts come after the exchange's times, as last known (µs). See :class:`StreamUptime`."""
    _now: int = field(default=0, init=False)
    _read: tuple[int, int] | None = field(default=None, init=False)
    _lags: list[int] = field(init=False, default_factory=list)
    _tracks: dict[Name, _Track] = field(init=False, default_factory=dict)
    _gone: list[tuple[Name, _Track]] = field(init=False, default_factory=list)
    _gaps: defaultdict[Name, list[Gap]] = field(init=False, default_factory=lambda: defaultdict(list))
    _written: deque[bytes] = field(init=False, default_factory=deque)
    _lost: deque[tuple[Name, int]] = field(init=False, default_factory=deque)
    _entries: int = field(default=0, init=False)
    _finished: list[Segment] = field(init=False, default_factory=list)

    def tick(self, now: int, steady: int) -> None:
        """Clocks were read. To be called before anything is told of a moment: it notices when nobody listened.

        A machine that slept, or a clock that was set, ends the segment where the clock was last read.

        :param steady: of a clock that nobody sets and that stops in sleep, µs.
        """
        before, self._read = self._read, (now, steady)
        if before is not None and abs((now - before[0]) - (steady - before[1])) > _LEAP:
            self._cut(self._roll(before[0]))
            self._now = now
            self._begin(now, anew=True)

    def lags(self, lag: int) -> None:
        """By how much (µs) a receipt of now came after the exchange's time."""
        self._lags.append(lag)
        self.lag = _usual(self._lags, self.lag)

    def begin(self, names: Iterable[Name], now: int) -> None:
        """The worker is responsible for streams from now on. Until they are connected they are down."""
        now = self._roll(now)
        for name in names:
            self._tracks.setdefault(name, _Track(now, [(DOWN, now)]))

    def end(self, names: Iterable[Name], now: int) -> None:
        """The worker is no more responsible for streams."""
        now = self._roll(now)
        for name in names:
            track = self._tracks.pop(name, None)
            if track is not None:
                track.end = now
                self._gone.append((name, track))

    def state(self, name: Name) -> StateName | None:
        """How a stream is now; None for one that the worker is not responsible for."""
        track = self._tracks.get(name)
        return track.changes[-1][0] if track is not None else None

    def change(self, name: Name, state: StateName, now: int, since: int | None = None) -> None:
        """A stream is in another state now, or has been ``since`` a while: so far as that is not written already."""
        now = self._roll(now)
        track = self._tracks.get(name)
        if track is not None:
            self._entries += track.change(state, now if since is None else min(since, now))

    def gap(self, name: Name, gap: Gap) -> None:
        """Keep a gap of a stream, by when it was noticed."""
        self._roll(gap.noticed)
        self._gaps[name].append(gap)
        self._entries += 1

    def wrote(self, key: BatchKey, count: int) -> None:
        """A batch of so many records was written. May be called on any thread."""
        self._written.append(
            json.encode(((key.data_type, key.market), (key.minute, key.first, key.last, count, key.digest)))
        )

    def lost(self, batch: Batch) -> None:
        """A batch could be written nowhere: its minute is missing. May be called on any thread."""
        self._lost.append(((batch.data_type, batch.market), batch.minute))

    def take(self, now: int) -> list[Segment]:
        """The segments that are finished and were not yet taken."""
        now = self._roll(now)
        # Once a second is often enough, whatever happens.
        if (
            self._entries + len(self._written) + len(self._lost) >= _MOST_ENTRIES
            and now // SECOND > self.start // SECOND
        ):
            self._cut(now)
        finished, self._finished = self._finished, []
        return finished

    def close(self, now: int) -> list[Segment]:
        """The last segments. Nothing is told after that."""
        now = self._roll(now)
        for track in self._tracks.values():
            track.end = now
        self._cut(now)
        self._tracks.clear()
        return self.take(now)

    def _roll(self, now: int) -> int:
        """End the segments that are over. Returns the time, which goes on even where the clock was set back."""
        self._now = now = max(now, self._now, self.start)
        if now < (end := _following(self.start)):
            return now
        self._cut(end)
        if now - end > _UNTOLD:
            self._begin(now, anew=True)
        while now >= (end := _following(self.start)):
            self._cut(end)
        return now

    def _cut(self, end: int) -> None:
        told = [line for line in self._lines(end) if line.start < line.end or line.gaps or line.batches]
        if told:
            lines = sorted(told, key=lambda line: (line.data_type, line.market, line.start))
            self._finished.append(Segment(self.start, lines))
        self._begin(end)

    def _begin(self, start: int, *, anew: bool = False) -> None:
        """Open a segment. ``anew``: nothing is known of the time before, so that no state reaches back into it."""
        self.start = start
        self._gone = []
        self._entries = 0
        self._lags = []
        if anew:
            self.lag = None
        for track in self._tracks.values():
            track.go_on(start)
            if anew:
                track.changes = [(track.changes[-1][0], start)]

    def _lines(self, end: int) -> Iterator[StreamUptime]:
        batches: defaultdict[Name, list[WrittenBatch]] = defaultdict(list)
        for _ in range(len(self._written)):
            name, written = _packed.decode(self._written.popleft())
            batches[name].append(written)
        for _ in range(len(self._lost)):
            name, minute = self._lost.popleft()
            self._gaps[name].append(_not_stored(name, minute, self._now))
        gaps, self._gaps = self._gaps, defaultdict(list)
        for name, track in [*self._tracks.items(), *self._gone]:
            yield self._line(name, track, end, gaps.pop(name, []), batches.pop(name, []))
        for name in dict.fromkeys([*gaps, *batches]):  # of a market that is gone, or heard of by a channel for all
            track = self._tracks.get((name[0], ANY_MARKET)) or _Track(end, [])
            yield self._line(name, track, end, gaps[name], batches[name])

    def _line(self, name: Name, track: _Track, end: int, gaps: list[Gap], batches: list[WrittenBatch]) -> StreamUptime:
        over, end = track.end is not None, end if track.end is None else track.end
        states = track.states(end) if track.changes else []
        return StreamUptime(
            *name, self.instance, track.start, end, states, gaps, batches, track.since, _usual(self._lags), over
        )


def _usual(lags: list[int], before: int | None = None) -> int | None:
    """The lag of what is punctual; that of ``before`` where too few are known."""
    return sorted(lags)[len(lags) // _PUNCTUAL] if len(lags) >= _LAGS else before


def _not_stored(name: Name, minute: int, now: int) -> Gap:
    return time_gap(*name, minute, minute + MINUTE - 1, GapCause.NOT_STORED)._replace(noticed=now)


def _following(time: int) -> int:
    """The next time at which a segment ends."""
    return (time // LENGTH + 1) * LENGTH
