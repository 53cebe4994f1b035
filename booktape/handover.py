"""One connection takes over from another, with no gap and no duplicate.

While both carry the same streams, the old one's records are taken and the new one's held. As soon as the old one
delivers something that the new one has as well, each stream passes over at exactly that place: places are sequence ids
or engine times, on which both connections agree. Nothing here waits or reads a clock.

======================================  ==============================================================
the old connection has delivered        then
======================================  ==============================================================
something after the new one's first     from that record on, the new one's records are taken
less, at the planned end                what it had not delivered is taken from the new one
less, and was lost                      a gap is told, unless the stream's rule can tell by itself
======================================  ==============================================================

Streams whose records have neither ids nor engine times cannot be joined: they pass over at once, and are told as
interrupted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from booktape.core.records import Record, first_position, identity, last_position, sequence_id
from booktape.core.streams import Stream
from booktape.recorder import Connection, Recorder, Taker

_MOST_HELD: Final = 50_000


class Handover:
    """From one connection of a recorder to the next one, which must not have been fed yet."""

    def __init__(self, recorder: Recorder, old: Connection, new: Connection) -> None:
        self._recorder = recorder
        self._old = old
        self._new = new
        self._seams: dict[tuple[str, str], _Seam] = {}
        old.stream_of = self._old_side
        for key in list(old.heard):
            old.heard[key] = self._old_side(*key)
        new.stream_of = self._new_side

    def subscribed(self) -> None:
        """The new connection should deliver from now on whatever the old one does."""
        for seam in self._seams.values():
            seam.passed = False

    @property
    def delivers(self) -> bool:
        """Whether the new one has delivered in every stream in which the old one has since it was subscribed."""
        return bool(self._new.heard) and all(seam.begin is not None for seam in self._seams.values() if seam.passed)

    @property
    def done(self) -> bool:
        """Whether every stream has passed over."""
        return bool(self._new.heard) and all(seam.switched for seam in self._seams.values())

    def finish(self, *, lost: bool = False) -> None:
        """Only the new connection goes on: by plan, or because the old one was ``lost``."""
        for seam in self._seams.values():
            seam.finish(lost=lost)
        self._new.stream_of = self._recorder.stream
        for key in self._new.heard:
            if self._seam(*key).caught_up:
                self._new.heard[key] = self._recorder.stream(*key)
        self._old.ended()

    def cancel(self) -> None:
        """Only the old connection goes on: the new one was lost. Streams that had passed over are interrupted."""
        self._old.stream_of = self._recorder.stream
        for key in self._old.heard:
            self._old.heard[key] = self._recorder.stream(*key)
            if self._seam(*key).switched:
                self._old.heard[key].disconnected()
        self._new.ended()

    def _old_side(self, data_type: str, symbol: str) -> Taker:
        seam, stream = self._seam(data_type, symbol), self._recorder.stream(data_type, symbol)
        return _Side(partial(seam.from_old, stream), stream.disconnected)

    def _new_side(self, data_type: str, symbol: str) -> Taker:
        seam, stream = self._seam(data_type, symbol), self._recorder.stream(data_type, symbol)
        return _Side(partial(seam.from_new, stream), stream.disconnected)

    def _seam(self, data_type: str, symbol: str) -> "_Seam":
        """A book's snapshots and updates pass over together."""
        kind = self._recorder.leading(data_type)
        found = self._seams.get((kind, symbol))
        if found is None:
            found = self._seams[kind, symbol] = _Seam(self._recorder.stream(kind, symbol))
        return found


@dataclass(frozen=True, slots=True)
class _Side:
    """What one of the two connections gives a stream's records to."""

    append: Callable[[Any, int], None]
    disconnected: Callable[[], None]


class _Seam:
    """Where one stream passes from the old connection to the new one.

    ``begin`` is the place of the new connection's first record. ``passed`` tells whether the old one has delivered
    since the new one was subscribed; ``_known`` is the last place ever delivered, and ``_there`` what lay there.
    """

    def __init__(self, stream: Stream) -> None:
        self.begin: int | None = None
        self.passed = False
        self.switched = False
        self._stream = stream
        self._there = [] if stream.last is None else [stream.last]
        self._known = max(map(last_position, self._there), default=0)
        self._held: list[tuple[Stream, Any, int]] = []
        self._is_news: Callable[[Record], bool] | None = None

    @property
    def caught_up(self) -> bool:
        """Whether every record of the new connection is news from now on."""
        return self.switched and self._is_news is None

    def from_old(self, stream: Stream, record: Any, time: int) -> None:
        """Take a record of the old connection, unless the stream has passed over, or does so here."""
        if self.switched:
            stream.stale += 1
            return
        place = first_position(record)
        if self.begin is not None and place > self.begin and place > self._known:
            self._pass_over(lambda record: last_position(record) >= place)
            return
        if last_position(record) > self._known:
            self._known, self._there = last_position(record), []
        self._there.append(record)
        self.passed = True
        stream.append(record, time)

    def from_new(self, stream: Stream, record: Any, time: int) -> None:
        """Hold a record of the new connection, until the stream passes over."""
        if self.switched:
            self._take(stream, record, time)
            return
        self._held.append((stream, record, time))
        if self.begin is None:
            self.begin = first_position(record)
        if len(self._held) > _MOST_HELD or not _has_place(record):
            self.finish()

    def finish(self, *, lost: bool = False) -> None:
        """Nothing more comes from the old connection. If it was lost, nobody knows since when it was silent."""
        if self.switched:
            return
        if self.begin is None and not lost:
            self.switched = True
        elif self._joins(lost=lost):
            self._pass_over(self._was_not_delivered)
        else:
            self._stream.disconnected()
            for stream, record, time in self._emptied():
                stream.append(record, time)

    def _joins(self, *, lost: bool) -> bool:
        """Whether nothing is missing between the two.

        By plan, the old one has lived on for long after the new one was subscribed. Otherwise it must have reached it.
        """
        if self.begin is None or not all(_has_place(record) for _, record, _ in self._held):
            return False
        return not lost or self.begin <= self._known

    def _was_not_delivered(self, record: Record) -> bool:
        place = last_position(record)
        return place > self._known or (place == self._known and identity(record) not in map(identity, self._there))

    def _pass_over(self, is_news: Callable[[Record], bool]) -> None:
        """Take what is held and what comes, as far as the old connection has not delivered it.

        The snapshot that the new one's book begins with is kept. The rule is not told of it: it is ahead of that.
        """
        self._is_news = is_news
        for held in self._emptied():
            self._take(*held)

    def _take(self, stream: Stream, record: Any, time: int) -> None:
        """Take a record of the new connection, as soon as it has caught up with the old one."""
        if self._is_news is None:
            stream.append(record, time)
        elif stream is not self._stream:
            stream.insert(record, time)
        elif self._is_news(record):
            self._is_news = None
            stream.append(record, time)
        else:
            stream.stale += 1

    def _emptied(self) -> list[tuple[Stream, Any, int]]:
        self.switched = True
        held, self._held = self._held, []
        return held


def _has_place(record: Record) -> bool:
    """Whether both connections agree on where a record belongs."""
    return sequence_id(record) is not None or getattr(record, "timestamp", None) is not None
