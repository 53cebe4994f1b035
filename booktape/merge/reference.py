"""Where a published record came from: which of the systems had it.

The nightly merge in plain Python: the reference that the merge's SQL (:mod:`booktape.merge`) is held against.

Records of the systems go in as they lie in storage; each comes out once, in the order in which it is published. Of two
copies the primary's wins, then the replica's, then the one received first; one fetched over REST stands where neither
system has it. Where the venue began its numbers anew (``restarts``), equal numbers of two eras are not copies.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from datetime import date, timedelta
from hashlib import md5
from typing import Final, Generic, NamedTuple, Self, TypeVar

from msgspec import structs

from booktape.model.book import is_zero
from booktape.model.csv import PublishedRecord
from booktape.model.records import (
    DAY,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Quote,
    Trade,
    levels,
    record_time,
)
from booktape.model.resets import Resets, epoch
from booktape.model.timestamps import midnight

PRIMARY: Final = "primary"
REPLICA: Final = "replica"
BOTH: Final = "both"
REST: Final = "rest"

PROVENANCES: Final = (PRIMARY, REPLICA, BOTH, REST)
"""What :attr:`Received.provenance` can be."""


class Received(NamedTuple):
    """When each system received a record first (µs), or None where it did not.

    ``rest`` is the time at which it was fetched from the venue, because neither system had it.
    """

    primary: int | None = None
    replica: int | None = None
    rest: int | None = None

    @classmethod
    def of(cls, times: Iterable[tuple[int, int]]) -> Self:
        """From the system's number (0 the primary's, 1 the replica's, 2 REST) and time (µs) of each copy."""
        first: dict[int, int] = {}
        for system, time in times:
            first[system] = min(time, first.get(system, time))
        return cls(*(first.get(system) for system in range(len(cls._fields))))

    @property
    def provenance(self) -> str:
        """``both`` where both systems had it; ``rest`` only where neither had."""
        if self.primary is not None:
            return PRIMARY if self.replica is None else BOTH
        return REST if self.replica is None else REPLICA


BookMessage = BookUpdate | BookSnapshot
R = TypeVar("R", bound=PublishedRecord)

_NONE_LAST: Final = 1 << 63
_NEVER: Final[Resets] = {}

_TICKER_FIELDS: Final = (
    "funding_timestamp", "funding_rate", "predicted_funding_rate", "open_interest",
    "last_price", "index_price", "mark_price",
)  # fmt: skip
"""What a ticker tells, each field now and then."""


class StoredRecord(NamedTuple, Generic[R]):
    """A record as it lies in storage: its market, the day of the partition that it was found in, and its object.

    ``batch`` tells the objects of one system apart.
    """

    market: str
    partition: date
    record: R
    batch: str = ""


Trades = Iterable[StoredRecord[Trade]]
Messages = Iterable[StoredRecord[BookMessage]]


class PublishedRow(NamedTuple, Generic[R]):
    """A record of the merged day, and when each system received it.

    A book message without engine time has that of its place as ``timestamp``; ``engine_timestamp`` is what it had.
    ``told`` names the fields that a ticker told itself: the others were filled in.
    """

    market: str
    record: R
    received: Received
    engine_timestamp: int | None = None
    told: tuple[str, ...] = ()


class _Copy(NamedTuple, Generic[R]):
    """One system's copy of a record: 0 is the primary's, 1 the replica's, 2 REST's. ``received`` is all systems'."""

    system: int
    batch: str
    market: str
    record: R
    era: int = 0
    received: Received = Received()


def merge_trades(
    day: date, primary: Trades, replica: Trades = (), rest: Trades = (), restarts: Resets = _NEVER
) -> list[PublishedRow[Trade]]:
    """The day's trades, ordered by time, market and id. Those of nothing are ids used up, and not published."""
    kept = _first_copies(day, restarts, primary, replica, rest)
    return sorted((_published(copy) for copy in kept if not is_zero(copy.record.amount)), key=_trade_order)


def merge_quotes(
    day: date,
    primary: Iterable[StoredRecord[Quote]],
    replica: Iterable[StoredRecord[Quote]] = (),
    restarts: Resets = _NEVER,
) -> list[PublishedRow[Quote]]:
    """The day's quotes, ordered by time, market, id and time of receipt."""
    return sorted(map(_published, _first_copies(day, restarts, primary, replica)), key=_quote_order)


def merge_derivative_ticker(
    day: date, primary: Iterable[StoredRecord[DerivativeTicker]], replica: Iterable[StoredRecord[DerivativeTicker]] = ()
) -> list[PublishedRow[DerivativeTicker]]:
    """The day's tickers, ordered by time, market and receipt, each with all that was told before it that day."""
    so_far: defaultdict[str, dict[str, object]] = defaultdict(dict)
    filled = []
    for ticker in sorted(map(_published, _first_copies(day, _NEVER, primary, replica)), key=_ticker_order):
        fields = {name: getattr(ticker.record, name) for name in _TICKER_FIELDS}
        told = {name: value for name, value in fields.items() if value is not None}
        so_far[ticker.market].update(told)
        record = structs.replace(ticker.record, **so_far[ticker.market])
        filled.append(ticker._replace(record=record, told=tuple(told)))
    return filled


