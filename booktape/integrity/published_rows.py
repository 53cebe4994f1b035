"""Computes the rows that a market must have in the published file from its stored records: their number and digest.

The merge's SQL writes the file; this computes the same text in Python, so that each can be checked by the other. What
is the same record, which copy is preferred and how records are ordered is defined in :mod:`booktape.merge.reference`.
Records pass through a short window of time, so that a day need not fit into memory. :func:`whole_day_rows` merges all
records of a day at once: for data types with few records, and for days whose order does not fit into that window.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, Generic, Protocol, TypeVar

from msgspec import structs

from booktape.integrity.book_audit import BookAudit, Message, checksum_rule
from booktape.integrity.ordering import EPOCH, Copy
from booktape.integrity.scope import AuditScope
from booktape.integrity.sequence_audit import has_number
from booktape.merge import reference
from booktape.merge.reference import BookTimes, StoredRecord
from booktape.model import csv
from booktape.model.csv import PublishedRecord
from booktape.model.id_sets import IdSet
from booktape.model.records import (
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    MINUTE,
    QUOTES,
    TRADES,
    BookSnapshot,
    BookUpdate,
    Trade,
    levels,
    record_time,
)
from booktape.model.sequence import CHECKSUM

WINDOW: Final = 2 * MINUTE
"""How far (µs) the venue's times may run against its ids and still be brought into the file's order here."""

_QUOTES_OF_A_ROW: Final = 16
_BUCKETS: Final = 256
"""Number of parts in which repeated texts are searched, one part after the other."""

T = TypeVar("T")


class PublishedRows(Protocol):
    """Takes the day's copies, place by place, and computes the rows that are published of them."""

    @property
    def rows(self) -> "RowDigest":
        """The market's rows."""
        ...

    @property
    def burned(self) -> IdSet:
        """The ids of trades of amount 0."""
        ...

    @property
    def book(self) -> BookAudit | None:
        """The audit of the rebuilt book; None for other data types."""
        ...

    @property
    def broken(self) -> bool:
        """Whether the order did not fit into the window, or an id was at several places: then the rows are wrong.

        It is read once, after the end.
        """
        ...

    def take(self, copies: Sequence[Copy]) -> None:
        """Take the day's copies of one place, in the order of preference."""
        ...

    def end(self) -> None:
        """Finish after the last place."""
        ...


def streaming_rows(scope: AuditScope) -> PublishedRows | None:
    """Return what computes the rows place by place; None for data types that only :func:`whole_day_rows` can merge."""
    make = _STREAMS.get(scope.data_type)
    return make(scope) if make is not None else None


def whole_day_rows(scope: AuditScope, systems: Sequence[Iterable[StoredRecord[Any]]], burned: IdSet) -> PublishedRows:
    """Compute the rows of a market's day from all of its records at once.

    :param systems: the records of each system, the preferred one first.
    :param burned: the ids of trades of amount 0.
    """
    resets = {"resets": {scope.market: scope.resets}} if scope.resets else {}
    merged = _MERGES[scope.data_type](scope.date, *systems, **resets)
    return _WholeDay(scope, (published.record for published in merged), burned)


class RowDigest:
    """Counts and hashes the lines of one market's rows, in the order of the file.

    ``records`` counts the published records, except for a book's snapshots; ``unnumbered`` of them lack the id that
    the rule is about.
    """

    __slots__ = ("_begin", "_digest", "_exchange", "_market", "_rule", "count", "records", "unnumbered")

    def __init__(self, scope: AuditScope) -> None:
        self._exchange, self._market, self._rule = scope.exchange, scope.market, scope.rule
        market = scope.market.replace('"', '""')
        self._begin = f'"{scope.exchange}","{market}",'
        self._digest = sha256()
        self.count = self.records = self.unnumbered = 0

    def add(self, record: PublishedRecord) -> None:
        """Add the rows of the next record."""
        match record:
            case Trade():
                lines = [self._trade(record)]
            case BookUpdate() | BookSnapshot():
                lines = self._levels(record)
            case _:
                lines = self._any(record)
        if not isinstance(record, BookSnapshot):
            self.records += 1
            self.unnumbered += not has_number(record, self._rule)
        self.count += len(lines)
        self._digest.update("".join(lines).encode())

    def _trade(self, trade: Trade) -> str:
        """One line, formatted here because there are very many of them."""
        text = (
            f'{self._begin}"{trade.timestamp}","{trade.local_timestamp}","{trade.id}",'
            f'"{trade.side}","{trade.price}","{trade.amount}"\n'
        )
        return text if text.count('"') == _QUOTES_OF_A_ROW else self._any(trade)[0]

    def _levels(self, message: Message) -> list[str]:
        snapshot = "true" if isinstance(message, BookSnapshot) else "false"
        begin = f'{self._begin}"{record_time(message)}","{message.local_timestamp}","{snapshot}",'
        return [
            f'{begin}"{side}","{price}","{amount}"\n'
            for side, raw in (("bid", message.bids), ("ask", message.asks))
            for price, amount in levels(raw)
        ]

    def _any(self, record: PublishedRecord) -> list[str]:
        return list(csv.csv_lines(TRADES, csv.csv_rows(self._exchange, self._market, record)))[1:]

    @property
    def sha256(self) -> str:
        """SHA-256 of the market's lines in hex, each line with its LF, without the header."""
        return self._digest.hexdigest()


