"""Moves streams from one connection to the connection that replaces it, without a gap and without a duplicate.

While both connections carry the same streams, each stream is handed over by one of two strategies:

:class:`OrderedHandover`, for streams with a sequence rule and for books. Records of the old connection are appended;
records of the new one are held. As soon as the old connection delivers a position that the new one has delivered too,
the stream switches, and records of the new connection are appended from exactly that position on. Positions are
sequence ids or engine times. Both connections agree on them, so it does not matter which of the two is ahead.

:class:`DeduplicatingHandover`, for all other streams. Records of both connections are appended, and duplicates are
recognised by their identity.

====================================================  ============================================================
the old connection has delivered                      then
====================================================  ============================================================
a position after the first one of the new connection  records of the new connection are appended from there on
less, at the planned end                              the new connection supplies what is missing
less, and was lost                                    the stream is interrupted, unless its rule spans connections
====================================================  ============================================================

Records without ids and without engine times have no position. Books without positions switch at once, other streams at
the end, and both are interrupted. A stream in which only the old connection delivers is interrupted, too.

No I/O and no clock: whoever runs the two connections decides when a handover ends.
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from booktape.capture.batcher import Batcher
from booktape.capture.pipeline import ConnectionFeed, Pipeline, RecordSink
from booktape.model.errors import BooktapeError, RecordError
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
from booktape.model.resets import certainly_later

_MAX_HELD: Final = 50_000
_MAX_AFTER_SWITCH: Final = 5_000

_Stream = tuple[str, str]
_Append = Callable[[Batcher, Any, int], None]
_Held = tuple[Batcher, Any, int]


class Handover:
    """Hands the streams of one connection over to another one of the same pipeline.

    Create it before the new connection is fed. It ends with :meth:`finish` or :meth:`cancel`.

    :param suspected: streams (data type, symbol) that the old connection probably no longer receives. They are
        interrupted at the end.
    """

    def __init__(
        self, pipeline: Pipeline, old: ConnectionFeed, new: ConnectionFeed, suspected: Collection[_Stream] = ()
    ) -> None:
        self._pipeline = pipeline
        self._old = old
        self._new = new
        self._suspected = frozenset(suspected)
        self._strategies: dict[_Stream, HandoverStrategy] = {}
        old.sink_for = self._old_sink
        for stream in list(old.sinks):
            old.sinks[stream] = self._old_sink(*stream)
        new.sink_for = self._new_sink

    def subscribed(self) -> None:
        """Note that from now on the new connection should deliver everything that the old one delivers."""
        for strategy in self._strategies.values():
            strategy.old_delivered = False

    @property
    def delivers(self) -> bool:
        """Whether the new connection delivers in most streams in which the old one has delivered since then."""
        active = [strategy for strategy in self._strategies.values() if strategy.old_delivered]
        return sum(strategy.new_delivered for strategy in active) * 2 >= len(active)

    @property
    def done(self) -> bool:
        """Whether every stream has switched."""
        return bool(self._new.sinks) and all(strategy.switched for strategy in self._strategies.values())

    def finish(self, *, lost: bool = False) -> None:
        """Continue with the new connection alone.

        :param lost: the old connection was lost before its planned end.
        """
        for stream, strategy in self._strategies.items():
            strategy.finish(lost=lost or stream in self._suspected)
        self._new.sink_for = self._pipeline.batcher
        for stream in self._old.sinks | self._new.sinks:
            if stream not in self._new.sinks or self._strategy(*stream).caught_up:
                self._new.sinks[stream] = self._pipeline.batcher(*stream)
        self._old.close()

    def cancel(self) -> None:
        """Continue with the old connection alone: the new one was lost, or does not deliver."""
        for strategy in self._strategies.values():
            strategy.cancel()
        self._old.sink_for = self._pipeline.batcher
        for stream in self._old.sinks:
            self._old.sinks[stream] = self._pipeline.batcher(*stream)
        self._new.sink_for = lambda data_type, symbol: _DISCARD
        self._new.sinks.update(dict.fromkeys(self._new.sinks, _DISCARD))
        self._new.close()

    def _old_sink(self, data_type: str, symbol: str) -> RecordSink:
        strategy, batcher = self._strategy(data_type, symbol), self._pipeline.batcher(data_type, symbol)
        return _Sink(partial(strategy.append_old, batcher), batcher.interrupt)

    def _new_sink(self, data_type: str, symbol: str) -> RecordSink:
        strategy, batcher = self._strategy(data_type, symbol), self._pipeline.batcher(data_type, symbol)
        return _Sink(partial(strategy.append_new, batcher), batcher.interrupt)

    def _strategy(self, data_type: str, symbol: str) -> "HandoverStrategy":
        """The strategy of a stream. A book's snapshots and updates share one, so that they switch together."""
        leading = self._pipeline.leading(data_type)
        strategy = self._strategies.get((leading, symbol))
        if strategy is None:
            batcher = self._pipeline.batcher(leading, symbol)
            ordered = batcher.has_rule or leading in (BOOK_UPDATES, BOOK_SNAPSHOTS)
            create: Callable[[Batcher, _Append], HandoverStrategy]
            create = OrderedHandover if ordered else DeduplicatingHandover
            strategy = self._strategies[leading, symbol] = create(batcher, self._append)
        return strategy

    def _append(self, batcher: Batcher, record: Any, time: int) -> None:
        """Append a record that was held. Its rule has not checked it yet, and may raise."""
        try:
            batcher.append(record, time)
        except RecordError as error:
            self._pipeline.count_unknown(type(error).__name__)
        except BooktapeError:  # from on_batch, not from the record
            raise
        except Exception as error:  # noqa: BLE001  # one record must not keep the others from being handed over
            self._pipeline.count_unknown(type(error).__name__)


