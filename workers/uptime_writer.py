"""Collects the states, gaps and batches of a worker's streams into segments of the uptime log. No I/O and no clock.

Nothing here runs per record.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec import json

from booktape.model.batch import Batch
from booktape.model.gap import Gap, GapCause, time_gap
from booktape.model.records import MINUTE, SECOND
from booktape.model.uptime import CONNECTED, DOWN, StateName, StreamInterval, StreamUptime, WrittenBatch
from booktape.store.layout import BatchKey

LENGTH: Final = 600 * SECOND
"""A segment ends at each whole ten minutes (µs) of the clock, so at midnight too."""

ANY_MARKET: Final = "*"

_MAX_ENTRIES: Final = 100_000
"""A segment with so many gaps, batches and changes ends early, so that its memory is bounded."""

_MAX_PAUSE: Final = 3600 * SECOND
"""After a longer time without any call, the time in between is unknown, and no segment covers it."""

_CLOCK_STEP: Final = SECOND
"""Where the wall clock and the monotonic clock differ by more, the wall clock was set, or the machine slept."""

_MIN_LAGS: Final = 3
"""The lag is known from so many values on: right after a subscription a venue may send records of long ago."""

_PUNCTUAL_SHARE: Final = 10
"""One of so many lags counts as punctual. A late record says nothing about the clock, and none arrives early."""

Name = tuple[str, str]
"""Data type and market."""

_packed: Final = json.Decoder(tuple[Name, WrittenBatch])
"""A waiting batch is kept as text: tens of thousands wait for ten minutes, and objects take four times the memory."""


class Segment(NamedTuple):
    """A finished segment: the time of its beginning (µs), and one line per stream."""

    start: int
    lines: list[StreamUptime]


@dataclass
class _Track:
    """The states of a stream in the open segment, each with the time at which it began, maybe before ``start``."""

    start: int
    changes: list[tuple[StateName, int]]
    end: int | None = None

    def change(self, state: StateName, at: int) -> bool:
        """Add a state, never from before the state that it follows. Returns whether it is another state."""
        now, since = self.changes[-1]
        if now == state:
            return False
        if at <= since:
            self.changes.pop()
        if not self.changes or self.changes[-1][0] != state:
            self.changes.append((state, max(at, since)))
        return True

    def continue_from(self, start: int) -> None:
        """Begin the next segment with the current state."""
        self.start, self.changes = start, self.changes[-1:]

    def states(self, end: int) -> list[StreamInterval]:
        """The intervals from ``start`` to ``end``, without empty ones."""
        ends = [*(since for _, since in self.changes[1:]), end]
        intervals = [
            StreamInterval(state, max(since, self.start), to)
            for (state, since), to in zip(self.changes, ends, strict=True)
        ]
        return [interval for interval in intervals if interval.start < interval.end]

    @property
    def since(self) -> int | None:
        """The beginning of the first state, if before ``start``: the previous segment may not contain it."""
        earlier = [change for change in self.changes if change[1] <= self.start]
        if not earlier or earlier[-1][0] == CONNECTED or earlier[-1][1] == self.start:
            return None
        return earlier[-1][1]


@dataclass
class UptimeWriter:
    """The open segment of one worker, and finished segments until :meth:`take`.

    Times are in µs by the worker's local clock. All methods run on the event loop, except :meth:`batch_saved` and
    :meth:`batch_lost`.

    :param instance: the worker's name.
    :param start: the beginning of the first segment.
    """

    instance: str
    start: int
    lag: int | None = field(default=None, init=False)
    """The receive time less the exchange's time (µs), as last known. See :class:`StreamUptime`."""
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
        """Compare the clocks. Call it before any other method, so that it detects when the process was suspended.

        If the machine slept or its clock was set, the segment ends where the clock was last read.

        :param steady: a monotonic clock that stops during sleep (µs).
        """
        before, self._read = self._read, (now, steady)
        if before is not None and abs((now - before[0]) - (steady - before[1])) > _CLOCK_STEP:
            self._cut(self._roll(before[0]))
            self._now = now
            self._begin(now, after_pause=True)

    def add_lag(self, lag: int) -> None:
        """Add a current lag (µs): a receive time less the exchange's time."""
        self._lags.append(lag)
        self.lag = _punctual_lag(self._lags, self.lag)

    def begin(self, names: Iterable[Name], now: int) -> None:
        """The worker is responsible for streams from now on. They are down until they are connected."""
        now = self._roll(now)
        for name in names:
            self._tracks.setdefault(name, _Track(now, [(DOWN, now)]))

    def end(self, names: Iterable[Name], now: int) -> None:
        """The worker is no longer responsible for streams."""
        now = self._roll(now)
        for name in names:
            track = self._tracks.pop(name, None)
            if track is not None:
                track.end = now
                self._gone.append((name, track))

    def state(self, name: Name) -> StateName | None:
        """The current state of a stream; None where the worker is not responsible for it."""
        track = self._tracks.get(name)
        return track.changes[-1][0] if track is not None else None

    def change(self, name: Name, state: StateName, now: int, since: int | None = None) -> None:
        """Change the state of a stream, from ``since`` on (default ``now``), as far as that is not written already."""
        now = self._roll(now)
        track = self._tracks.get(name)
        if track is not None:
            self._entries += track.change(state, now if since is None else min(since, now))

    def gap(self, name: Name, gap: Gap) -> None:
        """Record a gap of a stream, in the segment of the time at which it was noticed."""
        self._roll(gap.noticed)
        self._gaps[name].append(gap)
        self._entries += 1

    def batch_saved(self, key: BatchKey, count: int) -> None:
        """Record a batch of ``count`` records that is in the store or in the spool. Any thread may call it."""
        self._written.append(
            json.encode(((key.data_type, key.market), (key.minute, key.first, key.last, count, key.digest)))
        )

    def batch_lost(self, batch: Batch) -> None:
        """Record a batch that could not be written: its minute is a gap. Any thread may call it."""
        self._lost.append(((batch.data_type, batch.market), batch.minute))

    def take(self, now: int) -> list[Segment]:
        """The finished segments that no earlier call has returned."""
        now = self._roll(now)
        # Once a second is often enough, whatever happens.
        if (
            self._entries + len(self._written) + len(self._lost) >= _MAX_ENTRIES
            and now // SECOND > self.start // SECOND
        ):
            self._cut(now)
        finished, self._finished = self._finished, []
        return finished

    def close(self, now: int) -> list[Segment]:
        """The last segments. Call nothing afterwards."""
        now = self._roll(now)
        for track in self._tracks.values():
            track.end = now
        self._cut(now)
        self._tracks.clear()
        return self.take(now)

    def _roll(self, now: int) -> int:
        """End the segments that are over. Returns the time, which never goes back, even if the clock was set back."""
        self._now = now = max(now, self._now, self.start)
        if now < (end := _next_end(self.start)):
            return now
        self._cut(end)
        if now - end > _MAX_PAUSE:
            self._begin(now, after_pause=True)
        while now >= (end := _next_end(self.start)):
            self._cut(end)
        return now

    def _cut(self, end: int) -> None:
        lines = [line for line in self._lines(end) if line.start < line.end or line.gaps or line.batches]
        if lines:
            lines.sort(key=lambda line: (line.data_type, line.market, line.start))
            self._finished.append(Segment(self.start, lines))
        self._begin(end)

    def _begin(self, start: int, *, after_pause: bool = False) -> None:
        """Open a segment.

        :param after_pause: the time before is unknown, so no state reaches back into it.
        """
        self.start = start
        self._gone = []
        self._entries = 0
        self._lags = []
        if after_pause:
            self.lag = None
        for track in self._tracks.values():
            track.continue_from(start)
            if after_pause:
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
        for name in dict.fromkeys([*gaps, *batches]):  # of a removed market, or of a channel for all markets
            track = self._tracks.get((name[0], ANY_MARKET)) or _Track(end, [])
            yield self._line(name, track, end, gaps[name], batches[name])

    def _line(self, name: Name, track: _Track, end: int, gaps: list[Gap], batches: list[WrittenBatch]) -> StreamUptime:
        over, end = track.end is not None, end if track.end is None else track.end
        states = track.states(end) if track.changes else []
        lag = _punctual_lag(self._lags)
        return StreamUptime(*name, self.instance, track.start, end, states, gaps, batches, track.since, lag, over)


def _punctual_lag(lags: list[int], before: int | None = None) -> int | None:
    """The lag of punctual records; ``before`` where too few lags are known."""
    return sorted(lags)[len(lags) // _PUNCTUAL_SHARE] if len(lags) >= _MIN_LAGS else before


def _not_stored(name: Name, minute: int, now: int) -> Gap:
    return time_gap(*name, minute, minute + MINUTE - 1, GapCause.NOT_STORED)._replace(noticed=now)


def _next_end(time: int) -> int:
    """The next time at which a segment ends."""
    return (time // LENGTH + 1) * LENGTH
