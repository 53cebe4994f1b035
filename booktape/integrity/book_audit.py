"""Rebuilds a market's book from its messages, as a reader of the published file does, and checks it.

A snapshot replaces the book. Before it does, the book is compared to it: every level down to which both are known must
be the same.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from booktape.integrity.certificate import BookCheck, SnapshotMismatch
from booktape.model.book import Book, InvalidNumberError, exact
from booktape.model.records import BookSnapshot, BookUpdate, Level, levels
from booktape.model.sequence import Checksum

Message = BookUpdate | BookSnapshot
Levels = dict[int, object]
"""One side: the amount of each rank. A rank is the exact price, negative for bids; a higher rank is a worse price."""

_BIDS: Final = -1
_ASKS: Final = 1


class CrossedCounter:
    """Counts the messages after which a book is crossed.

    A reader of the file takes rows with the same receipt time and kind for one message.

    :param depth: how many levels of each side the venue keeps up to date; None for all.
    """

    def __init__(self, depth: int | None = None) -> None:
        self.book: Book | None = None
        self._depth = depth
        self._open: tuple[int, bool] | None = None
        self.count = 0

    def begin(self, received: int, *, is_snapshot: bool) -> None:
        """Begin a message, unless the last one continues."""
        if self._open == (received, is_snapshot):
            return
        self.end()
        self._open = received, is_snapshot
        if is_snapshot:
            self.book = Book()

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set levels of the current message. Before the first snapshot this does nothing."""
        if self.book is not None:
            self.book.apply(bids, asks)

    def end(self) -> None:
        """End the current message, if there is one."""
        if self._open is None:
            return
        self._open = None
        if self.book is not None:
            if self._depth is not None:
                self.book.truncate(self._depth)
            self.count += self.book.is_crossed()


class _Known(NamedTuple):
    """One side before a snapshot. ``worst`` is the rank down to which it was known; None where all of it was."""

    levels: Levels
    worst: int | None


class _Pending(NamedTuple):
    """A snapshot and the book before it.

    ``touched`` are the ranks of bids and asks set by later messages of which the snapshot may include a part.
    """

    snapshot: BookSnapshot
    time: int
    bids: _Known
    asks: _Known
    touched: tuple[set[int], set[int]]


