"""A market's book, rebuilt from its messages as a reader of the published file does it, and put to every test there is.

A snapshot begins the book anew. Before it does, it is held against what the messages since the one before had made: as
far as both know the book, every level must be the same.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from booktape.model.book import Book, InvalidNumberError, exact
from booktape.model.records import BookSnapshot, BookUpdate, Level, levels
from booktape.model.sequence import Checksum

Message = BookUpdate | BookSnapshot
Levels = dict[int, object]
"""A side: rank to amount. A level's rank is its price, negative for bids: the higher, the worse."""

_BIDS: Final = -1
_ASKS: Final = 1


class Mismatch(NamedTuple):
    """A snapshot that differs from the rebuilt book: its id and its time (µs)."""

    last_id: int | None
    time: int


class Crossed:
    """Counts after how many messages a book is crossed. Rows that share receipt and kind are one message to a reader.

    :param depth: how many levels of each side the venue keeps up to date; None for all.
    """

    def __init__(self, depth: int | None = None) -> None:
        self.book: Book | None = None
        self._depth = depth
        self._open: tuple[int, bool] | None = None
        self.count = 0

    def begin(self, received: int, *, is_snapshot: bool) -> None:
        """Begin a message, unless it is the one before that goes on."""
        if self._open == (received, is_snapshot):
            return
        self.end()
        self._open = received, is_snapshot
        if is_snapshot:
            self.book = Book()

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set levels of the message that was begun. Nothing happens before the first snapshot."""
        if self.book is not None:
            self.book.apply(bids, asks)

    def end(self) -> None:
        """End the message that was begun, if any."""
        if self._open is None:
            return
        self._open = None
        if self.book is not None:
            if self._depth is not None:
                self.book.truncate(self._depth)
            self.count += self.book.is_crossed()


class _Known(NamedTuple):
    """What a side was before a snapshot. ``worst`` is the rank down to which it was known; None where all of it was."""

    levels: Levels
    worst: int | None


class _Pending(NamedTuple):
    """A snapshot, and the book before it; ``touched`` are ranks on either side that it may hold a later message of."""

    snapshot: BookSnapshot
    time: int
    bids: _Known
    asks: _Known
    touched: tuple[set[int], set[int]]


class BookAudit:
    """Takes one market's messages in the order of the file.

    ``begun`` is the snapshot that the book of now began with (None after an empty one), ``joined`` whether an update
    goes on from it without a hole, ``checked`` how many checksums had been compared before it. ``last`` is the last
    message of all.

    :param checksum: the venue's rule for its checksums, None where it has none.
    :param compares: whether snapshots are to be held against the book: not where the venue sends nothing else.
    """

    def __init__(self, checksum: Checksum | None = None, depth: int | None = None, *, compares: bool = True) -> None:
        self.crossed = Crossed(depth)
        self.checksum = checksum
        self._compares = compares
        self._pending: _Pending | None = None
        self._worst: tuple[int | None, int | None] = (None, None)
        self.snapshots = self.compared = self.differing = 0
        self.first_mismatch: Mismatch | None = None
        self.begun: BookSnapshot | None = None
        self.last: Message | None = None
        self.joined = True
        self.checked = 0

    def take(self, message: Message, time: int) -> None:
        """Take the next message. ``time`` is the one that it is published with."""
        bids, asks = levels(message.bids), levels(message.asks)
        self.last = message
        if isinstance(message, BookSnapshot):
            self._settle()
            self._begin(message, time, bids, asks)
            self.begun, self.joined = (message if bids or asks else None), False
            self.checked = self.checksum.checked if self.checksum is not None else 0
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
        """Both sides of the book of now, best first, as far down as its snapshot told them."""
        book = self.crossed.book
        if book is None:
            return [], []
        bid, ask = self._worst
        return _down_to(book.bids.top(), bid, _BIDS), _down_to(book.asks.top(), ask, _ASKS)

    def _joins(self, update: BookUpdate) -> bool:
        """Whether an update goes on where the snapshot ends."""
        begun = self.begun.last_id if self.begun is not None else None
        if begun is None or update.last_id is None or update.last_id <= begun:
            return False
        if update.first_id is not None:
            return update.first_id <= begun + 1
        return update.previous_id is not None and update.previous_id <= begun

    def end(self) -> None:
        """No message comes any more."""
        self.crossed.end()
        self._settle()

    def _begin(self, snapshot: BookSnapshot, time: int, bids: list[Level], asks: list[Level]) -> None:
        self.snapshots += 1
        self.crossed.end()
        before, (bid, ask) = self.crossed.book, self._worst
        self._worst = _worst(bids, _BIDS), _worst(asks, _ASKS)
        if before is not None and self._compares:
            known = _Known(_of(before.bids.top(), _BIDS), bid), _Known(_of(before.asks.top(), _ASKS), ask)
            self._pending = _Pending(snapshot, time, *known, (set(), set()))

    def _touch(self, update: BookUpdate, bids: list[Level], asks: list[Level]) -> None:
        """An update after a snapshot: what the snapshot may hold of it already is no difference."""
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
        """Hold the last snapshot against the book before it."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        self.compared += 1
        told = pending.snapshot
        same = _same(pending.bids, levels(told.bids), _BIDS, pending.touched[0]) and _same(
            pending.asks, levels(told.asks), _ASKS, pending.touched[1]
        )
        if not same:
            self.differing += 1
            self.first_mismatch = self.first_mismatch or Mismatch(pending.snapshot.last_id, pending.time)


def checksum_rule(compute: Callable[[Book], int] | None, depth: int | None) -> Checksum | None:
    """The rule of a venue's checksums, if it has any."""
    return Checksum(compute, depth) if compute is not None and depth is not None else None


def _begins_by(update: BookUpdate, place: int) -> bool:
    """Whether an update's changes may begin at an id or before: a linked one's come after the message before it."""
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


def _same(known: _Known, told: list[Level], sign: int, touched: set[int]) -> bool:
    """Whether a side is the same before a snapshot and in it, as far down as both know it."""
    limits = [worst for worst in (known.worst, _worst(told, sign)) if worst is not None]
    limit = min(limits, default=None)

    def compared(levels: Levels) -> Levels:
        return {
            rank: amount for rank, amount in levels.items() if rank not in touched and (limit is None or rank <= limit)
        }

    return compared(known.levels) == compared(_of(told, sign))
