"""What Booktape stores: one record per trade, per whole book message, per snapshot, per best bid and ask.

Times are integer microseconds since the epoch, UTC. Prices and amounts are the exchange's own text.

The order of the fields is part of the storage format. The fields before ``local_timestamp`` are the record's
*identity*: every connection to the exchange agrees on them. ``local_timestamp`` and what follows it are
*observations*, which only the connection that received the message can tell. :mod:`booktape.core.codec` relies on that
order to digest the identity alone, so that two collectors which saw the same thing write the same key.
"""

from typing import Final

from msgspec import Raw, Struct, json

TRADES: Final = "trades"
BOOK_UPDATES: Final = "book_updates"
BOOK_SNAPSHOTS: Final = "book_snapshots"
QUOTES: Final = "quotes"

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 24 * 60 * MINUTE


class Trade(Struct, frozen=True, gc=False, omit_defaults=True):
    """One trade. ``side`` is the taker's: ``buy``, ``sell`` or ``unknown``."""

    id: int | str
    timestamp: int
    side: str
    price: str
    amount: str
    local_timestamp: int


class BookUpdate(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One whole order-book message: every level that it changed.

    ``bids`` and ``asks`` are JSON text, ``[["price","amount"],...]``. Amounts are absolute; zero removes the level.
    ``timestamp`` is the engine's time; where the venue only stamps each connection's message (Binance spot's ``E``),
    that is an observation and stands in ``sent_timestamp`` instead.
    """

    first_id: int | None = None
    last_id: int | None = None
    previous_id: int | None = None
    timestamp: int | None = None
    bids: Raw
    asks: Raw
    checksum: int | None = None
    local_timestamp: int
    sent_timestamp: int | None = None


class BookSnapshot(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A book's whole sides, best level first. ``origin`` is ``stream``, ``rest`` or ``derived``."""

    last_id: int | None = None
    timestamp: int | None = None
    bids: Raw
    asks: Raw
    checksum: int | None = None
    origin: str
    local_timestamp: int
    sent_timestamp: int | None = None


class Quote(Struct, frozen=True, gc=False, omit_defaults=True):
    """The best bid and ask."""

    id: int | None
    timestamp: int | None
    bid_price: str
    bid_amount: str
    ask_price: str
    ask_amount: str
    local_timestamp: int
    sent_timestamp: int | None = None


Record = Trade | BookUpdate | BookSnapshot | Quote

RECORD_TYPES: Final[dict[str, type[Record]]] = {
    TRADES: Trade,
    BOOK_UPDATES: BookUpdate,
    BOOK_SNAPSHOTS: BookSnapshot,
    QUOTES: Quote,
}

Level = tuple[str, str]
"""One price level: price and amount, both the exchange's text."""

_levels = json.Decoder(list[Level])


def levels(raw: Raw) -> list[Level]:
    """Decode one side of a book message, in the order in which the exchange sent it."""
    return _levels.decode(raw)


def first_position(record: Record) -> int:
    """Where a record begins in its stream: its first sequence id, or its time (µs) where the venue numbers nothing."""
    if isinstance(record, BookUpdate) and record.first_id is not None:
        return record.first_id
    return last_position(record)


def last_position(record: Record) -> int:
    """Where a record ends in its stream: its last sequence id, or its time (µs) where the venue numbers nothing."""
    identifier = record.last_id if isinstance(record, BookUpdate | BookSnapshot) else record.id
    return identifier if isinstance(identifier, int) else record_time(record)


def record_time(record: Record) -> int:
    """The best time known for a record (µs): the engine's, else the venue's on sending, else that of receipt."""
    if isinstance(record, Trade):
        return record.timestamp
    return record.timestamp or record.sent_timestamp or record.local_timestamp


def identity(record: Record) -> tuple[object, ...]:
    """The fields that every connection agrees on; two records are the same exactly when these are equal."""
    names = record.__struct_fields__
    fields = names[: names.index("local_timestamp")]
    return tuple(bytes(value) if isinstance(value, Raw) else value for value in (getattr(record, f) for f in fields))