class BookAudit:
    """Audits one market's book, message by message in the order of the file.

    ``base`` is the snapshot that the current book began with; None after an empty one. ``joined``: an update continued
    it without a gap. ``checked_before`` counts the checksums compared before it. ``last`` is the last message of all.

    :param checksum: the rule of the venue's checksums; None where it sends none.
    :param compares: whether snapshots are compared to the book; not where the venue sends nothing else.
    """

    def __init__(self, checksum: Checksum | None = None, depth: int | None = None, *, compares: bool = True) -> None:
        self.crossed = CrossedCounter(depth)
        self.checksum = checksum
        self._compares = compares
        self._pending: _Pending | None = None
        self._worst: tuple[int | None, int | None] = (None, None)
        self.snapshots = self.compared = self.differing = 0
        self.first_mismatch: SnapshotMismatch | None = None
        self.base: BookSnapshot | None = None
        self.last: Message | None = None
        self.joined = True
        self.checked_before = 0

    def take(self, message: Message, time: int) -> None:
        """Take the next message. ``time`` is the one that it is published with."""
        bids, asks = levels(message.bids), levels(message.asks)
        self.last = message
        if isinstance(message, BookSnapshot):
            self._settle()
            self._begin(message, time, bids, asks)
            self.base, self.joined = (message if bids or asks else None), False
            self.checked_before = self.checksum.checked if self.checksum is not None else 0
        else:
            self.joined = self.joined or self._joins(message)
            if self._pending is not None:
                self._touch(message, bids, asks)
        if bids or asks:  # a message without a level has no row
            self.crossed.begin(message.local_timestamp, is_snapshot=isinstance(message, BookSnapshot))
            self.crossed.apply(bids, asks)
        if self.checksum is not None:
            self.checksum.check(message)

    def known(self) -> tuple[list[Level], list[Level]]:
        """Return both sides of the current book, best first, as far down as its snapshot had levels."""
        book = self.crossed.book
        if book is None:
            return [], []
        bid, ask = self._worst
        return _down_to(book.bids.top(), bid, _BIDS), _down_to(book.asks.top(), ask, _ASKS)

    def _joins(self, update: BookUpdate) -> bool:
        """Whether an update continues where the snapshot ends."""
        base = self.base.last_id if self.base is not None else None
        if base is None or update.last_id is None or update.last_id <= base:
            return False
        if update.first_id is not None:
            return update.first_id <= base + 1
        return update.previous_id is not None and update.previous_id <= base

    def end(self) -> None:
        """Finish after the last message."""
        self.crossed.end()
        self._settle()

    def result(self) -> BookCheck:
        """The book's part of the certificate, after the end."""
        rule = self.checksum
        return BookCheck(
            crossed=self.crossed.count,
            snapshots=self.snapshots,
            snapshots_compared=self.compared,
            snapshots_differing=self.differing,
            first_mismatch=self.first_mismatch,
            checksums_checked=rule.checked if rule is not None else 0,
            checksums_failed=rule.failed if rule is not None else 0,
            checksums_unchecked=rule.unchecked if rule is not None else 0,
        )

    def _begin(self, snapshot: BookSnapshot, time: int, bids: list[Level], asks: list[Level]) -> None:
        self.snapshots += 1
        self.crossed.end()
        before, (bid, ask) = self.crossed.book, self._worst
        self._worst = _worst(bids, _BIDS), _worst(asks, _ASKS)
        if before is not None and self._compares:
            known = _Known(_of(before.bids.top(), _BIDS), bid), _Known(_of(before.asks.top(), _ASKS), ask)
            self._pending = _Pending(snapshot, time, *known, (set(), set()))

    def _touch(self, update: BookUpdate, bids: list[Level], asks: list[Level]) -> None:
        """Take an update after a snapshot. Where the snapshot may include it in part, its levels are not compared."""
        pending = self._pending
        assert pending is not None
        place = pending.snapshot.last_id
        straddles = (
            update.timestamp == pending.snapshot.timestamp
            if place is None or update.last_id is None
            else _begins_by(update, place)
        )
        if not straddles:
            self._settle()
            return
        pending.touched[0].update(_of(bids, _BIDS))
        pending.touched[1].update(_of(asks, _ASKS))

    def _settle(self) -> None:
        """Compare the last snapshot to the book before it."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        self.compared += 1
        snapshot = pending.snapshot
        same = _same(pending.bids, levels(snapshot.bids), _BIDS, pending.touched[0]) and _same(
            pending.asks, levels(snapshot.asks), _ASKS, pending.touched[1]
        )
        if not same:
            self.differing += 1
            self.first_mismatch = self.first_mismatch or SnapshotMismatch(
                id=pending.snapshot.last_id, time=pending.time
            )


def checksum_rule(compute: Callable[[Book], int] | None, depth: int | None) -> Checksum | None:
    """Return the rule of a venue's checksums; None where it sends none."""
    return Checksum(compute, depth) if compute is not None and depth is not None else None


def _begins_by(update: BookUpdate, place: int) -> bool:
    """Whether an update may begin at an id or before it. A linked update begins after the message before it."""
    if update.first_id is not None:
        return update.first_id <= place
    return update.previous_id is not None and update.previous_id < place


def _of(side: Iterable[Level], sign: int) -> Levels:
    return {sign * exact(price): _amount(amount) for price, amount in side}


def _amount(text: str) -> object:
    try:
        return exact(text)
    except InvalidNumberError:
        return text


def _worst(side: list[Level], sign: int) -> int | None:
    return max(_of(side, sign), default=None)


def _down_to(side: list[Level], worst: int | None, sign: int) -> list[Level]:
    return [level for level in side if worst is None or sign * exact(level[0]) <= worst]


def _same(known: _Known, snapshot: list[Level], sign: int, touched: set[int]) -> bool:
    """Whether a side is the same before a snapshot and in it, down to where both know it."""
    limits = [worst for worst in (known.worst, _worst(snapshot, sign)) if worst is not None]
    limit = min(limits, default=None)

    def compared(levels: Levels) -> Levels:
        return {
            rank: amount for rank, amount in levels.items() if rank not in touched and (limit is None or rank <= limit)
        }

    return compared(known.levels) == compared(_of(snapshot, sign))
