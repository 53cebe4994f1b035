"""Two systems' storage for tests: records put into it as a recorder would, and merged by both ways that must agree."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

from booktape.core import codec
from booktape.core.csv import Row, rows, text
from booktape.core.keys import parse_key
from booktape.core.merge import (
    Stored,
    merge_book,
    merge_derivative_ticker,
    merge_liquidations,
    merge_quotes,
    merge_trades,
)
from booktape.core.records import (
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    MINUTE,
    QUOTES,
    RECORD_TYPES,
    SECOND,
    TRADES,
    Record,
    first_position,
    last_position,
    record_time,
)
from booktape.core.streams import Batch, key_of
from booktape.merge import Merge, Merged, open_engine
from booktape.merge.query import stored_types
from booktape.storage import Store, directory_of, open_store

PURE: Final[dict[str, Any]] = {
    TRADES: merge_trades,
    BOOK_UPDATES: merge_book,
    QUOTES: merge_quotes,
    DERIVATIVE_TICKER: merge_derivative_ticker,
    LIQUIDATIONS: merge_liquidations,
}
_tokens = count()


def at(day: date, microseconds: int = 0) -> int:
    """A time (µs) so long after a day's beginning."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND + microseconds


def read_result(merged: Merged | None) -> str:
    """The text of a finished merge's file."""
    assert merged is not None, "the query still runs"
    path = directory_of(merged.url)
    assert path is not None
    return path.read_text()


def put_batch(store: Store, exchange: str, batch: Batch) -> None:
    """Store a batch as collectors do."""
    store.create(str(key_of(batch, exchange)), codec.compress(batch.lines))


@dataclass(frozen=True)
class Systems:
    """Both systems' stores, and where results go."""

    primary: Store
    replica: Store
    results: str

    def merge_text(self, merge: Merge, *, threads: int = 2) -> str:
        """The CSV that DuckDB makes."""
        engine = open_engine(
            "duckdb",
            primary=self.primary.url,
            replica=self.replica.url,
            results=self.results,
            memory="500MB",
            threads=threads,
        )
        return read_result(engine.poll(engine.start(merge, str(next(_tokens)))))

    def reference_text(self, merge: Merge) -> str:
        """The CSV that plain Python makes."""
        return text(merge.data_type, self.reference_rows(merge))

    def reference_rows(self, merge: Merge) -> Iterator[Row]:
        """The rows of the merge in plain Python."""
        sides = [self.stored(store, merge) for store in (self.primary, self.replica)]
        for market, record in PURE[merge.data_type](merge.day, *sides):
            yield from rows(merge.exchange, market, record)

    def stored(self, store: Store, merge: Merge) -> list[Stored[Any]]:
        """Everything that a system has stored for a data source, whatever the day."""
        found: list[Stored[Any]] = []
        for data_type in stored_types(merge.data_type):
            for item in store.objects(f"{data_type}/exchange={merge.exchange}"):
                key = parse_key(item.key)
                partition = datetime.fromtimestamp(key.minute // SECOND, UTC).date()
                records = codec.decode(data_type, store.read(item.key))
                found += [Stored(key.market, partition, record, item.key) for record in records]
        return found

    def merge_rows(self, merge: Merge) -> list[tuple[str, ...]]:
        """The rows without header, exchange, after DuckDB and plain Python were found to agree on every byte."""
        merged = self.merge_text(merge)
        assert merged == self.reference_text(merge)
        return [tuple(row[1:]) for row in csv.reader(merged.splitlines())][1:]


def open_systems(root: Path) -> Systems:
    """Two empty systems below a directory."""
    return Systems(open_store(f"{root}/primary"), open_store(f"{root}/replica"), f"{root}/results")


def put(
    store: Store, *records: Record, market: str = "BTC-USDT", exchange: str = "binance", partition: date | None = None
) -> None:
    """Store records of one type as one batch, of the first one's minute or of a partition's first."""
    data_type = next(name for name, kind in RECORD_TYPES.items() if isinstance(records[0], kind))
    minute = at(partition) if partition else record_time(records[0]) // MINUTE * MINUTE
    first, last = first_position(records[0]), last_position(records[-1])
    put_batch(store, exchange, Batch(data_type, market, minute, first, last, len(records), codec.encode(records)))
