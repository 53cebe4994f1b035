"""How a stream's loss can be seen: one small rule per kind of sequence that exchanges publish.

A rule is asked about each record in the order of arrival and answers ``None`` (it is the next one), :data:`STALE`
(already seen: drop it) or a :class:`Gap` (records before it are missing; the record itself is good).

======================  =========================================================  ==========================
name                    what the venue promises                                    loss is seen
======================  =========================================================  ==========================
``contiguous``          ids rise by one                                            always, across connections
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
from typing import Any, Final, Literal, NamedTuple, Protocol

from booktape.core.book import Book
from booktape.core.records import BookSnapshot, BookUpdate, Quote, Trade, last_position, levels

CONTIGUOUS: Final = "contiguous"
RANGED: Final = "ranged"
LINKED: Final = "linked"
CONNECTION_COUNTER: Final = "connection counter"
CHECKSUM: Final = "checksum"
MONOTONIC: Final = "monotonic"
NONE: Final = "none"

VERIFIABLE: Final = frozenset({CONTIGUOUS, RANGED, LINKED, CONNECTION_COUNTER, CHECKSUM})
"""Rules under which loss can be seen. What the others cover is reported as unverifiable, never as clean."""

SPANS_CONNECTIONS: Final = frozenset({CONTIGUOUS, RANGED, LINKED})
"""Rules that also see what was lost between two connections. The others take every reconnect for a gap."""


class Stale(Enum):
    """A record that was seen before."""

    STALE = "stale"


STALE: Final = Stale.STALE


class Gap(NamedTuple):
    """What is missing, both ends included: sequence ids, or µs where the venue numbers nothing.

    ``reconnect``: nothing shows a loss, but the subscription was interrupted, and no rule can tell what that cost.
    """

    first: int
    last: int
    reconnect: bool = False


Verdict = Literal[Stale.STALE] | Gap | None


class Unnumbered(ValueError):
    """A record without the numbers that the venue's rule is about."""


class Rule(Protocol):
    """Decides for each record of a stream whether it is the next one."""

    def check(self, record: Any, /) -> Verdict:
        """Judge the next record to arrive, of the one type that this rule is for."""
        ...


class Counter:
    """Numbers that rise by one: of trades (``contiguous``) or of a connection's frames (``connection counter``)."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: int | None = None

    def advance(self, number: int) -> Verdict:
        """Judge the next number."""
        expected = self._next
        if expected is not None and number < expected:
            return STALE
        self._next = number + 1
        return None if expected is None or number == expected else Gap(expected, number - 1)


class Contiguous(Counter):
    """Trade ids that rise by one in each market."""

    __slots__ = ()

    def check(self, record: Trade) -> Verdict:
        """Judge the next trade by its id."""
        number = record.id
        if number == self._next:  # nearly always, and this is the hot path
            self._next = number + 1
            return None
        if not isinstance(number, int):
            raise Unnumbered(f"a trade whose id {number!r} is no number")
        return self.advance(number)


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
            raise Unnumbered("a book update without its first or last id")
        if expected is not None and last < expected:
            return STALE
        self._next = last + 1
        return None if expected is None or first <= expected else Gap(expected, first - 1)


class Linked:
    """Book messages that each name the id of the message before them. The numbers between two ids mean nothing."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: int | None = None

    def check(self, record: BookUpdate) -> Verdict:
        """Judge the next message by the id that it names as the one before it."""
        previous, new, last = record.previous_id, record.last_id, self.last
        if previous is None or new is None:
            raise Unnumbered("a book update without its previous or last id")
        if last is not None:
            if new <= last:
                return STALE
            if previous != last:
                self.last = new
                return Gap(last + 1, max(previous, last + 1))
        self.last = new
        return None


class Monotonic:
    """Ids that rise by unknown steps: copies and late records can be seen, loss cannot."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: int | None = None

    def check(self, record: Quote) -> Verdict:
        """Judge the next record by its id."""
        number, last = record.id, self.last
        if number is None:
            raise Unnumbered("a quote without an id")
        if last is not None and number <= last:
            return STALE
        self.last = number
        return None


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
        before, self._last_time = self._last_time, last_position(record)
        if self._checksum(book) == record.checksum:
            return None
        self.failed += 1
        self._book = None
        return Gap(min(before or self._last_time, self._last_time), self._last_time)
