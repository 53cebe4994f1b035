"""The merge's semantics in Python: which records are the same, which copy is preferred, and how records are ordered.

The merge itself is SQL (``sql/``). This module says the same a second time, and neither is derived from the other: the
audit of a day (:mod:`booktape.integrity.published_rows`) computes from it what the merged file must hold, and tests
compare the SQL to it. :func:`published_identity`, :func:`preference` and the functions named ``*_order`` define the
semantics;
``merge_*`` apply them to a whole day that is held in memory.

Each record is published once. Of its copies the primary's is published, else the replica's, else the one fetched over
REST; of several copies in one system the one received first. Where the venue reset its sequence within the day, equal
ids of two epochs are not copies.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from datetime import date, timedelta
from hashlib import md5
from typing import Final, Generic, NamedTuple, Self, TypeVar

from msgspec import structs

from booktape.merge.tables import PRIMARY, REPLICA, REST
from booktape.model.book import is_zero
from booktape.model.csv import PublishedRecord
from booktape.model.records import (
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Quote,
    Record,
    Trade,
    levels,
    record_time,
)
from booktape.model.resets import Resets, epoch
from booktape.model.timestamps import day_interval

BOTH: Final = "both"
"""The provenance of a record that the primary and the replica have."""

BookMessage = BookUpdate | BookSnapshot
R = TypeVar("R", bound=PublishedRecord)

NONE_LAST: Final = 1 << 63
"""Stands for a missing number where records are ordered: greater than any."""

_NO_RESETS: Final[Resets] = {}

_TICKER_FIELDS: Final = (
    "funding_timestamp", "funding_rate", "predicted_funding_rate", "open_interest",
    "last_price", "index_price", "mark_price",
)  # fmt: skip
"""The fields of a ticker, of which a message has some."""


class StoredRecord(NamedTuple, Generic[R]):
    """A stored record with its market, the day of its partition, and the object that it is in.

    ``batch`` distinguishes the objects of one system.
    """

    market: str
    partition: date
    record: R
    batch: str = ""


Trades = Iterable[StoredRecord[Trade]]
Messages = Iterable[StoredRecord[BookMessage]]


class Received(NamedTuple):
    """When each system received a record first (µs), or None where it did not.

    ``rest`` is the time at which the record was fetched from the venue.
    """

    primary: int | None = None
    replica: int | None = None
    rest: int | None = None

    @classmethod
    def of(cls, times: Iterable[tuple[int, int]]) -> Self:
        """Combine the copies of a record, each as the number of its system and its receipt time (µs)."""
        first: dict[int, int] = {}
        for system, time in times:
            first[system] = min(time, first.get(system, time))
        return cls(*(first.get(system) for system in range(len(cls._fields))))

    @property
    def provenance(self) -> str:
        """The systems that have the record: ``primary``, ``replica``, ``both``, or ``rest`` where neither has it."""
        if self.primary is not None:
            return PRIMARY if self.replica is None else BOTH
        return REST if self.replica is None else REPLICA


class PublishedRow(NamedTuple, Generic[R]):
    """A record of the merged day, and when each system received it.

    A book message without engine time has the time of its place as ``timestamp``; ``engine_timestamp`` is what it had.
    ``own_fields`` are those that a ticker message itself had: the others are filled forward.
    """

    market: str
    record: R
    received: Received
    engine_timestamp: int | None = None
    own_fields: tuple[str, ...] = ()


class _Copy(NamedTuple, Generic[R]):
    """One system's copy of a record. ``system`` is its number in the order of preference; ``received`` is of all."""

    system: int
    batch: str
    market: str
    record: R
    epoch: int = 0
    received: Received = Received()


# What is the same record, which copy is preferred, how records are ordered


def is_of_day(record: Record, day: range, *, in_day: bool) -> bool:
    """Whether a record belongs to the day (µs): by its exchange time, or without one by the partition that it is in."""
    if isinstance(record, Trade):
        return day.start <= record.timestamp < day.stop
    time = getattr(record, "timestamp", None) or getattr(record, "sent_timestamp", None)
    return in_day if time is None else day.start <= time < day.stop


def published_identity(record: PublishedRecord) -> tuple[Hashable, ...]:
    """Return what the copies of a record have in common, within a market and an epoch.

    Where a venue gives neither ids nor engine times, the receipt time is part of it: amounts that come back are not
    copies.
    """
    match record:
        case Trade():
            return (str(record.id),)
        case Quote():
            number = record.id if record.id is not None else record_time(record)
            return (
                record.id, record.timestamp, number,
                record.bid_price, record.bid_amount, record.ask_price, record.ask_amount,
            )  # fmt: skip
        case DerivativeTicker():
            return (record.timestamp, record_time(record), *(getattr(record, name) for name in _TICKER_FIELDS))
        case Liquidation():
            identifier = str(record.id) if record.id is not None else record_time(record)
            return (identifier, record.timestamp, record.side, record.price, record.amount)
    ids = (record.first_id, record.previous_id) if isinstance(record, BookUpdate) else ()
    sides = bytes(record.bids), bytes(record.asks)  # stored levels have one text only
    return (*ids, record.last_id, record.timestamp, sequence_place(record), *sides)


