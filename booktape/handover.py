"""One connection takes over from another, with no gap and no duplicate.

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

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES
from booktape.core.streams import Stream
from booktape.errors import BooktapeError
from booktape.recorder import Connection, Recorder, Taker
from booktape.seams import Give, Joined, Seam, United

StreamKey = tuple[str, str]


class Handover:
    """From one connection of a recorder to the next one, which must not have been fed yet.

    :param suspected: streams (data type, symbol) that are thought to be dead on the old connection.
    """

    def __init__(
        self, recorder: Recorder, old: Connection, new: Connection, suspected: Collection[StreamKey] = ()
    ) -> None:
        self._recorder = recorder
        self._old = old
        self._new = new
        self._suspected = frozenset(suspected)
        self._seams: dict[StreamKey, Seam] = {}
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

    def _old_side(self, data_type: str, symbol: str) -> Taker:
        seam, stream = self._seam(data_type, symbol), self._recorder.stream(data_type, symbol)
        return _Side(partial(seam.from_old, stream), stream.disconnected)

    def _new_side(self, data_type: str, symbol: str) -> Taker:
        seam, stream = self._seam(data_type, symbol), self._recorder.stream(data_type, symbol)
        return _Side(partial(seam.from_new, stream), stream.disconnected)

    def _seam(self, data_type: str, symbol: str) -> Seam:
        """A book's snapshots and updates pass over together."""
        kind = self._recorder.leading(data_type)
        found = self._seams.get((kind, symbol))
        if found is None:
            stream = self._recorder.stream(kind, symbol)
            ordered = stream.has_rule or kind in (BOOK_UPDATES, BOOK_SNAPSHOTS)
            make: Callable[[Stream, Give], Seam] = Joined if ordered else United
            found = self._seams[kind, symbol] = make(stream, self._give)
        return found

    def _give(self, stream: Stream, record: Any, time: int) -> None:
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