class HandoverStrategy(Protocol):
    """Decides where one stream switches from the old connection to the new one.

    ``old_delivered``: whether the old connection has delivered since the new one was subscribed. ``switched``: whether
    records of the new connection are appended.
    """

    old_delivered: bool
    switched: bool

    @property
    def new_delivered(self) -> bool:
        """Whether the new connection has delivered."""
        ...

    @property
    def caught_up(self) -> bool:
        """Whether every further record of the new connection is to be appended."""
        ...

    def append_old(self, batcher: Batcher, record: Any, time: int) -> None:
        """Process a record of the old connection."""

    def append_new(self, batcher: Batcher, record: Any, time: int) -> None:
        """Process a record of the new connection."""

    def finish(self, *, lost: bool) -> None:
        """End the old connection.

        :param lost: it was lost, so that the time of its last delivery is unknown.
        """

    def cancel(self) -> None:
        """End the new connection."""


class OrderedHandover:
    """Hands over a stream whose order matters, at one position.

    ``_new_start`` is the position of the new connection's first record. ``_old_end`` is the highest position that the
    old connection has ever delivered, and ``_at_old_end`` are the records there. ``_after_switch`` are the records that
    it has delivered since the stream switched.
    """

    def __init__(self, batcher: Batcher, append: _Append) -> None:
        self.old_delivered = self.switched = False
        self._new_start: int | None = None
        self._batcher = batcher
        self._append = append
        self._at_old_end = [] if batcher.last is None else [batcher.last]
        self._old_end = max(map(last_position, self._at_old_end), default=0)
        self._held: list[_Held] = []
        self._after_switch: deque[_Held] = deque(maxlen=_MAX_AFTER_SWITCH)
        self._is_next: Callable[[Record], bool] | None = None

    @property
    def new_delivered(self) -> bool:
        return self._new_start is not None

    @property
    def caught_up(self) -> bool:
        return self.switched and self._is_next is None

    def append_old(self, batcher: Batcher, record: Any, time: int) -> None:
        if self.switched:
            batcher.duplicates += 1
            self._after_switch.append((batcher, record, time))
            return
        position = first_position(record)
        if self._new_start is not None and position > self._new_start and position > self._old_end:
            self._after_switch.append((batcher, record, time))
            self._switch(lambda record: last_position(record) >= position)
            return
        if last_position(record) > self._old_end:
            self._old_end, self._at_old_end = last_position(record), []
        self._at_old_end.append(record)
        self.old_delivered = True
        self._append(batcher, record, time)

    def append_new(self, batcher: Batcher, record: Any, time: int) -> None:
        if self.switched:
            if batcher is not self._batcher:  # a further snapshot: the book continues from it, whatever its number
                self._is_next = None
            self._append_if_next(batcher, record, time)
            return
        self._held.append((batcher, record, time))
        if self._new_start is None:
            self._new_start = first_position(record)
        if len(self._held) > _MAX_HELD or not _has_position(record) or self._is_sequence_reset(record):
            self._switch_with_interruption()

    def finish(self, *, lost: bool) -> None:
        if self.switched:
            return
        if self._new_start is None:
            self.switched = True
            if lost or self.old_delivered:
                self._batcher.interrupt()
        elif lost and self._new_start > self._old_end:
            self._switch_with_interruption()
        else:
            self._switch(self._is_missing)

    def cancel(self) -> None:
        """End the new connection: append what the old one has delivered beyond the new one's last record."""
        if not self.switched:
            return
        if len(self._after_switch) == _MAX_AFTER_SWITCH:
            self._batcher.interrupt()
        for batcher, record, time in self._after_switch:
            last = batcher.last
            if last is None or last_position(record) > last_position(last):
                batcher.duplicates -= 1
                self._append(batcher, record, time)

    def _is_sequence_reset(self, record: Record) -> bool:
        """Whether a record has a lower number than the old connection's last ones and was certainly made after them."""
        number = sequence_id(record)
        if number is None or number >= self._old_end:
            return False
        return all(certainly_later(record, other) for other in self._at_old_end)

    def _is_missing(self, record: Record) -> bool:
        """Whether the old connection has not delivered a record."""
        position = last_position(record)
        return position > self._old_end or (
            position == self._old_end and identity(record) not in map(identity, self._at_old_end)
        )

    def _switch(self, is_next: Callable[[Record], bool]) -> None:
        """Append the records of the new connection, held and future, from the first one that ``is_next`` accepts.

        The snapshot that begins the new connection's book is kept. The rule does not check it, because the stream is
        already past it.
        """
        self._is_next = is_next
        for batcher, record, time in self._release():
            if batcher is self._batcher:
                self._append_if_next(batcher, record, time)
            else:
                batcher.append_unchecked(record, time)

    def _switch_with_interruption(self) -> None:
        """Append every record of the new connection. Nothing shows how the two connections join."""
        self._batcher.interrupt()
        for held in self._release():
            self._append(*held)

    def _append_if_next(self, batcher: Batcher, record: Any, time: int) -> None:
        """Append a record of the new connection as soon as it has caught up with the old one."""
        if self._is_next is None:
            self._append(batcher, record, time)
        elif self._is_next(record):
            self._is_next = None
            self._append(batcher, record, time)
        else:
            batcher.duplicates += 1

    def _release(self) -> list[_Held]:
        self.switched = True
        held, self._held = self._held, []
        return held


