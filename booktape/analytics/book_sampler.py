"""Samples a market's book while its messages are replayed: on a grid of times, or at each change.

There are no samples while the book is not sound: from a gap until the next snapshot.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, Generic, NamedTuple, TypeVar

from booktape.analytics.time_grid import NotInOrderError, first
from booktape.model.book import Book
from booktape.model.book_replay import BookReplayer, ChecksumRule
from booktape.model.gap import ANY, Gap
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, BookSnapshot, BookUpdate, record_time
from booktape.model.sequence import SPANS_CONNECTIONS


class GapBuffer:
    """Collects the gaps of one data type, and finds those that touch an interval (µs)."""

    def __init__(self, data_type: str) -> None:
        self._data_types = (data_type, ANY)
        self._missing: list[Gap] = []

    def add(self, missing: Gap) -> bool:
        """Add a gap; False if it is of another data type."""
        if missing.data_type not in self._data_types:
            return False
        self._missing.append(missing)
        return True

    def touches(self, start: int, end: int) -> bool:
        """Whether something is missing from ``start`` up to ``end`` (exclusive)."""
        return any(missing.start < end and start <= _last(missing) for missing in self._missing)

    def forget(self, before: int) -> None:
        """Drop the gaps that end before a time."""
        if self._missing:
            self._missing = [missing for missing in self._missing if _last(missing) >= before]


def _last(missing: Gap) -> int:
    """The last µs at which a record may be missing: under a numbered gap, that is as late as the gap's end."""
    return missing.end if missing.numbered else max(missing.start, missing.end - 1)


BookMessage = BookUpdate | BookSnapshot
T = TypeVar("T")

_BOOK: Final = (BOOK_UPDATES, BOOK_SNAPSHOTS, ANY)
"""The data types whose gaps concern a book."""


@dataclass(frozen=True, slots=True)
class BookStream:
    """A market's book messages in the published order, with the gaps among them.

    :ivar rule: the name of the book channel's rule (:mod:`booktape.model.sequence`).
    :ivar checksum: how the venue's checksum is computed, if it has one.
    """

    messages: Iterable[BookMessage | Gap]
    rule: str
    checksum: ChecksumRule | None = None


class Sampled(NamedTuple, Generic[T]):
    """A sample of a book: its time, and when the last message in it was received (µs)."""

    time: int
    local_timestamp: int
    what: T


def at_instants(
    stream: BookStream, look: Callable[[Book], T], length: int, start: int | None, end: int | None
) -> Iterator[Sampled[T] | Gap]:
    """Sample a book at each multiple of ``length`` (µs), with all messages up to that time in it.

    The samples reach from ``start``, or the first message, up to ``end`` (exclusive), or the last message. A sample is
    given once a later message has shown whether there is a gap before it. Gaps stand among the samples.

    :param look: computes the sample. Raises :class:`~booktape.analytics.time_grid.NotInOrderError` for times that go
        back.
    """
    rebuilt = BookReplayer(stream.rule, stream.checksum)
    due = first(start, length) if start is not None else None
    last: BookMessage | None = None
    held: list[Iterator[Sampled[T]]] = []
    for message, time in _in_order(stream.messages):
        due = first(time, length) if due is None else due
        until = first(time if end is None else min(time, end), length)
        before = _seen(rebuilt, look, last, range(due, until, length))
        due = max(due, until)
        gap = _take(rebuilt, message)
        last = last if isinstance(message, Gap) else message
        if isinstance(message, BookSnapshot) and gap is None and stream.rule in SPANS_CONNECTIONS:
            held.append(before)  # only the update after a snapshot shows whether something was lost before it
            continue
        if gap is None:
            yield from chain(*held, before)
        missing = message if isinstance(message, Gap) else gap
        if missing is not None:
            yield missing
        if gap is not None and rebuilt.sound and isinstance(message, BookUpdate):
            yield from before  # a snapshot made up for what was lost
        held = []
    yield from chain(*held)
    if due is not None and last is not None:
        until = record_time(last) + 1 if end is None else end
        yield from _seen(rebuilt, look, last, range(due, until, length))


def at_changes(stream: BookStream, look: Callable[[Book], T]) -> Iterator[Sampled[T] | Gap]:
    """Sample a book after each message that changes the sample. Gaps stand among the samples."""
    rebuilt = BookReplayer(stream.rule, stream.checksum)
    seen: T | None = None
    for message, time in _in_order(stream.messages):
        gap = _take(rebuilt, message)
        if isinstance(message, Gap):
            yield message
        elif gap is not None:
            yield gap
        if not rebuilt.sound:
            seen = None
        elif not isinstance(message, Gap):
            now = look(rebuilt.book)
            if now != seen:
                yield Sampled(time, message.local_timestamp, now)
            seen = now


def _take(rebuilt: BookReplayer, message: BookMessage | Gap) -> Gap | None:
    """Apply a message or a gap; return the gap found before a message."""
    if isinstance(message, Gap):
        rebuilt.lose(message)
        return None
    rebuilt.apply(message)
    return rebuilt.gap


def _seen(
    rebuilt: BookReplayer, look: Callable[[Book], T], last: BookMessage | None, times: range
) -> Iterator[Sampled[T]]:
    """One sample for all these times."""
    if not times or last is None or not rebuilt.sound:
        return iter(())
    now, received = look(rebuilt.book), last.local_timestamp
    return (Sampled(time, received, now) for time in times)


def _in_order(messages: Iterable[BookMessage | Gap]) -> Iterator[tuple[BookMessage | Gap, int]]:
    """The messages and gaps that concern the book, with their times, which must not go back."""
    last = 0
    for message in messages:
        if isinstance(message, Gap):
            if message.data_type in _BOOK:
                yield message, message.start
            continue
        time = record_time(message)
        if time < last:
            raise NotInOrderError(f"a book message at {time} comes after one at {last}: sort them by time")
        last = time
        yield message, time
