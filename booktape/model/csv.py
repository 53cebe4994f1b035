"""The published CSV: which columns each data type has, the rows of a record, and their text.

The columns and their order are those of Tardis's CSV files, and the quoting is that of Athena's result files: every
field and the header in double quotes, a missing value is nothing at all between its commas, lines end in LF, booleans
are ``true`` and ``false``. Times are microseconds since the epoch, UTC.

The merge's SQL produces the same text by itself; this module is what it is held against.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from booktape.model.records import (
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    QUOTES,
    TRADES,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Quote,
    Trade,
    levels,
    record_time,
)

PUBLISHED: Final = {
    TRADES: "trades",
    BOOK_UPDATES: "incremental_book_L2",
    QUOTES: "quotes",
    DERIVATIVE_TICKER: "derivative_ticker",
    LIQUIDATIONS: "liquidations",
}
"""What each published data type is called in Tardis's files. Snapshots are published among the book's updates."""

PublishedRecord = Trade | BookUpdate | BookSnapshot | Quote | DerivativeTicker | Liquidation
"""The records that have rows. Instruments are stored, but not published."""

COLUMNS: Final = {
    TRADES: ("exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount"),
    BOOK_UPDATES: ("exchange", "symbol", "timestamp", "local_timestamp", "is_snapshot", "side", "price", "amount"),
    QUOTES: (
        "exchange", "symbol", "timestamp", "local_timestamp", "ask_amount", "ask_price", "bid_price", "bid_amount",
    ),
    DERIVATIVE_TICKER: (
        "exchange", "symbol", "timestamp", "local_timestamp", "funding_timestamp", "funding_rate",
        "predicted_funding_rate", "open_interest", "last_price", "index_price", "mark_price",
    ),
    LIQUIDATIONS: ("exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount"),
}  # fmt: skip
"""The columns of each published data type."""

Value = str | int | bool | None
Row = tuple[Value, ...]
"""One row's values, in the order of :data:`COLUMNS`."""


def csv_rows(exchange: str, market: str, record: PublishedRecord) -> Iterator[Row]:
    """The rows of one record: one, or for a book message one for each level, bids first, in the order sent."""
    begin = (exchange, market, record_time(record), record.local_timestamp)
    match record:
        case Trade():
            yield (*begin, str(record.id), record.side, record.price, record.amount)
        case Quote():
            yield (*begin, record.ask_amount, record.ask_price, record.bid_price, record.bid_amount)
        case DerivativeTicker():
            yield (
                *begin, record.funding_timestamp, record.funding_rate, record.predicted_funding_rate,
                record.open_interest, record.last_price, record.index_price, record.mark_price,
            )  # fmt: skip
        case Liquidation():
            identifier = None if record.id is None else str(record.id)
            yield (*begin, identifier, record.side, record.price, record.amount)
        case BookUpdate() | BookSnapshot():
            yield from _level_rows(begin, record)


def _level_rows(begin: Row, record: BookUpdate | BookSnapshot) -> Iterator[Row]:
    is_snapshot = isinstance(record, BookSnapshot)
    for side, raw in (("bid", record.bids), ("ask", record.asks)):
        for price, amount in levels(raw):
            yield (*begin, is_snapshot, side, price, amount)


def csv_lines(data_type: str, rows: Iterable[Row]) -> Iterator[str]:
    """The lines of a published file, header first, each with its LF."""
    yield _line(COLUMNS[data_type])
    for row in rows:
        yield _line(row)


def csv_text(data_type: str, rows: Iterable[Row]) -> str:
    """The whole text of a published file."""
    return "".join(csv_lines(data_type, rows))


def _line(row: Row) -> str:
    return ",".join(map(_field, row)) + "\n"


def _field(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return '"true"' if value else '"false"'
    return '"' + str(value).replace('"', '""') + '"'
