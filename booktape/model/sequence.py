"""Sequence rules: one for each way in which exchanges number their records. They find lost and duplicate records.

A rule checks each record in the order of arrival. Its verdict is ``None`` (the record is the next one),
:data:`DUPLICATE` (it was seen before: drop it) or a :class:`~booktape.model.gap.Gap` (records before it are missing;
the record itself is valid). A rule knows neither its stream nor the times: its caller fills these in.

======================  =========================================================  ==========================
name                    what the exchange promises                                 loss is seen
======================  =========================================================  ==========================
``contiguous``          ids rise by one                                            always, across connections
``sequenced``           trades have a number beside their id, which rises by one   always, across connections
``ranged``              a message covers ids U..u, the next begins at u + 1        always, across connections
``linked``              a message names the id of the one before it                always, across connections
``connection counter``  every frame of a connection is numbered                    within one connection
``checksum``            the book's checksum comes with each message                mostly (its depth only)
``monotonic``           ids rise by unknown steps                                  never: only duplicates are
``none``                nothing                                                    never
======================  =========================================================  ==========================

Rules have no clock and do no I/O. A rule object lives as long as its stream, so that it also checks what a reconnect
lost.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, ClassVar, Final, Literal, Protocol, runtime_checkable

from booktape.model.book import Book
from booktape.model.errors import RecordError
from booktape.model.gap import Gap, GapCause, GapUnit
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    QUOTES,
    TRADES,
    BookSnapshot,
    BookUpdate,
    Quote,
    Trade,
    levels,
    record_time,
)

CONTIGUOUS: Final = "contiguous"
SEQUENCED: Final = "sequenced"
RANGED: Final = "ranged"
LINKED: Final = "linked"
CONNECTION_COUNTER: Final = "connection counter"
CHECKSUM: Final = "checksum"
MONOTONIC: Final = "monotonic"
NONE: Final = "none"

VERIFIABLE: Final = frozenset({CONTIGUOUS, SEQUENCED, RANGED, LINKED, CONNECTION_COUNTER, CHECKSUM})
"""Rules that find loss. Records under any other rule are reported as unverifiable, never as complete."""

SPANS_CONNECTIONS: Final = frozenset({CONTIGUOUS, SEQUENCED, RANGED, LINKED})
"""Rules that also find what was lost between two connections. Under the others, every reconnect is a gap."""


class Duplicate(Enum):
    """The verdict on a record that was seen before. Use :data:`DUPLICATE`."""

    DUPLICATE = "duplicate"


DUPLICATE: Final = Duplicate.DUPLICATE


Verdict = Literal[Duplicate.DUPLICATE] | Gap | None


class UnnumberedRecordError(RecordError):
    """A record lacks the numbers that its sequence rule checks."""


class Rule(Protocol):
    """Decides for each record of a stream whether it is the next one.

    A rule may raise :class:`UnnumberedRecordError`.
    """

    def check(self, record: Any, /) -> Verdict:
        """Check the next record to arrive. It must be of the type that the rule is for."""
        ...


class Counter:
    """Numbers that rise by one: those of a connection's frames, or those of trades."""

    __slots__ = ("_next",)

    unit: ClassVar = GapUnit.COUNTER

    def __init__(self) -> None:
        self._next: int | None = None

    def advance(self, number: int) -> Verdict:
        """Check the next number."""
        expected = self._next
        if expected is not None and number < expected:
            return DUPLICATE
        self._next = number + 1
        return None if expected is None or number == expected else Gap(self.unit, expected, number - 1)

    def reset(self) -> None:
        """Accept any next number."""
        self._next = None


class Contiguous(Counter):
    """Trade ids that rise by one in each market."""

    __slots__ = ()

    unit: ClassVar = GapUnit.ID

    def check(self, record: Trade) -> Verdict:
        """Check the next trade by its id."""
        number = record.id
        if number == self._next:  # nearly always, and this is the hot path
            self._next = number + 1
            return None
        if not isinstance(number, int):
            raise UnnumberedRecordError(f"the trade's id {number!r} is not a number")
        return self.advance(number)


class Sequenced(Counter):
    """Trades that have a number beside their id, which rises by one in each market."""

    __slots__ = ()

    unit: ClassVar = GapUnit.ID

    def check(self, record: Trade) -> Verdict:
        """Check the next trade by its number."""
        number = record.sequence
        if number is None:
            raise UnnumberedRecordError("the trade has no number")
        return self.advance(number)


