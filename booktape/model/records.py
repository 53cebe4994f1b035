"""What Booktape stores: one record per trade, whole book message, snapshot, best bid and ask, ticker, liquidation.

Times are integer microseconds since the epoch, UTC. Prices and amounts are the exchange's own text.

The order of the fields is part of the storage format. The fields before ``local_timestamp`` are the record's
*identity*: every connection to the exchange agrees on them. ``local_timestamp`` and what follows it are
*observations* of the one connection that received the message. :mod:`booktape.model.codec` relies on that
order to digest the identity alone, so that two collectors which saw the same thing write the same key.
"""

from typing import Final

from msgspec import Raw, Struct, json

TRADES: Final = "trades"
BOOK_UPDATES: Final = "book_updates"
BOOK_SNAPSHOTS: Final = "book_snapshots"
QUOTES: Final = "quotes"
DERIVATIVE_TICKER: Final = "derivative_ticker"
LIQUIDATIONS: Final = "liquidations"
INSTRUMENTS: Final = "instruments"

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 24 * 60 * MINUTE


class Trade(Struct, frozen=True, gc=False, omit_defaults=True):
    """One trade. ``side`` is the taker's: ``buy``, ``sell`` or ``unknown``.

    ``sequence`` is the venue's number of the trade in its market, where it gives one beside the id. It says nothing of
    what was traded that the id does not, so it is no part of the identity.
    """

    id: int | str
    timestamp: int
    side: str
    price: str
    amount: str
    local_timestamp: int
    sequence: int | None = None


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


class DerivativeTicker(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What a venue publishes of a derivative beside its trades and its book.

    A message has some of the fields; those that it leaves out are unchanged. ``funding_rate`` is that of the
    period that ends at ``funding_timestamp`` (µs); ``predicted_funding_rate`` that of the period after it.
    ``open_interest`` is in the venue's own unit.
    """

    timestamp: int | None = None
    funding_timestamp: int | None = None
    funding_rate: str | None = None
    predicted_funding_rate: str | None = None
    open_interest: str | None = None
    last_price: str | None = None
    index_price: str | None = None
    mark_price: str | None = None
    local_timestamp: int
    sent_timestamp: int | None = None


class Liquidation(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A position closed by force. ``side`` is that of the closing order: ``sell`` closes a long position."""

    id: int | str | None = None
    timestamp: int | None = None
    side: str
    price: str
    amount: str
    local_timestamp: int
    sent_timestamp: int | None = None


class Instrument(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One of a venue's instruments, as its REST API describes it.

    ``symbol`` is the venue's own, ``market`` Booktape's. ``kind`` is ``spot``, ``perpetual``, ``future``, ``option`` or
    ``other``. ``status`` is :data:`TRADING` or else what the venue calls it, in lower case. ``price_increment`` (the
    tick), ``amount_increment`` (the lot) and ``contract_size`` are the venue's text; ``expiry`` is in µs.
    """

    symbol: str
    market: str
    base: str
    quote: str
    kind: str
    status: str
    price_increment: str | None = None
    amount_increment: str | None = None
    contract_size: str | None = None
    expiry: int | None = None
    local_timestamp: int


TRADING: Final = "trading"
"""The status of an instrument that can be traded now."""

Record = Trade | BookUpdate | BookSnapshot | Quote | DerivativeTicker | Liquidation | Instrument

RECORD_TYPES: Final[dict[str, type[Record]]] = {
    TRADES: Trade,
    BOOK_UPDATES: BookUpdate,
    BOOK_SNAPSHOTS: BookSnapshot,
    QUOTES: Quote,
    DERIVATIVE_TICKER: DerivativeTicker,
    LIQUIDATIONS: Liquidation,
    INSTRUMENTS: Instrument,
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
    number = sequence_id(record)
    return number if number is not None else record_time(record)


def sequence_id(record: Record) -> int | None:
    """The number by which a record's place in its stream is known, or None where it has none."""
    match record:
        case BookUpdate() | BookSnapshot():
            return record.last_id
        case Trade() if record.sequence is not None:
            return record.sequence
        case Trade() | Quote():
            return record.id if isinstance(record.id, int) else None
    return None


def engine_time(record: Record) -> int | None:
    """The time (µs) at which the venue's engine made a record, the same for all who received it; None if untold."""
    return None if isinstance(record, Instrument) else record.timestamp


def record_time(record: Record) -> int:
    """The best time known for a record (µs): the engine's, else the venue's on sending, else that of receipt."""
    match record:
        case Trade():
            return record.timestamp
        case Instrument():
            return record.local_timestamp
    return record.timestamp or record.sent_timestamp or record.local_timestamp


def identity(record: Record) -> tuple[object, ...]:
    """The fields that every connection agrees on; two records are the same exactly when these are equal."""
    names = record.__struct_fields__
    fields = names[: names.index("local_timestamp")]
    return tuple(bytes(value) if isinstance(value, Raw) else value for value in (getattr(record, f) for f in fields))
