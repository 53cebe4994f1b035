"""The rows that a market has in the published file, told from its stored records alone: how many, and their digest.

The merge's SQL writes the file; this computes the same text in plain Python, so that each holds the other to account.

Which of a market's stored records are published, in what order, and what their rows are, without holding them all.

The order and the choice among copies are those of :mod:`booktape.merge.reference`; :func:`whole_day_rows` asks that
very module, for
data types that are small, and for days whose order does not fit into a short window.
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
from booktape.merge.reference import StoredRecord
from booktape.model import csv
from booktape.model.book import is_zero
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

_QUOTES_OF_A_ROW: Final = 16
_BUCKETS: Final = 256
"""So many parts are looked through one after the other."""
WINDOW: Final = 2 * MINUTE
"""How far the venue's times may run against its numbers and still be put into the file's order here."""

T = TypeVar("T")


class InOrder(Generic[T]):
    """Puts items in the order of some key of which the first part is a time (µs), holding those of a short time only.

    ``broken``: an item came later than that allows, so the order that was given is not the file's.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._heap: list[tuple[int, Any, int, T]] = []
        self._window = window
        self._number = 0
        self._newest = 0
        self._given: tuple[int, Any] | None = None
        self.broken = False

    def put(self, time: int, key: Any, item: T) -> Iterator[T]:
        """Take an item; gives those before which none can come any more."""
        if self._given is not None and (time, key) < self._given:
            self.broken = True
        self._number += 1
        heappush(self._heap, (time, key, self._number, item))
        self._newest = max(self._newest, time)
        return self._until(self._newest - self._window)

    def rest(self) -> Iterator[T]:
        """All that is held."""
        return self._until(self._newest + 1)

    def _until(self, end: int) -> Iterator[T]:
        heap = self._heap
        while heap and heap[0][0] < end:
            time, key, _, item = heappop(heap)
            self._given = (time, key)
            yield item


class Repeats:
    """Tells whether any of very many texts came twice, in eight bytes each: a day of ids does not fit into a set.

    Two texts of one hash are taken for the same one, which costs time, and nothing else.
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


class RowDigest:
    """Counts and digests the lines of one market's rows, in the order of the file.

    ``records`` counts the published records themselves, but for a book's snapshots; ``unnumbered`` are those of them
    that lack the number which the venue's rule is about.
    """

    __slots__ = ("_begin", "_digest", "_exchange", "_market", "_rule", "count", "records", "unnumbered")

    def __init__(self, terms: AuditScope) -> None:
        self._exchange, self._market, self._rule = terms.exchange, terms.market, terms.rule
        self._begin = _begin(terms.exchange, terms.market)
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
        """One line, written here since there are so many of them."""
        text = (
            f'{self._begin}"{trade.timestamp}","{trade.local_timestamp}","{trade.id}",'
            f'"{trade.side}","{trade.price}","{trade.amount}"\n'
        )
        return text if text.count('"') == _QUOTES_OF_A_ROW else self._any(trade)[0]

    def _levels(self, message: BookUpdate | BookSnapshot) -> list[str]:
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
        """Over the market's lines, each with its LF, without the header."""
        return self._digest.hexdigest()


def _begin(exchange: str, market: str) -> str:
    market = market.replace('"', '""')
    return f'"{exchange}","{market}",'


_NONE_LAST: Final = 1 << 63


class PublishedRows(Protocol):
    """Takes the copies of the day, place by place."""

    @property
    def rows(self) -> RowDigest:
        """The market's rows."""
        ...

    @property
    def burned(self) -> IdSet:
        """The ids of trades of nothing."""
        ...

    @property
    def book(self) -> BookAudit | None:
        """The rebuilt book, where there is one."""
        ...

    @property
    def broken(self) -> bool:
        """Whether the order does not fit into the window, or an id came at several places: the rows are worth nothing.

        To be asked once, after the end.
        """
        ...

    def take(self, copies: Sequence[Copy]) -> None:
        """Take the day's copies of one place, in the order of preference."""
        ...

    def end(self) -> None:
        """There are no more."""
        ...


