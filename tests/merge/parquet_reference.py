"""The rows of a Parquet file in Python, from the records in the CSV's order: what the SQL is compared to."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from booktape.merge.reference import PublishedRow
from booktape.model.csv import PublishedRecord
from booktape.model.records import (
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Quote,
    Trade,
    levels,
    record_time,
)

ParquetRow = tuple[object, ...]
"""One row's values, in the order of ``PARQUET_COLUMNS``. Levels are lists of (price, amount)."""


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
                engine, ticker.sent_timestamp, *funding, ticker.open_interest, *prices, list(published.own_fields),
            )  # fmt: skip
        case Liquidation() as closed:
            identifier = None if closed.id is None else str(closed.id)
            return (identifier, engine, closed.sent_timestamp, closed.side, closed.price, closed.amount)
