"""Which of a market's stored records are published, in what order, and what their rows are, without holding them all.

The order and the choice among copies are those of :mod:`booktape.core.merge`; :func:`whole` asks that very module, for
data types that are small, and for days whose order does not fit into a short window.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, Final, Protocol

from msgspec import structs

from booktape.core import merge
from booktape.core.book import is_zero
from booktape.core.merge import Stored
from booktape.core.proof_book import BookProof, Message, checksum_rule
from booktape.core.proof_ids import Ids
from booktape.core.proof_order import ERA, Copy
from booktape.core.proof_rows import WINDOW, InOrder, Repeats, Rows
from booktape.core.proof_terms import Terms
from booktape.core.records import (
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    QUOTES,
    TRADES,
    BookSnapshot,
    BookUpdate,
    record_time,
)

_NONE_LAST: Final = 1 << 63


class Published(Protocol):
    """Takes the copies of the day, place by place."""

    @property
    def rows(self) -> Rows:
        """The market's rows."""
        ...

    @property
    def void(self) -> Ids:
        """The ids of trades of nothing."""
        ...

    @property
    def book(self) -> BookProof | None:
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


class Trades:
    """Trades, one of each id. Those of nothing are ids that the venue used up: not published."""

    book = None

    def __init__(self, terms: Terms) -> None:
        self.rows = Rows(terms)
        self.void = Ids()
        self._order: InOrder[Any] = InOrder()
        self._placed_otherwise = Repeats()

    @property
    def broken(self) -> bool:
        """See :class:`Published`. The systems may tell one id with two times, where trades are placed by time."""
        return self._order.broken or self._placed_otherwise.any()

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`Published`."""
        if copies[0].place % ERA != copies[0].record.id:
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
                self.void.add(trade.id)
            return
        for ready in self._order.put(trade.timestamp, merge.id_order(str(trade.id)), trade):
            self.rows.add(ready)

    def end(self) -> None:
        """See :class:`Published`."""
        for trade in self._order.rest():
            self.rows.add(trade)


class Quotes:
    """Best bids and asks."""

    book = None

    def __init__(self, terms: Terms) -> None:
        self.rows = Rows(terms)
        self.void = Ids()
        self._order: InOrder[Any] = InOrder()

    @property
    def broken(self) -> bool:
        """See :class:`Published`."""
        return self._order.broken

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`Published`."""
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
        """See :class:`Published`."""
        for quote in self._order.rest():
            self.rows.add(quote)


class Books:
    """Book messages, each with the time of its place where the engine tells none."""

    def __init__(self, terms: Terms) -> None:
        self.rows = Rows(terms)
        self.void = Ids()
        rule = checksum_rule(terms.checksum, terms.depth) if terms.rule == "checksum" else None
        self.book: BookProof = BookProof(rule, terms.depth, compares=terms.has_updates)
        self._order: InOrder[Message] = InOrder()
        self._number = count()
        self._lead: list[Message] = []
        self._updates_so_far = self._before_updates = 0
        self._earliest = _NONE_LAST
        self._era = 0

    @property
    def broken(self) -> bool:
        """See :class:`Published`."""
        return self._order.broken

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`Published`."""
        if copies[0].place // ERA > self._era:
            self._begin_era(copies[0].place // ERA)
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
        """See :class:`Published`."""
        self._put_lead()
        for message in self._order.rest():
            self._give(message)
        self.book.end()


_KINDS: Final[dict[str, Callable[[Terms], Published]]] = {TRADES: Trades, QUOTES: Quotes, BOOK_UPDATES: Books}


def streaming(terms: Terms) -> Published | None:
    """What takes the records of a data type place by place; None where only :func:`whole` can."""
    make = _KINDS.get(terms.data_type)
    return make(terms) if make is not None else None


class Whole:
    """A market's day whose records were all held at once."""

    broken = False

    def __init__(self, terms: Terms, records: Iterable[Any], void: Ids) -> None:
        self.rows = Rows(terms)
        self.void = void
        self.book: BookProof | None = None
        if terms.data_type == BOOK_UPDATES:
            self.book = Books(terms).book
        for record in records:
            self.rows.add(record)
            if self.book is not None:
                self.book.take(record, record_time(record))
        if self.book is not None:
            self.book.end()

    def take(self, copies: Sequence[Copy]) -> None:
        """See :class:`Published`; nothing is left to take."""

    def end(self) -> None:
        """See :class:`Published`."""


_MERGES: Final[dict[str, Callable[..., list[merge.Published[Any]]]]] = {
    TRADES: merge.merge_trades,
    QUOTES: merge.merge_quotes,
    BOOK_UPDATES: merge.merge_book,
    DERIVATIVE_TICKER: merge.merge_derivative_ticker,
    LIQUIDATIONS: merge.merge_liquidations,
}


def whole(terms: Terms, systems: Sequence[Iterable[Stored[Any]]], void: Ids) -> Published:
    """The market's day by the plain merge, which holds all of its records.

    :param systems: the records of each system, the preferred one first.
    """
    told = {"restarts": {terms.market: terms.restarts}} if terms.restarts else {}
    merged = _MERGES[terms.data_type](terms.date, *systems, **told)
    return Whole(terms, (published.record for published in merged), void)


def _message_identity(message: Message) -> tuple[object, ...]:
    ids = (message.first_id, message.previous_id) if isinstance(message, BookUpdate) else ()
    return (*ids, message.last_id, message.timestamp, merge.place(message), bytes(message.bids), bytes(message.asks))


def _message_order(copy: Copy) -> tuple[object, ...]:
    """Among messages of one place: see :func:`booktape.core.merge.merge_book`."""
    message: Message = copy.record
    is_snapshot = isinstance(message, BookSnapshot)
    first, previous = (None, None) if isinstance(message, BookSnapshot) else (message.first_id, message.previous_id)
    return (
        (message.last_id is None) != is_snapshot,
        message.local_timestamp,
        copy.system,
        _NONE_LAST if first is None else first,
        _NONE_LAST if previous is None else previous,
        merge.levels_digest(message),
    )
