"""What becomes of a worker's streams, kept until it is written as a segment of the ledger. No I/O and no clock.

Nothing here is told of a record: only of states, gaps and whole batches.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec import json

from booktape.core.keys import Key
from booktape.core.ledger import DOWN, Gap, Line, State, StateName, Written
from booktape.core.records import SECOND

LENGTH: Final = 600 * SECOND
"""Segments end where the clock shows a whole ten minutes, hence at midnight too."""

ANY_MARKET: Final = "*"

_MOST_ENTRIES: Final = 100_000
"""A segment that holds so many gaps, batches and changes ends early: its memory is bounded, whatever happens."""

_LEAP: Final = 3600 * SECOND
"""Where the clock leaps this far, the machine slept: nobody knows what was in between, and no segment says so."""

Name = tuple[str, str]
"""Data type and market."""

_packed: Final = json.Decoder(tuple[Name, Written])
"""What waits of a batch, as text: tens of thousands of them wait ten minutes, and objects take four times the space."""


class Segment(NamedTuple):
    """A finished segment: when it began (µs), and a line for each stream."""

    start: int
    lines: list[Line]


@dataclass
class _Track:
    """A stream's states in the open segment: each with the time of its beginning, the first one at ``start``."""

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

    def states(self, end: int) -> list[State]:
        """The intervals until ``end``, but for empty ones."""
        ends = [*(since for _, since in self.changes[1:]), end]
        return [State(state, since, to) for (state, since), to in zip(self.changes, ends, strict=True) if since < to]


@dataclass
class Ledger:
    """The open segment of one worker, and finished ones that wait to be taken. Times are the collector's, in µs.

    All is told on the event loop, but for :meth:`wrote`.

    :param instance: the worker's name.
    :param start: when the first segment begins.
    """

    instance: str
    start: int
    _now: int = field(default=0, init=False)
    _tracks: dict[Name, _Track] = field(init=False, default_factory=dict)
    _gone: list[tuple[Name, _Track]] = field(init=False, default_factory=list)
    _gaps: defaultdict[Name, list[Gap]] = field(init=False, default_factory=lambda: defaultdict(list))
    _written: deque[bytes] = field(init=False, default_factory=deque)
    _entries: int = field(default=0, init=False)
    _finished: list[Segment] = field(init=False, default_factory=list)

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
        """A gap was told."""
        self._roll(gap.at)
        self._gaps[name].append(gap)
        self._entries += 1

    def wrote(self, key: Key, count: int) -> None:
        """A batch of so many records was written. May be called on any thread."""
        self._written.append(
            json.encode(((key.data_type, key.market), (key.minute, key.first, key.last, count, key.digest)))
        )

    def take(self, now: int) -> list[Segment]:
        """The segments that are finished and were not yet taken."""
        now = self._roll(now)
        # The key of a segment tells its second, so that two must not begin in the same one.
        if self._entries + len(self._written) >= _MOST_ENTRIES and now // SECOND > self.start // SECOND:
            self._cut(now)
        finished, self._finished = self._finished, []
        return finished

    def close(self, now: int) -> list[Segment]:
        """The last segments. Nothing is told after that."""
        self._cut(self._roll(now))
        return self.take(now)

    def _roll(self, now: int) -> int:
        """End the segments that are over. Returns the time, which goes on even where the clock was set back."""
        self._now = now = max(now, self._now, self.start)
        if now < (end := _following(self.start)):
            return now
        self._cut(end)
        if now - end > _LEAP:
            self._begin(now)
        while now >= (end := _following(self.start)):
            self._cut(end)
        return now

    def _cut(self, end: int) -> None:
        told = [line for line in self._lines(end) if line.start < line.end or line.gaps or line.batches]
        if told:
            lines = sorted(told, key=lambda line: (line.data_type, line.market, line.start))
            self._finished.append(Segment(self.start, lines))
        self._begin(end)

    def _begin(self, start: int) -> None:
        self.start = start
        self._gone = []
        self._entries = 0
        for track in self._tracks.values():
            track.start, track.changes = start, [(track.changes[-1][0], start)]

    def _lines(self, end: int) -> Iterator[Line]:
        batches: defaultdict[Name, list[Written]] = defaultdict(list)
        for _ in range(len(self._written)):
            name, written = _packed.decode(self._written.popleft())
            batches[name].append(written)
        gaps, self._gaps = self._gaps, defaultdict(list)
        for name, track in [*self._tracks.items(), *self._gone]:
            yield self._line(name, track, end, gaps.pop(name, []), batches.pop(name, []))
        for name in dict.fromkeys([*gaps, *batches]):  # of a market that is gone, or heard of by a channel for all
            track = self._tracks.get((name[0], ANY_MARKET)) or _Track(end, [])
            yield self._line(name, track, end, gaps[name], batches[name])

    def _line(self, name: Name, track: _Track, end: int, gaps: list[Gap], batches: list[Written]) -> Line:
        end = end if track.end is None else track.end
        states = track.states(end) if track.changes else []
        return Line(*name, self.instance, track.start, end, states, gaps, batches)


def _following(time: int) -> int:
    """The next time at which a segment ends."""
    return (time // LENGTH + 1) * LENGTH
