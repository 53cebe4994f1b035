"""How one stream passes from an old connection to a new one that carries it as well. See
:mod:`booktape.capture.handover`.

One connection takes over from another, with no gap and no duplicate.

While both carry the same streams, numbered ones and books pass over at a place: the old connection's records are taken
and the new one's held, until the old one delivers something that the new one has had as well; from exactly there on,
the new one's are taken. Places are sequence ids or engine times, on which both connections agree, so it does not
matter which of the two is ahead. Other records are taken from both, and copies told by their identity. Nothing here
waits or reads a clock.

======================================  ==============================================================
the old connection has delivered        then
======================================  ==============================================================
something after the new one's first     from that record on, the new one's records are taken
less, at the planned end                what it had not delivered is taken from the new one
less, and was lost                      a gap is told, unless the stream's rule can tell by itself
======================================  ==============================================================

Records that have neither ids nor engine times cannot be joined: books pass over at once, others at the end, and are
told as interrupted. So is a stream in which only the old connection delivers.
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from booktape.capture.batcher import Batcher
from booktape.capture.pipeline import ConnectionFeed, Pipeline, RecordSink
from booktape.model.errors import BooktapeError
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    Record,
    engine_time,
    first_position,
    identity,
    last_position,
    sequence_id,
)
from booktape.model.resets import CERTAINLY_LATER

_MOST_HELD: Final = 50_000
_MOST_AFTER: Final = 5_000

Give = Callable[[Batcher, Any, int], None]
Held = tuple[Batcher, Any, int]


class HandoverStrategy(Protocol):
    """Where one stream passes from the old connection to the new one.

    ``passed`` tells whether the old one has delivered since the new one was subscribed, ``switched`` whether the stream
    has passed over.
    """

    passed: bool
    switched: bool

    @property
    def begun(self) -> bool:
        """Whether the new connection has delivered."""
        ...

    @property
    def caught_up(self) -> bool:
        """Whether all that the new connection delivers is news."""
        ...

    def from_old(self, stream: Batcher, record: Any, time: int) -> None:
        """Take a record of the old connection."""

    def from_new(self, stream: Batcher, record: Any, time: int) -> None:
        """Take a record of the new connection."""

    def finish(self, *, lost: bool) -> None:
        """Nothing more comes from the old connection. If it was lost, nobody knows since when it was silent."""

    def cancel(self) -> None:
        """Nothing more comes from the new connection."""


class DeduplicatingHandover:
    """Records in no order that matters: those of both are taken, and copies left out.

    What is no newer than what the old connection had delivered before, it has delivered or will: it is not lost yet.
    Copies without an id and an engine time cannot be told: then the new one's are taken from the end on only.
    """

    def __init__(self, stream: Batcher, give: Give) -> None:
        self.passed = self.switched = self._begun = self._blind = False
        self._stream = stream
        self._give = give
        self._seen: set[tuple[object, ...]] = set()
        self._before = 0 if stream.last is None else last_position(stream.last)

    @property
    def begun(self) -> bool:
        return self._begun

    @property
    def caught_up(self) -> bool:
        return self.switched

    def from_old(self, stream: Batcher, record: Any, time: int) -> None:
        self.passed = True
        self._take(stream, record, time)

    def from_new(self, stream: Batcher, record: Any, time: int) -> None:
        self._begun = True
        self._blind = self._blind or not _has_place(record)
        if self.switched:
            self._give(stream, record, time)
        elif _has_place(record) and last_position(record) > self._before:
            self._take(stream, record, time)
        else:
            stream.stale += 1

    def finish(self, *, lost: bool) -> None:
        self.switched = True
        if lost or self._blind or (self.passed and not self._begun):
            self._stream.disconnected()

    def cancel(self) -> None:
        """All that the old connection has delivered was taken."""

    def _take(self, stream: Batcher, record: Any, time: int) -> None:
        key = identity(record)
        if key in self._seen and _has_place(record):
            stream.stale += 1
        else:
            self._seen.add(key)
            self._give(stream, record, time)


class OrderedHandover:
    """Records in an order that matters: they pass over at a place.

    ``_begin`` is the place of the new connection's first record. ``_known`` is the last place that the old one has ever
    delivered, and ``_there`` what lay there. ``_after`` is what it has delivered since the stream passed over.
    """

    def __init__(self, stream: Batcher, give: Give) -> None:
        self.passed = self.switched = False
        self._begin: int | None = None
        self._stream = stream
        self._give = give
        self._there = [] if stream.last is None else [stream.last]
        self._known = max(map(last_position, self._there), default=0)
        self._held: list[Held] = []
        self._after: deque[Held] = deque(maxlen=_MOST_AFTER)
        self._is_news: Callable[[Record], bool] | None = None

    @property
    def begun(self) -> bool:
        return self._begin is not None

    @property
    def caught_up(self) -> bool:
        return self.switched and self._is_news is None

    def from_old(self, stream: Batcher, record: Any, time: int) -> None:
        if self.switched:
            stream.stale += 1
            self._after.append((stream, record, time))
            return
        place = first_position(record)
        if self._begin is not None and place > self._begin and place > self._known:
            self._after.append((stream, record, time))
            self._pass_over(lambda record: last_position(record) >= place)
            return
        if last_position(record) > self._known:
            self._known, self._there = last_position(record), []
        self._there.append(record)
        self.passed = True
        self._give(stream, record, time)

    def from_new(self, stream: Batcher, record: Any, time: int) -> None:
        if self.switched:
            if stream is not self._stream:  # a further snapshot: whatever the numbers were, the book goes on from it
                self._is_news = None
            self._take(stream, record, time)
            return
        self._held.append((stream, record, time))
        if self._begin is None:
            self._begin = first_position(record)
        if len(self._held) > _MOST_HELD or not _has_place(record) or self._has_restarted(record):
            self._break()

    def finish(self, *, lost: bool) -> None:
        if self.switched:
            return
        if self._begin is None:
            self.switched = True
            if lost or self.passed:
                self._stream.disconnected()
        elif lost and self._begin > self._known:
            self._break()
        else:
            self._pass_over(self._was_not_delivered)

    def cancel(self) -> None:
        """The old connection has gone on to deliver what the new one will not any more."""
        if not self.switched:
            return
        if len(self._after) == _MOST_AFTER:
            self._stream.disconnected()
        for stream, record, time in self._after:
            last = stream.last
            if last is None or last_position(record) > last_position(last):
                stream.stale -= 1
                self._give(stream, record, time)

    def _break(self) -> None:
        """The two cannot be joined: only the new one's records are taken."""
        self._stream.disconnected()
        for held in self._emptied():
            self._give(*held)

    def _has_restarted(self, record: Record) -> bool:
        """Whether the venue has begun its numbers anew: a number of the past, made after all that the old one had."""
        number, time = sequence_id(record), engine_time(record)
        before = [engine_time(there) for there in self._there]
        if number is None or number >= self._known or time is None or None in before:
            return False
        return all(time > known + CERTAINLY_LATER for known in before if known is not None)

    def _was_not_delivered(self, record: Record) -> bool:
        place = last_position(record)
        return place > self._known or (place == self._known and identity(record) not in map(identity, self._there))

    def _pass_over(self, is_news: Callable[[Record], bool]) -> None:
        """Take what is held and what comes, as far as the old connection has not delivered it.

        The snapshot that the new one's book begins with is kept. The rule is not told of it: it is ahead of that.
        """
        self._is_news = is_news
        for stream, record, time in self._emptied():
            if stream is self._stream:
                self._take(stream, record, time)
            else:
                stream.insert(record, time)

    def _take(self, stream: Batcher, record: Any, time: int) -> None:
        """Take a record of the new connection, as soon as it has caught up with the old one."""
        if self._is_news is None:
            self._give(stream, record, time)
        elif self._is_news(record):
            self._is_news = None
            self._give(stream, record, time)
        else:
            stream.stale += 1

    def _emptied(self) -> list[Held]:
        self.switched = True
        held, self._held = self._held, []
        return held


