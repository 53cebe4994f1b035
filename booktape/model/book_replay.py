"""Replays a market's book from its published messages, and knows when the book is not sound."""

from copy import copy
from typing import Final, Protocol

from msgspec import Raw, structs

from booktape.model import sequence
from booktape.model.book import Book
from booktape.model.gap import Gap, GapCause, GapUnit, time_gap
from booktape.model.records import BOOK_UPDATES, SECOND, BookSnapshot, BookUpdate, levels, record_time
from booktape.model.resets import certainly_later
from booktape.model.sequence import DUPLICATE, SPANS_CONNECTIONS, Rebased, Resettable, UnnumberedRecordError

Message = BookUpdate | BookSnapshot

_NOTHING: Final = Raw(b"[]")
LATE: Final = 2 * SECOND
"""By how much (µs) the reported end of a gap may be later than the snapshot that ended it."""


class ChecksumRule(Protocol):
    """How the venue's checksum is computed, and how deep its books are."""

    @property
    def depth(self) -> int:
        """How many levels of each side the venue keeps up to date."""
        ...

    def compute(self, book: Book, /) -> int:
        """The checksum of a book."""
        ...


class BookReplayer:
    """A market's book. Apply the market's messages in their published order, and :meth:`lose` gaps known otherwise.

    ``sound`` is False before the first snapshot, and from a gap until the next snapshot; ``missing`` is that gap.
    ``gap`` is the gap that the last call found before its message; a snapshot may make up for it. ``as_of`` is the time
    (µs) of the last message in the book and ``last_id`` its id; None before any. A book that is not sound still applies
    its updates: it may be close to the market's book, but differs from it.

    :param rule: the name of the book channel's rule (:mod:`booktape.model.sequence`).
    :param checksum: the venue's checksum, which messages may carry.
    :param market: the market that gaps are to name.
    """

    def __init__(self, rule: str, checksum: ChecksumRule | None = None, market: str = "") -> None:
        self._market = market
        self.book = Book()
        self.sound = False
        self.gap: Gap | None = None
        self.missing: Gap | None = None
        self.as_of: int | None = None
        self.last_id: int | None = None
        self._name = rule
        self._rule = sequence.rule(rule, BOOK_UPDATES)
        self._checksum = checksum
        self._begun = False
        self._newest: int | None = None
        self._time = self._since = 0
        self._last: Message | None = None
        self._base: int | None = None
        self._joined = True
        self._unknown_until = 0
        self._has_book = False

    def apply(self, message: Message) -> bool:
        """Apply the next message; return whether the book is sound after it.

        Messages that the book contains already are ignored: duplicates, updates older than the snapshot, and snapshots
        from REST that are older than the last update.
        """
        self.gap = None
        if isinstance(message, BookSnapshot):
            self._begin(message)
        else:
            self._update(message)
        return self.sound

    def lose(self, missing: Gap) -> None:
        """Make the book unsound for a gap, until a snapshot after the gap's end."""
        self._void(missing)
        if not missing.numbered:
            self._unknown_until = max(self._unknown_until, missing.end)

    def gap_before(self, message: Message) -> Gap | None:
        """The gap before a message that is not applied yet; None if the book continues with it."""
        if self._name not in SPANS_CONNECTIONS or not self.sound:
            return None
        probe = copy(self)
        probe.book, probe._checksum, probe._rule = Book(), None, copy(self._rule)  # noqa: SLF001  # of the same class
        probe.apply(structs.replace(message, bids=_NOTHING, asks=_NOTHING))
        return probe.gap

    def _begin(self, snapshot: BookSnapshot) -> None:
        number, own = snapshot.last_id, snapshot.origin == "stream"
        known = max(self._newest or 0, self._base or 0)
        if not own and number is not None and number < known:
            return
        if number is not None and isinstance(self._rule, Rebased) and (own or not self._begun):
            verdict = self._rule.rebase(number)
            if own and isinstance(verdict, Gap):
                self.gap = self._placed(verdict, snapshot)
        if own or not self._begun:
            self._since = record_time(snapshot)
        self._base, self._joined = number, False
        self.book, self._has_book = Book(), True
        self.sound = max(snapshot.local_timestamp, record_time(snapshot)) >= self._unknown_until - LATE
        self._put(snapshot)
        if self.sound:
            self.missing = None

    def _update(self, update: BookUpdate) -> None:
        try:
            verdict = self._rule.check(update) if self._rule is not None else None
        except UnnumberedRecordError:
            self.gap = self._between(self._since, update, GapCause.UNNUMBERED)
            self._void(self.gap)
            return
        if verdict is DUPLICATE:
            if not self._is_reset(update):
                return
            verdict = self._reset(update)
        number, base = update.last_id, self._base
        if base is not None and number is not None and number <= base:
            return
        joins = not self._joined and base is not None and _joins(update, base)
        if isinstance(verdict, Gap) and (self._begun or not joins):
            self.gap = self._placed(verdict, update)
            if not joins:
                self._void(self.gap)
        self._joined = self._begun = True
        self._newest = number
        if self._has_book:
            self._put(update)
        self._last = update
        self._time = self._since = record_time(update)

    def _put(self, message: Message) -> None:
        self.book.apply(levels(message.bids), levels(message.asks))
        self._last = message
        before, self._time = self._time, record_time(message)
        self.as_of = self._time
        self.last_id = message.last_id
        if self._checksum is None:
            return
        self.book.truncate(self._checksum.depth)
        if self.sound and message.checksum is not None and self._checksum.compute(self.book) != message.checksum:
            self.gap = self._between(before, message, GapCause.CHECKSUM)
            self._void(self.gap)

    def _void(self, missing: Gap) -> None:
        self.sound = False
        self.missing = missing

    def _is_reset(self, update: BookUpdate) -> bool:
        return isinstance(self._rule, Resettable) and self._last is not None and certainly_later(update, self._last)

    def _reset(self, update: BookUpdate) -> Gap:
        assert isinstance(self._rule, Resettable)
        self._rule.reset()
        self._rule.check(update)
        self._base, self._newest = None, None
        return Gap(GapUnit.TIME, cause=GapCause.RESET)

    def _placed(self, gap: Gap, message: Message) -> Gap:
        """A rule's gap before a message, with the times around it."""
        if gap.unit is GapUnit.TIME:
            return self._between(self._since, message, gap.cause)
        end = record_time(message)
        return gap._replace(data_type=BOOK_UPDATES, market=self._market, after=self._since or end, before=end)

    def _between(self, start: int, message: Message, cause: GapCause) -> Gap:
        """A gap from a time, 0 if unknown, until a message."""
        end = record_time(message)
        return time_gap(BOOK_UPDATES, self._market, start or end, end, cause)


def _joins(update: BookUpdate, base: int) -> bool:
    """Whether the first update that is newer than a snapshot continues from it without a gap."""
    if update.first_id is not None:
        return update.first_id <= base + 1
    return update.previous_id is not None and update.previous_id <= base