@runtime_checkable
class Resettable(Protocol):
    """A rule of numbers that the exchange may reset."""

    def reset(self) -> None:
        """Accept any next number."""
        ...


@runtime_checkable
class Rebased(Protocol):
    """A rule of book updates that continues from a snapshot in the same stream."""

    def rebase(self, last_id: int) -> Verdict:
        """Continue from a snapshot with this id. The verdict is what is missing between the last update and it."""
        ...


class Ranged:
    """Book messages that each cover the update ids ``first_id..last_id``.

    Two connections may divide the updates into messages differently. So a message that begins before the last id and
    ends after it is new: amounts are absolute, and applying a level twice does no harm.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: int | None = None

    def check(self, record: BookUpdate) -> Verdict:
        """Check the next message by its range."""
        first, last, expected = record.first_id, record.last_id, self._next
        if first is None or last is None:
            raise UnnumberedRecordError("the book update has no first or last id")
        if expected is not None and last < expected:
            return DUPLICATE
        self._next = last + 1
        return None if expected is None or first <= expected else Gap(GapUnit.ID, expected, first - 1)

    def reset(self) -> None:
        """Accept any next number."""
        self._next = None

    def rebase(self, last_id: int) -> Verdict:
        """Continue from a snapshot. See :class:`Rebased`."""
        expected, self._next = self._next, last_id + 1
        return _before_snapshot(GapUnit.ID, expected, last_id)


class Linked:
    """Book messages that each name the id of the message before. The numbers between two ids have no meaning."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: int | None = None

    def check(self, record: BookUpdate) -> Verdict:
        """Check the next message by the id that it names as the one before."""
        previous, new, last = record.previous_id, record.last_id, self.last
        if previous is None or new is None:
            raise UnnumberedRecordError("the book update has no previous or last id")
        if last is not None:
            if new <= last:
                return DUPLICATE
            if previous != last:
                self.last = new
                return Gap(GapUnit.LINK, last + 1, max(previous, last + 1))
        self.last = new
        return None

    def reset(self) -> None:
        """Accept any next number."""
        self.last = None

    def rebase(self, last_id: int) -> Verdict:
        """Continue from a snapshot. See :class:`Rebased`."""
        last, self.last = self.last, last_id
        return _before_snapshot(GapUnit.LINK, None if last is None else last + 1, last_id)


def _before_snapshot(unit: GapUnit, expected: int | None, last_id: int) -> Verdict:
    """What a snapshot shows: updates before it that were lost, or a reset of the ids, which may hide any loss."""
    if expected is None or last_id == expected - 1:
        return None
    if last_id >= expected:
        return Gap(unit, expected, last_id, GapCause.RESUMED)
    return Gap(GapUnit.TIME, cause=GapCause.RESET, snapshot_id=last_id)


class Rebase:
    """The rule of the snapshots of a book whose updates are numbered: the updates continue from each of them.

    :param rebase: gives the snapshot to the stream of updates.
    """

    __slots__ = ("_rebase",)

    def __init__(self, rebase: Callable[[BookSnapshot], None]) -> None:
        self._rebase = rebase

    def check(self, record: BookSnapshot) -> Verdict:
        """Let the updates continue from a snapshot of the stream. A snapshot from REST is not part of the stream."""
        if record.origin == "stream":
            if record.last_id is None:
                raise UnnumberedRecordError("the book snapshot has no id")
            self._rebase(record)
        return None


class SnapshotBoundary:
    """The rule of the snapshots of a book whose updates have no numbers: a subscription has begun, perhaps again.

    :param interrupted: reports to the stream of updates that some may be missing before the next one.
    """

    __slots__ = ("_interrupted",)

    def __init__(self, interrupted: Callable[[], None]) -> None:
        self._interrupted = interrupted

    def check(self, record: BookSnapshot) -> Verdict:
        """Accept a snapshot."""
        if record.origin == "stream":
            self._interrupted()
        return None