def merge_liquidations(
    day: date, primary: Iterable[StoredRecord[Liquidation]], replica: Iterable[StoredRecord[Liquidation]] = ()
) -> list[PublishedRow[Liquidation]]:
    """The day's liquidations, ordered by time, market, id and time of receipt.

    Of equal ones without an id there are as many as the object has that has the most of them.
    """
    seen: Counter[Hashable] = Counter()
    same_ones: defaultdict[tuple[int, Hashable], list[_Copy[Liquidation]]] = defaultdict(list)
    for copy in _copies(day, _NEVER, primary, replica):
        same = (copy.market, *_identity(copy.record))
        number = 0
        if copy.record.id is None:
            number = seen[copy.system, copy.batch, same]
            seen[copy.system, copy.batch, same] += 1
        same_ones[number, same].append(copy)
    in_turn = sorted(same_ones.items(), key=lambda item: item[0][0])  # the first of equal ones before the second
    return sorted((_published(_first_of(copies)) for _, copies in in_turn), key=_liquidation_order)


def merge_book(
    day: date, primary: Messages, replica: Messages = (), restarts: Resets = _NEVER
) -> list[PublishedRow[BookMessage]]:
    """The day's book messages, updates and snapshots, ordered by time, market and place in the market's sequence."""
    eras: defaultdict[tuple[str, int], list[_Copy[BookMessage]]] = defaultdict(list)
    for copy in _first_copies(day, restarts, primary, replica):
        eras[copy.market, copy.era].append(copy)
    messages = [
        message
        for place in sorted(eras)
        for message in _timed([_published(copy) for copy in sorted(eras[place], key=_book_order)])
    ]
    return sorted(messages, key=lambda message: (record_time(message.record), message.market))


def sequence_place(message: BookMessage) -> int:
    """Where a book message stands in its market: its last sequence id, or its time (µs) where there is none."""
    return message.last_id if message.last_id is not None else record_time(message)


def _first_copies(day: date, restarts: Resets, *systems: Iterable[StoredRecord[R]]) -> Iterator[_Copy[R]]:
    same_ones: defaultdict[Hashable, list[_Copy[R]]] = defaultdict(list)
    for copy in _copies(day, restarts, *systems):
        same_ones[copy.market, copy.era, *_identity(copy.record)].append(copy)
    return map(_first_of, same_ones.values())


def _first_of(copies: list[_Copy[R]]) -> _Copy[R]:
    return copies[0]._replace(received=Received.of((copy.system, copy.record.local_timestamp) for copy in copies))


def _published(copy: _Copy[R]) -> PublishedRow[R]:
    return PublishedRow(copy.market, copy.record, copy.received, copy.record.timestamp)


def _copies(day: date, restarts: Resets, *systems: Iterable[StoredRecord[R]]) -> list[_Copy[R]]:
    """All records of the day: the primary's first, and of each system those received first."""
    copies = (
        _Copy(system, stored.batch, stored.market, stored.record, epoch(restarts.get(stored.market, ()), stored.record))
        for system, records in enumerate(systems)
        for stored in records
        if _is_of(day, stored)
    )
    return sorted(copies, key=_preference)


def _preference(copy: _Copy[R]) -> tuple[int, int, int]:
    return copy.system, copy.record.local_timestamp, _none_last(getattr(copy.record, "sent_timestamp", None))


def _is_of(day: date, stored: StoredRecord[R]) -> bool:
    """A record belongs to the day of the exchange's time, or, where it has none, to that of its partition."""
    if stored.partition not in (day, day + timedelta(days=1)):
        return False
    record = stored.record
    time = record.timestamp if isinstance(record, Trade) else record.timestamp or record.sent_timestamp
    if time is None:
        return stored.partition == day
    first = midnight(day)
    return first <= time < first + DAY


def _identity(record: PublishedRecord) -> tuple[Hashable, ...]:
    """What two copies of a record have in common.

    Where a venue gives neither ids nor engine time, the time observed stands in for them: amounts that come back are
    not copies.
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
    return (*ids, record.last_id, record.timestamp, sequence_place(record), levels_digest(record))


def levels_digest(message: BookMessage) -> bytes:
    """What stands for a message's levels where messages are put in order."""
    sides = [" ".join(f"{price} {amount}" for price, amount in levels(raw)) for raw in (message.bids, message.asks)]
    return md5("/".join(sides).encode(), usedforsecurity=False).digest()


def _none_last(number: int | None) -> int:
    return _NONE_LAST if number is None else number


def id_order(identifier: str) -> tuple[int, str]:
    """Ids that are numbers come in the order of numbers, after those that are none."""
    return len(identifier) if identifier.isascii() and identifier.isdigit() else 0, identifier


def _trade_order(published: PublishedRow[Trade]) -> tuple[int, str, int, str]:
    record = published.record
    return (record.timestamp, published.market, *id_order(str(record.id)))


