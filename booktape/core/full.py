"""The published Parquet file: the CSV's records in full, with their ids, sequence numbers and provenance.

Its rows are ordered by market, and within a market as in the CSV; ``position`` counts them. A book message is one row,
one without a level included, which has no row in the CSV. Times are microseconds since the epoch, UTC; prices and
amounts are the venue's text.

The merge's SQL produces the same rows by itself; this module is what it is held against.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from booktape.core.csv import PublishedRecord
from booktape.core.merge import Published
from booktape.core.records import (
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

_FIRST: Final = ("exchange", "position", "timestamp", "local_timestamp")
_RECEIVED: Final = ("primary_local_timestamp", "replica_local_timestamp")
_LAST: Final = ("provenance", "symbol")

COLUMNS: Final = {
    TRADES: (
        *_FIRST, "id", "sequence", "side", "price", "amount", *_RECEIVED, "rest_local_timestamp", *_LAST,
    ),
    BOOK_UPDATES: (
        *_FIRST, "is_snapshot", "first_id", "last_id", "previous_id", "engine_timestamp", "sent_timestamp",
        "origin", "checksum", "bids", "asks", *_RECEIVED, *_LAST,
    ),
    QUOTES: (
        *_FIRST, "id", "engine_timestamp", "sent_timestamp", "bid_price", "bid_amount", "ask_price", "ask_amount",
        *_RECEIVED, *_LAST,
    ),
    DERIVATIVE_TICKER: (
        *_FIRST, "engine_timestamp", "sent_timestamp", "funding_timestamp", "funding_rate", "predicted_funding_rate",
        "open_interest", "last_price", "index_price", "mark_price", "told", *_RECEIVED, *_LAST,
    ),
    LIQUIDATIONS: (
        *_FIRST, "id", "engine_timestamp", "sent_timestamp", "side", "price", "amount", *_RECEIVED, *_LAST,
    ),
}  # fmt: skip
"""The columns of each published data type. Columns that the CSV has too hold what they hold there.

``engine_timestamp`` is the venue's own time of the record, where it gave one; ``told`` names the fields of a ticker
that its message told itself. ``symbol`` comes last because Athena wants the column that it divides files by there.
"""

FullRow = tuple[object, ...]
"""One row's values, in the order of :data:`COLUMNS`. Levels are lists of (price, amount)."""


def full_rows(exchange: str, published: Iterable[Published[PublishedRecord]]) -> Iterator[FullRow]:
    """The Parquet file's rows, from the records in the CSV's order."""
    markets: defaultdict[str, list[Published[PublishedRecord]]] = defaultdict(list)
    for record in published:
        markets[record.market].append(record)
    for market in sorted(markets):
        for position, one in enumerate(markets[market], start=1):
            yield _row(exchange, position, one)


def _row(exchange: str, position: int, published: Published[PublishedRecord]) -> FullRow:
    record, received = published.record, published.received
    times = received if isinstance(record, Trade) else received[:2]
    begin = (exchange, position, record_time(record), record.local_timestamp)
    return (*begin, *_fields(published), *times, received.provenance, published.market)


def _fields(published: Published[PublishedRecord]) -> FullRow:
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