class Rising:
    """Numbers that rise by unknown steps. They show duplicates and late records, but not loss."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: int | None = None

    def advance(self, number: int | str | None) -> Verdict:
        """Check the next number."""
        last = self.last
        if not isinstance(number, int):
            raise UnnumberedRecordError("the record's id is not a number")
        if last is not None and number <= last:
            return DUPLICATE
        self.last = number
        return None

    def reset(self) -> None:
        """Accept any next number."""
        self.last = None


class Monotonic(Rising):
    """Ids of trades or quotes that rise by unknown steps."""

    __slots__ = ()

    def check(self, record: Quote | Trade) -> Verdict:
        """Check the next record by its id."""
        return self.advance(record.id)


class MonotonicBook(Rising):
    """Ids of book messages that rise by unknown steps."""

    __slots__ = ()

    def check(self, record: BookUpdate | BookSnapshot) -> Verdict:
        """Check the next message by its last id."""
        return self.advance(record.last_id)

    def rebase(self, last_id: int) -> Verdict:
        """Continue from a snapshot. It contains what came before it, and loss cannot be seen."""
        self.last = last_id
        return None


_RULES: Final[dict[tuple[str, str], Callable[[], Rule]]] = {
    (CONTIGUOUS, TRADES): Contiguous,
    (SEQUENCED, TRADES): Sequenced,
    (MONOTONIC, TRADES): Monotonic,
    (MONOTONIC, QUOTES): Monotonic,
    (MONOTONIC, BOOK_UPDATES): MonotonicBook,
    (MONOTONIC, BOOK_SNAPSHOTS): MonotonicBook,
    (RANGED, BOOK_UPDATES): Ranged,
    (LINKED, BOOK_UPDATES): Linked,
}


def rule(name: str, data_type: str) -> Rule | None:
    """Make the rule of one stream, by the rule's name; None where records of that type are not checked."""
    make = _RULES.get((name, data_type))
    return make() if make is not None else None


_OF_BOOKS: Final = frozenset({RANGED, LINKED, MONOTONIC, CHECKSUM})


def applies(name: str, data_type: str) -> bool:
    """Whether a channel's rule checks the records of a data type."""
    if name == CONNECTION_COUNTER or (name, data_type) in _RULES:
        return True
    return name in _OF_BOOKS and data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS)


def verifies(name: str, data_type: str) -> bool:
    """Whether a channel's rule finds that a record of a data type was lost."""
    return name in VERIFIABLE and applies(name, data_type)


class Checksum:
    """Book messages that carry a checksum over the best levels of the book after them.

    This is the only rule that keeps a book. After a mismatch the book is unsound: messages are accepted unchecked, and
    counted in ``unchecked``, until the next snapshot.
    """

    __slots__ = ("_book", "_checksum", "_depth", "_last_time", "checked", "failed", "unchecked")

    def __init__(self, checksum: Callable[[Book], int], depth: int) -> None:
        self._checksum = checksum
        self._depth = depth
        self._book: Book | None = None
        self._last_time = 0
        self.checked = self.failed = self.unchecked = 0

    @property
    def is_sound(self) -> bool:
        """Whether there is a book, and every checksum since its snapshot matched."""
        return self._book is not None

    @property
    def book(self) -> Book | None:
        """The book, as deep as the exchange keeps it; None while it is not sound."""
        return self._book

    def check(self, record: BookUpdate | BookSnapshot) -> Verdict:
        """Apply the message, and compare the checksums."""
        if isinstance(record, BookSnapshot):
            self._book = Book()
        book = self._book
        if book is None:
            self.unchecked += 1
            return None
        book.apply(levels(record.bids), levels(record.asks))
        book.truncate(self._depth)
        if record.checksum is None:
            return None
        self.checked += 1
        before, self._last_time = self._last_time, record_time(record)
        if self._checksum(book) == record.checksum:
            return None
        self.failed += 1
        self._book = None
        if record.last_id is not None:
            return Gap(GapUnit.TIME, cause=GapCause.CHECKSUM)
        return Gap(GapUnit.TIME, min(before or self._last_time, self._last_time), self._last_time, GapCause.CHECKSUM)


NUMBERED: Final = {TRADES: frozenset({CONTIGUOUS, SEQUENCED, MONOTONIC}), QUOTES: frozenset({MONOTONIC})}


def placed_by_number(data_type: str, rule: str, first: int, minute: int) -> bool:
    """Whether a batch's ``first`` and ``last`` are sequence numbers, not times.

    :param first: the first number or time (µs) of the batch, as its key has it.
    :param minute: the start of the batch's minute in µs.
    """
    if data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS):
        return first < minute // 2  # a time would be about that of the batch
    return rule in NUMBERED.get(data_type, ())