class OrderingWindow(Generic[T]):
    """Orders items by a key of which the first part is a time (µs), holding only those of a short time.

    ``broken``: an item came later than the window allows, so that the order is wrong.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._heap: list[tuple[int, Any, int, T]] = []
        self._window = window
        self._number = 0
        self._newest = 0
        self._last: tuple[int, Any] | None = None
        self.broken = False

    def put(self, time: int, key: Any, item: T) -> Iterator[T]:
        """Take an item; yield the items that no later one can precede."""
        if self._last is not None and (time, key) < self._last:
            self.broken = True
        self._number += 1
        heappush(self._heap, (time, key, self._number, item))
        self._newest = max(self._newest, time)
        return self._until(self._newest - self._window)

    def rest(self) -> Iterator[T]:
        """Yield the remaining items."""
        return self._until(self._newest + 1)

    def _until(self, end: int) -> Iterator[T]:
        heap = self._heap
        while heap and heap[0][0] < end:
            time, key, _, item = heappop(heap)
            self._last = (time, key)
            yield item


class RepeatFinder:
    """Finds out whether any of very many texts came twice, in eight bytes each: a day of ids does not fit into a set.

    Two texts with the same hash are taken for the same one, which costs time, and nothing else.
    """

    __slots__ = ("_hashes",)

    def __init__(self) -> None:
        self._hashes = [array("q") for _ in range(_BUCKETS)]

    def add(self, text: str) -> None:
        """Take the next text."""
        number = hash(text)
        self._hashes[number % _BUCKETS].append(number)

    def any(self) -> bool:
        """Whether one came twice."""
        return any(len(set(numbers)) < len(numbers) for numbers in self._hashes)


class _Trades:
    """Trades: one of each id. Those of amount 0 are burned ids, and not published."""

    book = None

    def __init__(self, scope: AuditScope) -> None:
        self.rows = RowDigest(scope)
        self.burned = IdSet()
        self._order: OrderingWindow[Trade] = OrderingWindow()
        self._placed_by_time = RepeatFinder()

    @property
    def broken(self) -> bool:
        """See :class:`PublishedRows`. Where trades are placed by time, the systems may have one id with two times."""
        return self._order.broken or self._placed_by_time.any()

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`PublishedRows`."""
        first = copies[0].record
        if copies[0].place % EPOCH != first.id:
            for identifier in {str(copy.record.id) for copy in copies}:
                self._placed_by_time.add(identifier)
        if len(copies) == 1 or all(copy.record.id == first.id for copy in copies):  # nearly always
            self._put(first)
            return
        for copy in _preferred(copies):
            self._put(copy.record)

    def _put(self, trade: Trade) -> None:
        if reference.is_burned(trade):
            if isinstance(trade.id, int):
                self.burned.add(trade.id)
            return
        for ready in self._order.put(trade.timestamp, reference.trade_order(trade), trade):
            self.rows.add(ready)

    def end(self) -> None:
        """See :class:`PublishedRows`."""
        for trade in self._order.rest():
            self.rows.add(trade)


