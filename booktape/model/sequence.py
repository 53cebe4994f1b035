"""How a stream's loss can be seen: one small rule per kind of sequence that exchanges publish.

A rule is asked about each record in the order of arrival and answers ``None`` (it is the next one), :data:`DUPLICATE`
(already seen: drop it) or a :class:`~booktape.model.gap.Gap` (records before it are missing; the record
itself is good). A rule knows neither its stream nor the time: the stream fills these in.

======================  =========================================================  ==========================
name                    what the venue promises                                    loss is seen
======================  =========================================================  ==========================
``contiguous``          ids rise by one                                            always, across connections
``sequenced``           trades have a number beside their id, which rises by one   always, across connections
``ranged``              a message covers ids U..u, the next begins at u + 1        always, across connections
``linked``              a message names the id of the one before it                always, across connections
``connection counter``  every frame of a connection is numbered                    within one connection
``checksum``            the book's checksum comes with each message                mostly (its depth only)
``monotonic``           ids rise, by how much is not said                          never: order and copies only
``none``                nothing                                                    never
======================  =========================================================  ==========================

Rules hold no clock and do no I/O. One rule object lives as long as its stream, so that a reconnect is checked as well
as everything else.
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
"""Rules under which loss can be seen. What the others cover is reported as unverifiable, never as clean."""

SPANS_CONNECTIONS: Final = frozenset({CONTIGUOUS, SEQUENCED, RANGED, LINKED})
"""Rules that also see what was lost between two connections. The others take every reconnect for a gap."""


class Duplicate(Enum):
    """A record that was seen before."""

    STALE = "stale"


DUPLICATE: Final = Duplicate.STALE


Verdict = Literal[Duplicate.STALE] | Gap | None


class UnnumberedRecordError(RecordError):
    """A record without the numbers that the venue's rule is about."""


class Rule(Protocol):
    """Decides for each record of a stream whether it is the next one."""

    def check(self, record: Any, /) -> Verdict:
        """Judge the next record to arrive, of the one type that this rule is for."""
        ...


class Counter:
    """Numbers that rise by one: of a connection's frames (``connection counter``), or of trades."""

    __slots__ = ("_next",)

    unit: ClassVar = GapUnit.COUNTER

    def __init__(self) -> None:
        self._next: int | None = None

    def advance(self, number: int) -> Verdict:
        """Judge the next number."""
        expected = self._next
        if expected is not None and number < expected:
            return DUPLICATE
        self._next = number + 1
        return None if expected is None or number == expected else Gap(self.unit, expected, number - 1)

    def forget(self) -> None:
        """Begin anew with the next number."""
        self._next = None


class Contiguous(Counter):
    """Trade ids that rise by one in each market."""

    __slots__ = ()

    unit: ClassVar = GapUnit.ID

    def check(self, record: Trade) -> Verdict:
        """Judge the next trade by its id."""
        number = record.id
        if number == self._next:  # nearly always, and this is the hot path
            self._next = number + 1
            return None
        if not isinstance(number, int):
            raise UnnumberedRecordError(f"a trade whose id {number!r} is no number")
        return self.advance(number)


class Sequenced(Counter):
    """Trades whose number in their market stands beside their id."""

    __slots__ = ()

    unit: ClassVar = GapUnit.ID

    def check(self, record: Trade) -> Verdict:
        """Judge the next trade by its number."""
        number = record.sequence
        if number is None:
            raise UnnumberedRecordError("a trade without its number")
        return self.advance(number)


@runtime_checkable
class Resettable(Protocol):
    """A rule of numbers, which a venue may begin anew."""

    def forget(self) -> None:
        """Begin anew with the next record."""
        ...


@runtime_checkable
class Rebased(Protocol):
    """A rule of book updates that a snapshot in the same stream can set to another place."""

    def rebase(self, last_id: int) -> Verdict:
        """Go on from a snapshot; says what is missing between the last update and it."""
        ...


class Ranged:
    """Book messages that each cover the update ids ``first_id..last_id``.

    Two connections may cut their messages differently, so a message that begins before the last id and ends after it
    is new: amounts are absolute, applying a level twice does no harm.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: int | None = None

    def check(self, record: BookUpdate) -> Verdict:
        """Judge the next message by its range."""
        first, last, expected = record.first_id, record.last_id, self._next
        if first is None or last is None:
            raise UnnumberedRecordError("a book update without its first or last id")
        if expected is not None and last < expected:
            return DUPLICATE
        self._next = last + 1
        return None if expected is None or first <= expected else Gap(GapUnit.ID, expected, first - 1)

    def forget(self) -> None:
        """Begin anew with the next message."""
        self._next = None

    def rebase(self, last_id: int) -> Verdict:
        """Go on from a snapshot. See :class:`Rebased`."""
        expected, self._next = self._next, last_id + 1
        return _before_snapshot(GapUnit.ID, expected, last_id)


class Linked:
    """Book messages that each name the id of the message before them. The numbers between two ids mean nothing."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: int | None = None

    def check(self, record: BookUpdate) -> Verdict:
        """Judge the next message by the id that it names as the one before it."""
        previous, new, last = record.previous_id, record.last_id, self.last
        if previous is None or new is None:
            raise UnnumberedRecordError("a book update without its previous or last id")
        if last is not None:
            if new <= last:
                return DUPLICATE
            if previous != last:
                self.last = new
                return Gap(GapUnit.LINK, last + 1, max(previous, last + 1))
        self.last = new
        return None

    def forget(self) -> None:
        """Begin anew with the next message."""
        self.last = None

    def rebase(self, last_id: int) -> Verdict:
        """Go on from a snapshot. See :class:`Rebased`."""
        last, self.last = self.last, last_id
        return _before_snapshot(GapUnit.LINK, None if last is None else last + 1, last_id)