class DeduplicatingHandover:
    """Hands over a stream whose order does not matter: appends the records of both connections without duplicates.

    A record of the new connection that is no newer than what the old one had delivered before counts as a duplicate.
    Records without an id and an engine time cannot be compared: then those of the new connection are appended only
    after the handover.
    """

    def __init__(self, batcher: Batcher, append: _Append) -> None:
        self.old_delivered = self.switched = self.new_delivered = self._incomparable = False
        self._batcher = batcher
        self._append = append
        self._seen: set[tuple[object, ...]] = set()
        self._before = 0 if batcher.last is None else last_position(batcher.last)

    @property
    def caught_up(self) -> bool:
        return self.switched

    def append_old(self, batcher: Batcher, record: Any, time: int) -> None:
        self.old_delivered = True
        self._append_once(batcher, record, time)

    def append_new(self, batcher: Batcher, record: Any, time: int) -> None:
        self.new_delivered = True
        self._incomparable = self._incomparable or not _has_position(record)
        if self.switched:
            self._append(batcher, record, time)
        elif _has_position(record) and last_position(record) > self._before:
            self._append_once(batcher, record, time)
        else:
            batcher.duplicates += 1

    def finish(self, *, lost: bool) -> None:
        self.switched = True
        if lost or self._incomparable or (self.old_delivered and not self.new_delivered):
            self._batcher.interrupt()

    def cancel(self) -> None:
        """End the new connection. Every record of the old one has been appended already."""

    def _append_once(self, batcher: Batcher, record: Any, time: int) -> None:
        key = identity(record)
        if key in self._seen and _has_position(record):
            batcher.duplicates += 1
        else:
            self._seen.add(key)
            self._append(batcher, record, time)


@dataclass(frozen=True, slots=True)
class _Sink:
    """The sink of one stream of one connection during a handover."""

    append: Callable[[Any, int], None]
    interrupt: Callable[[], None]


_DISCARD: Final = _Sink(lambda record, time: None, lambda: None)
"""The sink of a cancelled connection, which may still deliver until it has ended."""


def _has_position(record: Record) -> bool:
    """Whether a record has an id or an engine time, so that both connections agree on its position."""
    return sequence_id(record) is not None or engine_time(record) is not None
