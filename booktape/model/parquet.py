"""The published Parquet file: the CSV's records in full, with their ids, sequence numbers and provenance.

Its rows are ordered by market, and within a market as in the CSV; ``position`` counts them. A book message is one row,
one without a level included, which has no row in the CSV. Times are microseconds since the epoch, UTC; prices and
amounts are the venue's text.

The merge's SQL produces the same rows by itself; this module is what it is held against.
"""

from typing import Final

from booktape.model.records import BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES

_FIRST: Final = ("exchange", "position", "timestamp", "local_timestamp")
_RECEIVED: Final = ("primary_local_timestamp", "replica_local_timestamp")
_LAST: Final = ("provenance", "symbol")

PARQUET_COLUMNS: Final = {
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

``engine_timestamp`` is the venue's own time of the record, where it gave one. ``told`` names the fields that a
ticker's own message had. ``symbol`` is last because Athena requires the column that it partitions by to be last.
"""