def preference(system: int, record: Record) -> tuple[int, int, int]:
    """Return the key by which the copies of a record sort: the first one is published.

    :param system: the number of the copy's system: 0 primary, 1 replica, 2 REST.
    """
    sent = getattr(record, "sent_timestamp", None)
    return system, record.local_timestamp, NONE_LAST if sent is None else sent


def is_burned(trade: Trade) -> bool:
    """Whether a trade is of amount 0: the venue used its id for nothing, and it is not published."""
    return is_zero(trade.amount)


def id_order(identifier: str) -> tuple[int, str]:
    """Return the key by which ids sort: first texts, then numbers in their numeric order."""
    return len(identifier) if identifier.isascii() and identifier.isdigit() else 0, identifier


def trade_order(trade: Trade) -> tuple[int, str]:
    """Return the key by which trades of one time and market sort."""
    return id_order(str(trade.id))


def quote_order(quote: Quote) -> tuple[int, int, str, str, str, str]:
    """Return the key by which quotes of one time and market sort."""
    return (
        _none_last(quote.id), quote.local_timestamp,
        quote.bid_price, quote.bid_amount, quote.ask_price, quote.ask_amount,
    )  # fmt: skip


def ticker_order(ticker: DerivativeTicker) -> tuple[object, ...]:
    """Return the key by which tickers of one time and market sort."""
    fields = [getattr(ticker, name) for name in ("timestamp", *_TICKER_FIELDS)]
    return ticker.local_timestamp, [(value is None, value) for value in fields]


def liquidation_order(liquidation: Liquidation) -> tuple[object, ...]:
    """Return the key by which liquidations of one time and market sort."""
    digits, identifier = id_order("" if liquidation.id is None else str(liquidation.id))
    return (
        digits, liquidation.id is None, identifier, liquidation.local_timestamp,
        liquidation.side, liquidation.price, liquidation.amount,
    )  # fmt: skip


def book_order(system: int, message: BookMessage) -> tuple[int, bool, int, int, int, int, bytes]:
    """Return the key by which the messages of one market and epoch sort.

    At the same id, an update comes before the snapshot that contains it. Where places are times, it may be newer than
    the snapshot of the same instant: it comes after it, and applying it again does no harm.
    """
    is_snapshot = isinstance(message, BookSnapshot)
    first, previous = (None, None) if isinstance(message, BookSnapshot) else (message.first_id, message.previous_id)
    return (
        sequence_place(message),
        (message.last_id is None) != is_snapshot,
        message.local_timestamp,
        system,
        _none_last(first),
        _none_last(previous),
        _levels_digest(message),
    )


def sequence_place(message: BookMessage) -> int:
    """Return where a book message is in its market's sequence: its last id, or its time (µs) where it has none."""
    return message.last_id if message.last_id is not None else record_time(message)


class BookTimes:
    """The times that a market's book messages are published with, message by message in the order of one epoch.

    The engine's time stays as it is. A message without one has the time of its place, which is the latest time of the
    updates so far. Snapshots before all updates have their own time, but no later than the earliest update's.
    """

    __slots__ = ("_before_updates", "_updates", "earliest_update")

    def __init__(self, earliest_update: int = NONE_LAST) -> None:
        self.earliest_update = earliest_update
        self._updates = self._before_updates = 0

    def take(self, message: BookMessage) -> int:
        """Return the time (µs) of the next message."""
        time = record_time(message)
        if isinstance(message, BookUpdate):
            self._updates = max(self._updates, time)
        self._before_updates = max(self._before_updates, min(time, self.earliest_update))
        return message.timestamp if message.timestamp is not None else self._updates or self._before_updates

    @property
    def has_update(self) -> bool:
        """Whether there was an update."""
        return self._updates > 0


def _levels_digest(message: BookMessage) -> bytes:
    sides = [" ".join(f"{price} {amount}" for price, amount in levels(raw)) for raw in (message.bids, message.asks)]
    return md5("/".join(sides).encode(), usedforsecurity=False).digest()


def _none_last(number: int | None) -> int:
    return NONE_LAST if number is None else number


# A whole day


def merge_trades(
    day: date, primary: Trades, replica: Trades = (), rest: Trades = (), resets: Resets = _NO_RESETS
) -> list[PublishedRow[Trade]]:
    """Merge the day's trades, ordered by time, market and id. Those of amount 0 are burned ids, and not published."""
    kept = _first_copies(day, resets, primary, replica, rest)
    rows = [_published(copy) for copy in kept if not is_burned(copy.record)]
    return sorted(rows, key=lambda row: (row.record.timestamp, row.market, trade_order(row.record)))