def _has_place(record: Record) -> bool:
    """Whether both connections agree on where a record belongs."""
    return sequence_id(record) is not None or engine_time(record) is not None


StreamKey = tuple[str, str]


class Handover:
    """From one connection of a recorder to the next one, which must not have been fed yet.

    :param suspected: streams (data type, symbol) that are thought to be dead on the old connection.
    """

    def __init__(
        self, recorder: Pipeline, old: ConnectionFeed, new: ConnectionFeed, suspected: Collection[StreamKey] = ()
    ) -> None:
        self._recorder = recorder
        self._old = old
        self._new = new
        self._suspected = frozenset(suspected)
        self._seams: dict[StreamKey, HandoverStrategy] = {}
        old.stream_of = self._old_side
        for key in list(old.sinks):
            old.sinks[key] = self._old_side(*key)
        new.stream_of = self._new_side

    def subscribed(self) -> None:
        """The new connection should deliver from now on whatever the old one does."""
        for seam in self._seams.values():
            seam.passed = False

    @property
    def delivers(self) -> bool:
        """Whether the new one delivers in most of the streams in which the old one has since it was subscribed."""
        passed = [seam for seam in self._seams.values() if seam.passed]
        return sum(seam.begun for seam in passed) * 2 >= len(passed)

    @property
    def done(self) -> bool:
        """Whether every stream has passed over."""
        return bool(self._new.sinks) and all(seam.switched for seam in self._seams.values())

    def finish(self, *, lost: bool = False) -> None:
        """Only the new connection goes on: by plan, or because the old one was ``lost``."""
        for key, seam in self._seams.items():
            seam.finish(lost=lost or key in self._suspected)
        self._new.stream_of = self._recorder.stream
        for key in self._old.sinks | self._new.sinks:
            if key not in self._new.sinks or self._seam(*key).caught_up:
                self._new.sinks[key] = self._recorder.stream(*key)
        self._old.ended()

    def cancel(self) -> None:
        """Only the old connection goes on: the new one was lost, or does not deliver."""
        for seam in self._seams.values():
            seam.cancel()
        self._old.stream_of = self._recorder.stream
        for key in self._old.sinks:
            self._old.sinks[key] = self._recorder.stream(*key)
        self._new.stream_of = lambda data_type, symbol: _NOWHERE
        self._new.sinks.update(dict.fromkeys(self._new.sinks, _NOWHERE))
        self._new.ended()

    def _old_side(self, data_type: str, symbol: str) -> RecordSink:
        seam, stream = self._seam(data_type, symbol), self._recorder.stream(data_type, symbol)
        return _Side(partial(seam.from_old, stream), stream.disconnected)

    def _new_side(self, data_type: str, symbol: str) -> RecordSink:
        seam, stream = self._seam(data_type, symbol), self._recorder.stream(data_type, symbol)
        return _Side(partial(seam.from_new, stream), stream.disconnected)

    def _seam(self, data_type: str, symbol: str) -> HandoverStrategy:
        """A book's snapshots and updates pass over together."""
        kind = self._recorder.leading(data_type)
        found = self._seams.get((kind, symbol))
        if found is None:
            stream = self._recorder.stream(kind, symbol)
            ordered = stream.has_rule or kind in (BOOK_UPDATES, BOOK_SNAPSHOTS)
            make: Callable[[Batcher, Give], HandoverStrategy] = OrderedHandover if ordered else DeduplicatingHandover
            found = self._seams[kind, symbol] = make(stream, self._give)
        return found

    def _give(self, stream: Batcher, record: Any, time: int) -> None:
        """Let a stream take a record, of which nobody knows yet whether its rule will have it."""
        try:
            stream.append(record, time)
        except BooktapeError:  # ours, not the record's
            raise
        except Exception as error:  # one record must not keep the others from passing over
            self._recorder.count_not_understood(type(error).__name__)


@dataclass(frozen=True, slots=True)
class _Side:
    """What one of the two connections gives a stream's records to."""

    append: Callable[[Any, int], None]
    disconnected: Callable[[], None]


_NOWHERE: Final = _Side(lambda record, time: None, lambda: None)
"""What a connection that was given up goes on to feed until it has ended."""