def _before_snapshot(unit: GapUnit, expected: int | None, last_id: int) -> Verdict:
    """What a snapshot shows: updates up to it that never came, or a reset of the ids, around which anything is lost."""
    if expected is None or last_id == expected - 1:
        return None
    if last_id >= expected:
        return Gap(unit, expected, last_id, GapCause.RESUMED)
    return Gap(GapUnit.TIME, cause=GapCause.RESET, snapshot_id=last_id)


class Rebase:
    """The rule of the snapshots in a stream whose updates are numbered: they pass, and the updates go on from them.

    :param rebase: takes the snapshot for the updates' stream.
    """

    __slots__ = ("_rebase",)

    def __init__(self, rebase: Callable[[BookSnapshot], None]) -> None:
        self._rebase = rebase

    def check(self, record: BookSnapshot) -> Verdict:
        """Let the updates go on from a snapshot of the stream; one from REST says nothing of the stream."""
        if record.origin == "stream":
            if record.last_id is None:
                raise UnnumberedRecordError("a book snapshot without its id")
            self._rebase(record)
        return None


class SnapshotBoundary:
    """The rule of the snapshots in a stream whose updates are not numbered: a subscription has begun (again).

    :param interrupted: tells the updates' stream that something may be missing before the next one.
    """

    __slots__ = ("_interrupted",)

    def __init__(self, interrupted: Callable[[], None]) -> None:
        self._interrupted = interrupted

    def check(self, record: BookSnapshot) -> Verdict:
        """Let a snapshot pass."""
        if record.origin == "stream":
            self._interrupted()
        return None


class Rising:
    """Numbers that rise by unknown steps: copies and late records can be seen, loss cannot."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: int | None = None

    def advance(self, number: int | str | None) -> Verdict:
        """Judge the next number."""
        last = self.last
        if not isinstance(number, int):
            raise UnnumberedRecordError("a record without a number for its id")
        if last is not None and number <= last:
            return DUPLICATE
        self.last = number
        return None

    def forget(self) -> None:
        """Begin anew with the next number."""
        self.last = None


class Monotonic(Rising):
    """Ids of trades or quotes that rise by unknown steps."""

    __slots__ = ()

    def check(self, record: Quote | Trade) -> Verdict:
        """Judge the next record by its id."""
        return self.advance(record.id)


class MonotonicBook(Rising):
    """Ids of book messages that rise by unknown steps."""

    __slots__ = ()

    def check(self, record: BookUpdate | BookSnapshot) -> Verdict:
        """Judge the next message by its last id."""
        return self.advance(record.last_id)

    def rebase(self, last_id: int) -> Verdict:
        """Go on from a snapshot: what came before it is contained in it, and loss cannot be seen."""
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
    """A new rule for one stream, by the name of its kind; None where records of that type pass unchecked."""
    make = _RULES.get((name, data_type))
    return make() if make is not None else None


_OF_BOOKS: Final = frozenset({RANGED, LINKED, MONOTONIC, CHECKSUM})


def applies(name: str, data_type: str) -> bool:
    """Whether a channel's rule is about the records of some data type."""
    if name == CONNECTION_COUNTER or (name, data_type) in _RULES:
        return True
    return name in _OF_BOOKS and data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS)


def verifies(name: str, data_type: str) -> bool:
    """Whether a channel's rule can see that a record of some data type was lost."""
    return name in VERIFIABLE and applies(name, data_type)


class Checksum:
    """Book messages that carry a checksum over the best levels of the book after them.

    The only rule that must keep a book. After a mismatch the book is void: messages pass unchecked, and counted as
    such, until the next snapshot.
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
        """Whether there is a book, and no checksum has told otherwise since its snapshot."""
        return self._book is not None

    @property
    def book(self) -> Book | None:
        """The book as far down as the venue keeps it; None while it is not sound."""
        return self._book

    def check(self, record: BookUpdate | BookSnapshot) -> Verdict:
        """Apply the message and compare the checksums."""
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