def merge_quotes(
    day: date,
    primary: Iterable[StoredRecord[Quote]],
    replica: Iterable[StoredRecord[Quote]] = (),
    resets: Resets = _NO_RESETS,
) -> list[PublishedRow[Quote]]:
    """Merge the day's quotes, ordered by time, market, id and receipt time."""
    rows = map(_published, _first_copies(day, resets, primary, replica))
    return sorted(rows, key=lambda row: (record_time(row.record), row.market, quote_order(row.record)))


def merge_derivative_ticker(
    day: date, primary: Iterable[StoredRecord[DerivativeTicker]], replica: Iterable[StoredRecord[DerivativeTicker]] = ()
) -> list[PublishedRow[DerivativeTicker]]:
    """Merge the day's tickers, ordered by time, market and receipt time, and fill their fields forward."""
    rows = map(_published, _first_copies(day, _NO_RESETS, primary, replica))
    so_far: defaultdict[str, dict[str, object]] = defaultdict(dict)
    filled = []
    for row in sorted(rows, key=lambda row: (record_time(row.record), row.market, ticker_order(row.record))):
        fields = {name: getattr(row.record, name) for name in _TICKER_FIELDS}
        present = {name: value for name, value in fields.items() if value is not None}
        so_far[row.market].update(present)
        record = structs.replace(row.record, **so_far[row.market])
        filled.append(row._replace(record=record, own_fields=tuple(present)))
    return filled


def merge_liquidations(
    day: date, primary: Iterable[StoredRecord[Liquidation]], replica: Iterable[StoredRecord[Liquidation]] = ()
) -> list[PublishedRow[Liquidation]]:
    """Merge the day's liquidations, ordered by time, market, id and receipt time.

    Of equal ones without an id, as many are published as the object has that has the most of them.
    """
    seen: Counter[Hashable] = Counter()
    copies: defaultdict[tuple[int, Hashable], list[_Copy[Liquidation]]] = defaultdict(list)
    for copy in _copies(day, _NO_RESETS, primary, replica):
        same = (copy.market, *published_identity(copy.record))
        number = 0
        if copy.record.id is None:
            number = seen[copy.system, copy.batch, same]
            seen[copy.system, copy.batch, same] += 1
        copies[number, same].append(copy)
    in_turn = sorted(copies.items(), key=lambda item: item[0][0])  # the first of equal ones before the second
    rows = (_published(_first_of(some)) for _, some in in_turn)
    return sorted(rows, key=lambda row: (record_time(row.record), row.market, liquidation_order(row.record)))


def merge_book(
    day: date, primary: Messages, replica: Messages = (), resets: Resets = _NO_RESETS
) -> list[PublishedRow[BookMessage]]:
    """Merge the day's book messages, updates and snapshots, ordered by time, market and place in the sequence."""
    epochs: defaultdict[tuple[str, int], list[_Copy[BookMessage]]] = defaultdict(list)
    for copy in _first_copies(day, resets, primary, replica):
        epochs[copy.market, copy.epoch].append(copy)
    rows = [row for key in sorted(epochs) for row in _with_times(epochs[key])]
    return sorted(rows, key=lambda row: (record_time(row.record), row.market))


def _with_times(copies: list[_Copy[BookMessage]]) -> Iterator[PublishedRow[BookMessage]]:
    """The messages of one market and epoch in their order, each with the time that it is published with."""
    updates = (copy.record for copy in copies if isinstance(copy.record, BookUpdate))
    times = BookTimes(min(map(record_time, updates), default=NONE_LAST))
    for copy in sorted(copies, key=lambda copy: book_order(copy.system, copy.record)):
        yield _published(copy)._replace(record=structs.replace(copy.record, timestamp=times.take(copy.record)))


def _first_copies(day: date, resets: Resets, *systems: Iterable[StoredRecord[R]]) -> Iterator[_Copy[R]]:
    copies: defaultdict[Hashable, list[_Copy[R]]] = defaultdict(list)
    for copy in _copies(day, resets, *systems):
        copies[copy.market, copy.epoch, *published_identity(copy.record)].append(copy)
    return map(_first_of, copies.values())


def _first_of(copies: list[_Copy[R]]) -> _Copy[R]:
    return copies[0]._replace(received=Received.of((copy.system, copy.record.local_timestamp) for copy in copies))


def _published(copy: _Copy[R]) -> PublishedRow[R]:
    return PublishedRow(copy.market, copy.record, copy.received, copy.record.timestamp)


def _copies(day: date, resets: Resets, *systems: Iterable[StoredRecord[R]]) -> list[_Copy[R]]:
    """All records of the day in the order of preference."""
    times, partitions = range(*day_interval(day)), (day, day + timedelta(days=1))
    copies = (
        _Copy(system, stored.batch, stored.market, stored.record, epoch(resets.get(stored.market, ()), stored.record))
        for system, records in enumerate(systems)
        for stored in records
        if stored.partition in partitions and is_of_day(stored.record, times, in_day=stored.partition == day)
    )
    return sorted(copies, key=lambda copy: preference(copy.system, copy.record))