def _quote_order(published: PublishedRow[Quote]) -> tuple[int, str, int, int, str, str, str, str]:
    record = published.record
    return (
        record_time(record), published.market, _none_last(record.id), record.local_timestamp,
        record.bid_price, record.bid_amount, record.ask_price, record.ask_amount,
    )  # fmt: skip


def _ticker_order(published: PublishedRow[DerivativeTicker]) -> tuple[object, ...]:
    record = published.record
    told = [getattr(record, name) for name in ("timestamp", *_TICKER_FIELDS)]
    values = [(value is None, value) for value in told]
    return (record_time(record), published.market, record.local_timestamp, values)


def _liquidation_order(published: PublishedRow[Liquidation]) -> tuple[object, ...]:
    record = published.record
    digits, identifier = id_order("" if record.id is None else str(record.id))
    return (
        record_time(record), published.market, digits, record.id is None, identifier,
        record.local_timestamp, record.side, record.price, record.amount,
    )  # fmt: skip


def _book_order(copy: _Copy[BookMessage]) -> tuple[int, bool, int, int, int, int, bytes]:
    """At the same id, an update comes before the snapshot that contains it. Where places are times, it may be newer
    than the snapshot of the same instant: it comes after it, and applying it again does no harm."""
    message = copy.record
    is_snapshot = isinstance(message, BookSnapshot)
    first, previous = (None, None) if isinstance(message, BookSnapshot) else (message.first_id, message.previous_id)
    return (
        sequence_place(message),
        (message.last_id is None) != is_snapshot,
        message.local_timestamp,
        copy.system,
        _none_last(first),
        _none_last(previous),
        levels_digest(message),
    )


def _timed(messages: list[PublishedRow[BookMessage]]) -> Iterator[PublishedRow[BookMessage]]:
    """The messages of one market and era in order, each with the time that it is published with.

    The engine's time stays as it is. Without one, a message has the time of its place, the latest of the updates so
    far. Snapshots before all updates have their own, but no later than the first update's.
    """
    updates = (one.record for one in messages if isinstance(one.record, BookUpdate))
    earliest = min(map(record_time, updates), default=_NONE_LAST)
    updates_so_far = before_updates = 0
    for published in messages:
        message = published.record
        if isinstance(message, BookUpdate):
            updates_so_far = max(updates_so_far, record_time(message))
        before_updates = max(before_updates, min(record_time(message), earliest))
        time = message.timestamp if message.timestamp is not None else updates_so_far or before_updates
        yield published._replace(record=structs.replace(message, timestamp=time))


ParquetRow = tuple[object, ...]
"""One row's values, in the order of :data:`PARQUET_COLUMNS`. Levels are lists of (price, amount)."""


def parquet_rows(exchange: str, published: Iterable[PublishedRow[PublishedRecord]]) -> Iterator[ParquetRow]:
    """The Parquet file's rows, from the records in the CSV's order."""
    markets: defaultdict[str, list[PublishedRow[PublishedRecord]]] = defaultdict(list)
    for record in published:
        markets[record.market].append(record)
    for market in sorted(markets):
        for position, one in enumerate(markets[market], start=1):
            yield _parquet_row(exchange, position, one)


def _parquet_row(exchange: str, position: int, published: PublishedRow[PublishedRecord]) -> ParquetRow:
    record, received = published.record, published.received
    times = received if isinstance(record, Trade) else received[:2]
    begin = (exchange, position, record_time(record), record.local_timestamp)
    return (*begin, *_parquet_fields(published), *times, received.provenance, published.market)


def _parquet_fields(published: PublishedRow[PublishedRecord]) -> ParquetRow:
    engine = published.engine_timestamp
    match published.record:
        case Trade() as trade:
            return (str(trade.id), trade.sequence, trade.side, trade.price, trade.amount)
        case BookUpdate() as message:
            ids = (message.first_id, message.last_id, message.previous_id)
            sides = (levels(message.bids), levels(message.asks))
            return (False, *ids, engine, message.sent_timestamp, None, message.checksum, *sides)
        case BookSnapshot() as message:
            sides = (levels(message.bids), levels(message.asks))
            ids = (None, message.last_id, None)
            return (True, *ids, engine, message.sent_timestamp, message.origin, message.checksum, *sides)
        case Quote() as quote:
            best = (quote.bid_price, quote.bid_amount, quote.ask_price, quote.ask_amount)
            return (quote.id, engine, quote.sent_timestamp, *best)
        case DerivativeTicker() as ticker:
            funding = (ticker.funding_timestamp, ticker.funding_rate, ticker.predicted_funding_rate)
            prices = (ticker.last_price, ticker.index_price, ticker.mark_price)
            return (
                engine, ticker.sent_timestamp, *funding, ticker.open_interest, *prices, list(published.told),
            )  # fmt: skip
        case Liquidation() as closed:
            identifier = None if closed.id is None else str(closed.id)
            return (identifier, engine, closed.sent_timestamp, closed.side, closed.price, closed.amount)
