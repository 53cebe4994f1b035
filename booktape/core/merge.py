"""The nightly merge in plain Python: the reference that the merge's SQL (:mod:`booktape.merge`) is held against.

Records of both systems go in as they lie in storage; each comes out once, in the order in which it is published. Of two
copies the primary's wins, then the one received first.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import md5
from typing import Final, Generic, NamedTuple, TypeVar

from msgspec import structs

from booktape.core.records import DAY, SECOND, BookSnapshot, BookUpdate, Quote, Record, Trade, levels, record_time

BookMessage = BookUpdate | BookSnapshot
R = TypeVar("R", bound=Record)

_NONE_LAST: Final = 1 << 63


class Stored(NamedTuple, Generic[R]):
    """A record as it lies in storage: its market, and the day of the partition that it was found in."""

    market: str
    partition: date
    record: R


class Published(NamedTuple, Generic[R]):
    """A record of the merged day. A book message without engine time has that of its place as ``timestamp``."""

    market: str
    record: R


class _Copy(NamedTuple, Generic[R]):
    """One system's copy of a record: 0 is the primary's, 1 the replica's."""

    system: int
    market: str
    record: R


def merge_trades(
    day: date, primary: Iterable[Stored[Trade]], replica: Iterable[Stored[Trade]] = ()
) -> list[Published[Trade]]:
    """The day's trades, ordered by time, market and id."""
    kept = _first_copies(day, primary, replica)
    return sorted((Published(copy.market, copy.record) for copy in kept), key=_trade_order)


def merge_quotes(
    day: date, primary: Iterable[Stored[Quote]], replica: Iterable[Stored[Quote]] = ()
) -> list[Published[Quote]]:
    """The day's quotes, ordered by time, market, id and time of receipt."""
    kept = _first_copies(day, primary, replica)
    return sorted((Published(copy.market, copy.record) for copy in kept), key=_quote_order)


def merge_book(
    day: date, primary: Iterable[Stored[BookMessage]], replica: Iterable[Stored[BookMessage]] = ()
) -> list[Published[BookMessage]]:
    """The day's book messages, updates and snapshots, ordered by time, market and place in the market's sequence."""
    markets: defaultdict[str, list[_Copy[BookMessage]]] = defaultdict(list)
    for copy in _first_copies(day, primary, replica):
        markets[copy.market].append(copy)
    messages = [
        Published(market, message)
        for market in sorted(markets)
        for message in _timed([copy.record for copy in sorted(markets[market], key=_book_order)])
    ]
    return sorted(messages, key=lambda message: (record_time(message.record), message.market))


def place(message: BookMessage) -> int:
    """Where a book message stands in its market: its last sequence id, or its time (µs) where there is none."""
    return message.last_id if message.last_id is not None else record_time(message)


def _first_copies(day: date, primary: Iterable[Stored[R]], replica: Iterable[Stored[R]]) -> Iterable[_Copy[R]]:
    copies = (
        _Copy(system, stored.market, stored.record)
        for system, records in enumerate((primary, replica))
        for stored in records
        if _is_of(day, stored)
    )
    kept: dict[Hashable, _Copy[R]] = {}
    for copy in sorted(copies, key=lambda copy: (copy.system, copy.record.local_timestamp, _sent(copy.record))):
        kept.setdefault((copy.market, *_identity(copy.record)), copy)
    return kept.values()


def _is_of(day: date, stored: Stored[R]) -> bool:
    """A record belongs to the day of the exchange's time, or, where it has none, to that of its partition."""
    if stored.partition not in (day, day + timedelta(days=1)):
        return False
    record = stored.record
    time = record.timestamp if isinstance(record, Trade) else record.timestamp or record.sent_timestamp
    if time is None:
        return stored.partition == day
    first = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
    return first <= time < first + DAY


def _identity(record: Record) -> tuple[Hashable, ...]:
    """What two copies of a record have in common.

    Where a venue gives neither ids nor engine time, the time observed stands in for them: amounts that come back are
    not copies.
    """
    if isinstance(record, Trade):
        return (str(record.id),)
    if isinstance(record, Quote):
        number = record.id if record.id is not None else record_time(record)
        return (
            record.id, record.timestamp, number,
            record.bid_price, record.bid_amount, record.ask_price, record.ask_amount,
        )  # fmt: skip
    ids = (record.first_id, record.previous_id) if isinstance(record, BookUpdate) else ()
    return (*ids, record.last_id, record.timestamp, place(record), _levels_digest(record))


def _levels_digest(message: BookMessage) -> bytes:
    sides = [" ".join(f"{price} {amount}" for price, amount in levels(raw)) for raw in (message.bids, message.asks)]
    return md5("/".join(sides).encode(), usedforsecurity=False).digest()


def _sent(record: Record) -> int:
    return _none_last(None if isinstance(record, Trade) else record.sent_timestamp)


def _none_last(number: int | None) -> int:
    return _NONE_LAST if number is None else number


def _trade_order(published: Published[Trade]) -> tuple[int, str, int, str]:
    record = published.record
    identifier = str(record.id)
    digits = len(identifier) if identifier.isascii() and identifier.isdigit() else 0
    return record.timestamp, published.market, digits, identifier


def _quote_order(published: Published[Quote]) -> tuple[int, str, int, int, str, str, str, str]:
    record = published.record
    return (
        record_time(record), published.market, _none_last(record.id), record.local_timestamp,
        record.bid_price, record.bid_amount, record.ask_price, record.ask_amount,
    )  # fmt: skip


def _book_order(copy: _Copy[BookMessage]) -> tuple[int, bool, int, int, int, int, bytes]:
    """At the same id, an update comes before the snapshot that contains it.

    Where places are times, an update may be newer than the snapshot of the same instant: it comes after the snapshot,
    and applying it again does no harm.
    """
    message = copy.record
    is_snapshot = isinstance(message, BookSnapshot)
    first, previous = (None, None) if isinstance(message, BookSnapshot) else (message.first_id, message.previous_id)
    return (
        place(message),
        (message.last_id is None) != is_snapshot,
        message.local_timestamp,
        copy.system,
        _none_last(first),
        _none_last(previous),
        _levels_digest(message),
    )


def _timed(messages: list[BookMessage]) -> Iterator[BookMessage]:
    """One market's messages in order, each with the time that it is published with.

    The engine's time stays as it is. Without one, a message has the time of its place, the latest of the updates so
    far. Snapshots before all updates have their own, but no later than the first update's.
    """
    earliest = min(
        (record_time(message) for message in messages if isinstance(message, BookUpdate)), default=_NONE_LAST
    )
    updates_so_far = before_updates = 0
    for message in messages:
        if isinstance(message, BookUpdate):
            updates_so_far = max(updates_so_far, record_time(message))
        before_updates = max(before_updates, min(record_time(message), earliest))
        time = message.timestamp if message.timestamp is not None else updates_so_far or before_updates
        yield structs.replace(message, timestamp=time)