class _Quotes:
    """Best bids and asks."""

    book = None

    def __init__(self, scope: AuditScope) -> None:
        self.rows = RowDigest(scope)
        self.burned = IdSet()
        self._order: OrderingWindow[Any] = OrderingWindow()

    @property
    def broken(self) -> bool:
        """See :class:`PublishedRows`."""
        return self._order.broken

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`PublishedRows`."""
        for copy in _preferred(copies):
            quote = copy.record
            for ready in self._order.put(record_time(quote), reference.quote_order(quote), quote):
                self.rows.add(ready)

    def end(self) -> None:
        """See :class:`PublishedRows`."""
        for quote in self._order.rest():
            self.rows.add(quote)


class _Books:
    """Book messages, each with the time of its place where it has no engine time."""

    def __init__(self, scope: AuditScope) -> None:
        self.rows = RowDigest(scope)
        self.burned = IdSet()
        self.book: BookAudit = _book_audit(scope)
        self._order: OrderingWindow[Message] = OrderingWindow()
        self._number = count()
        self._lead: list[Message] = []
        self._times = BookTimes()
        self._epoch = 0

    @property
    def broken(self) -> bool:
        """See :class:`PublishedRows`."""
        return self._order.broken

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`PublishedRows`."""
        epoch = copies[0].place // EPOCH
        if epoch > self._epoch:
            self._begin_epoch(epoch)
        unique = _preferred(copies)
        if len(unique) > 1:
            unique.sort(key=lambda copy: reference.book_order(copy.system, copy.record))
        for copy in unique:
            self._next(copy.record)

    def _begin_epoch(self, epoch: int) -> None:
        """The venue reset its sequence: earlier times say nothing of the messages that follow."""
        self._put_lead()
        self._epoch, self._times = epoch, BookTimes()

    def _next(self, message: Message) -> None:
        """Take the next message. While a snapshot has no time yet, messages wait for the times of the first updates."""
        untimed = isinstance(message, BookSnapshot) and message.timestamp is None and not self._times.has_update
        if not self._lead and not untimed:
            self._put(message)
            return
        self._lead.append(message)
        if isinstance(message, BookUpdate):
            first = next(record_time(one) for one in self._lead if isinstance(one, BookUpdate))
            if record_time(message) > first + WINDOW:
                self._put_lead()

    def _put_lead(self) -> None:
        lead, self._lead = self._lead, []
        times = (record_time(message) for message in lead if isinstance(message, BookUpdate))
        self._times.earliest_update = min(times, default=reference.NONE_LAST)
        for message in lead:
            self._put(message)

    def _put(self, message: Message) -> None:
        time = self._times.take(message)
        if message.timestamp is None:
            message = structs.replace(message, timestamp=time)
        for ready in self._order.put(time, next(self._number), message):
            self._publish(ready)

    def _publish(self, message: Message) -> None:
        self.rows.add(message)
        self.book.take(message, record_time(message))

    def end(self) -> None:
        """See :class:`PublishedRows`."""
        self._put_lead()
        for message in self._order.rest():
            self._publish(message)
        self.book.end()


class _WholeDay:
    """The rows of a market's day whose records were merged at once."""

    broken = False

    def __init__(self, scope: AuditScope, records: Iterable[Any], burned: IdSet) -> None:
        self.rows = RowDigest(scope)
        self.burned = burned
        self.book = _book_audit(scope) if scope.data_type == BOOK_UPDATES else None
        for record in records:
            self.rows.add(record)
            if self.book is not None:
                self.book.take(record, record_time(record))
        if self.book is not None:
            self.book.end()

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`PublishedRows`; all records were taken."""

    def end(self) -> None:
        """See :class:`PublishedRows`."""


def _preferred(copies: Sequence[Copy]) -> list[Copy]:
    """The first copy of each record, of copies in the order of preference."""
    if len(copies) == 1:
        return list(copies)
    first: dict[Any, Copy] = {}
    for copy in copies:
        first.setdefault(reference.published_identity(copy.record), copy)
    return list(first.values())


def _book_audit(scope: AuditScope) -> BookAudit:
    rule = checksum_rule(scope.checksum, scope.depth) if scope.rule == CHECKSUM else None
    return BookAudit(rule, scope.depth, compares=scope.has_updates)


_STREAMS: Final[dict[str, Callable[[AuditScope], PublishedRows]]] = {
    TRADES: _Trades,
    QUOTES: _Quotes,
    BOOK_UPDATES: _Books,
}

_MERGES: Final[dict[str, Callable[..., list[reference.PublishedRow[Any]]]]] = {
    TRADES: reference.merge_trades,
    QUOTES: reference.merge_quotes,
    BOOK_UPDATES: reference.merge_book,
    DERIVATIVE_TICKER: reference.merge_derivative_ticker,
    LIQUIDATIONS: reference.merge_liquidations,
}