class PublishedTrades:
    """Trades, one of each id. Those of nothing are ids that the venue used up: not published."""

    book = None

    def __init__(self, terms: AuditScope) -> None:
        self.rows = RowDigest(terms)
        self.burned = IdSet()
        self._order: InOrder[Any] = InOrder()
        self._placed_otherwise = Repeats()

    @property
    def broken(self) -> bool:
        """See :class:`PublishedRows`. The systems may tell one id with two times, where trades are placed by time."""
        return self._order.broken or self._placed_otherwise.any()

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`PublishedRows`."""
        if copies[0].place % EPOCH != copies[0].record.id:
            for identifier in {str(copy.record.id) for copy in copies}:
                self._placed_otherwise.add(identifier)
        if len(copies) == 1 or all(copy.record.id == copies[0].record.id for copy in copies):
            self._put(copies[0].record)
            return
        firsts = {str(copy.record.id): copy for copy in reversed(copies)}
        for copy in firsts.values():
            self._put(copy.record)

    def _put(self, trade: Any) -> None:
        if is_zero(trade.amount):
            if isinstance(trade.id, int):
                self.burned.add(trade.id)
            return
        for ready in self._order.put(trade.timestamp, reference.id_order(str(trade.id)), trade):
            self.rows.add(ready)

    def end(self) -> None:
        """See :class:`PublishedRows`."""
        for trade in self._order.rest():
            self.rows.add(trade)


class PublishedQuotes:
    """Best bids and asks."""

    book = None

    def __init__(self, terms: AuditScope) -> None:
        self.rows = RowDigest(terms)
        self.burned = IdSet()
        self._order: InOrder[Any] = InOrder()

    @property
    def broken(self) -> bool:
        """See :class:`PublishedRows`."""
        return self._order.broken

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`PublishedRows`."""
        seen = set()
        for copy in copies:
            quote = copy.record
            prices = (quote.bid_price, quote.bid_amount, quote.ask_price, quote.ask_amount)
            number = quote.id if quote.id is not None else record_time(quote)
            same = (quote.id, quote.timestamp, number, prices)
            if same in seen:
                continue
            seen.add(same)
            key = (_NONE_LAST if quote.id is None else quote.id, quote.local_timestamp, prices)
            for ready in self._order.put(record_time(quote), key, quote):
                self.rows.add(ready)

    def end(self) -> None:
        """See :class:`PublishedRows`."""
        for quote in self._order.rest():
            self.rows.add(quote)


class PublishedBooks:
    """Book messages, each with the time of its place where the engine tells none."""

    def __init__(self, terms: AuditScope) -> None:
        self.rows = RowDigest(terms)
        self.burned = IdSet()
        rule = checksum_rule(terms.checksum, terms.depth) if terms.rule == "checksum" else None
        self.book: BookAudit = BookAudit(rule, terms.depth, compares=terms.has_updates)
        self._order: InOrder[Message] = InOrder()
        self._number = count()
        self._lead: list[Message] = []
        self._updates_so_far = self._before_updates = 0
        self._earliest = _NONE_LAST
        self._era = 0

    @property
    def broken(self) -> bool:
        """See :class:`PublishedRows`."""
        return self._order.broken

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`PublishedRows`."""
        if copies[0].place // EPOCH > self._era:
            self._begin_era(copies[0].place // EPOCH)
        seen = set()
        unique = []
        for copy in copies:
            same = _message_identity(copy.record)
            if same not in seen:
                seen.add(same)
                unique.append(copy)
        for copy in sorted(unique, key=_message_order) if len(unique) > 1 else unique:
            self._next(copy.record)

    def _begin_era(self, era: int) -> None:
        """The venue has begun its numbers anew: no time of before tells anything of those."""
        self._put_lead()
        self._era, self._updates_so_far, self._before_updates, self._earliest = era, 0, 0, _NONE_LAST

    def _next(self, message: Message) -> None:
        """The next message by place. While a snapshot waits for its time, all wait for the first updates' times."""
        untimed = isinstance(message, BookSnapshot) and message.timestamp is None and not self._updates_so_far
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
        self._earliest = min(times, default=_NONE_LAST)
        for message in lead:
            self._put(message)

    def _put(self, message: Message) -> None:
        if isinstance(message, BookUpdate):
            self._updates_so_far = max(self._updates_so_far, record_time(message))
        self._before_updates = max(self._before_updates, min(record_time(message), self._earliest))
        time = message.timestamp
        if time is None:
            time = self._updates_so_far or self._before_updates
            message = structs.replace(message, timestamp=time)
        for ready in self._order.put(time, next(self._number), message):
            self._give(ready)

    def _give(self, message: Message) -> None:
        self.rows.add(message)
        self.book.take(message, record_time(message))

    def end(self) -> None:
        """See :class:`PublishedRows`."""
        self._put_lead()
        for message in self._order.rest():
            self._give(message)
        self.book.end()


_KINDS: Final[dict[str, Callable[[AuditScope], PublishedRows]]] = {
    TRADES: PublishedTrades,
    QUOTES: PublishedQuotes,
    BOOK_UPDATES: PublishedBooks,
}


def streaming_rows(terms: AuditScope) -> PublishedRows | None:
    """What takes the records of a data type place by place; None where only :func:`whole_day_rows` can."""
    make = _KINDS.get(terms.data_type)
    return make(terms) if make is not None else None


class WholeDay:
    """A market's day whose records were all held at once."""

    broken = False

    def __init__(self, terms: AuditScope, records: Iterable[Any], burned: IdSet) -> None:
        self.rows = RowDigest(terms)
        self.burned = burned
        self.book: BookAudit | None = None
        if terms.data_type == BOOK_UPDATES:
            self.book = PublishedBooks(terms).book
        for record in records:
            self.rows.add(record)
            if self.book is not None:
                self.book.take(record, record_time(record))
        if self.book is not None:
            self.book.end()

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`PublishedRows`; nothing is left to take."""

    def end(self) -> None:
        """See :class:`PublishedRows`."""


_MERGES: Final[dict[str, Callable[..., list[reference.PublishedRow[Any]]]]] = {
    TRADES: reference.merge_trades,
    QUOTES: reference.merge_quotes,
    BOOK_UPDATES: reference.merge_book,
    DERIVATIVE_TICKER: reference.merge_derivative_ticker,
    LIQUIDATIONS: reference.merge_liquidations,
}


def whole_day_rows(terms: AuditScope, systems: Sequence[Iterable[StoredRecord[Any]]], burned: IdSet) -> PublishedRows:
    """The market's day by the plain merge, which holds all of its records.

    :param systems: the records of each system, the preferred one first.
    """
    resets = {"restarts": {terms.market: terms.resets}} if terms.resets else {}
    merged = _MERGES[terms.data_type](terms.date, *systems, **resets)
    return WholeDay(terms, (published.record for published in merged), burned)


def _message_identity(message: Message) -> tuple[object, ...]:
    ids = (message.first_id, message.previous_id) if isinstance(message, BookUpdate) else ()
    return (
        *ids,
        message.last_id,
        message.timestamp,
        reference.sequence_place(message),
        bytes(message.bids),
        bytes(message.asks),
    )


def _message_order(copy: Copy) -> tuple[object, ...]:
    """Among messages of one place: see :func:`booktape.merge.reference.merge_book`."""
    message: Message = copy.record
    is_snapshot = isinstance(message, BookSnapshot)
    first, previous = (None, None) if isinstance(message, BookSnapshot) else (message.first_id, message.previous_id)
    return (
        (message.last_id is None) != is_snapshot,
        message.local_timestamp,
        copy.system,
        _NONE_LAST if first is None else first,
        _NONE_LAST if previous is None else previous,
        reference.levels_digest(message),
    )
