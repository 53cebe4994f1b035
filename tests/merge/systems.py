"""Systems' storage for tests: records put into it as a recorder would, and merged by both ways that must agree."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from glob import escape
from itertools import count
from pathlib import Path
from typing import Any, Final

import duckdb
from obstore.store import MemoryStore

from booktape.merge import Merge, Merged, NothingToMergeError, epochs, inputs, open_engine
from booktape.merge.reference import (
    PublishedRow,
    StoredRecord,
    merge_book,
    merge_derivative_ticker,
    merge_liquidations,
    merge_quotes,
    merge_trades,
)
from booktape.merge.statement import stored_types
from booktape.merge.tables import HEALED
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.csv import Row, csv_rows, csv_text
from booktape.model.parquet import PARQUET_COLUMNS as FULL_COLUMNS
from booktape.model.records import (
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
from booktape.model.resets import Resets
from booktape.store.layout import batch_key, parse_batch_key
from booktape.store.objects import Store, directory_of, open_store
from tests.merge.parquet_reference import ParquetRow, parquet_rows

PURE: Final[dict[str, Any]] = {
    TRADES: merge_trades,
    BOOK_UPDATES: merge_book,
    QUOTES: merge_quotes,
    DERIVATIVE_TICKER: merge_derivative_ticker,
    LIQUIDATIONS: merge_liquidations,
}
_NUMBERED: Final = (TRADES, BOOK_UPDATES, QUOTES)
_tokens = count()


def memory_store(name: str) -> Store:
    """A store in this process's memory, for tests that open very many."""
    return Store(f"memory:{name}", MemoryStore())  # type: ignore[arg-type]  # takes all calls that a Store makes


def at(day: date, microseconds: int = 0) -> int:
    """A time (µs) so long after a day's beginning."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND + microseconds


def read_result(merged: Merged | None) -> str:
    """The text of a finished merge's file."""
    assert merged is not None, "the query still runs"
    return Path(path_of(merged.url)).read_text()


def path_of(url: str) -> str:
    """The path of a local file."""
    path = directory_of(url)
    assert path is not None
    return str(path)


def read_full(data_type: str, *files: str) -> list[ParquetRow]:
    """The rows of a Parquet file, or of the parts of one, in the order of the columns and by market and position.

    A single file is read in the order in which its rows stand. DuckDB finds out from ``symbol=…`` folders what Athena
    leaves out of the files.
    """
    with duckdb.connect() as connection:
        order = " ORDER BY symbol, position" if len(files) > 1 else ""
        sql = f"SELECT * FROM read_parquet($files, hive_partitioning = {'/symbol=' in files[0]}){order}"
        found = connection.sql(sql, params={"files": [escape(file) for file in files]})
        assert set(found.columns) == set(FULL_COLUMNS[data_type])
        names = ", ".join(f'"{name}"' for name in FULL_COLUMNS[data_type])
        assert len(files) > 1 or tuple(found.columns) == FULL_COLUMNS[data_type]
        return [tuple(_plain(value) for value in row) for row in found.project(names).fetchall()]


def _plain(value: object) -> object:
    """Levels as plain Python has them."""
    if isinstance(value, list):
        return [tuple(item.values()) if isinstance(item, dict) else item for item in value]
    return value


def put_batch(store: Store, exchange: str, batch: Batch) -> None:
    """Store a batch as collectors do."""
    store.create(str(batch_key(batch, exchange)), codec.compress(batch.lines))


@dataclass(frozen=True)
class Systems:
    """Both systems' stores, where results go, and what was fetched over REST, where that can be had."""

    primary: Store
    replica: Store
    results: str
    rest: Store | None = None

    def merge_text(self, merge: Merge, *, threads: int = 2) -> str:
        """The CSV that DuckDB makes."""
        return read_result(self.merged(merge, threads=threads))

    def merged(self, merge: Merge, *, threads: int = 2) -> Merged:
        """What DuckDB makes."""
        engine = open_engine(
            "duckdb",
            primary=self.primary.url,
            replica=self.replica.url,
            results=self.results,
            memory="500MB",
            threads=threads,
        )
        merged = engine.poll(engine.start(merge, str(next(_tokens))))
        assert merged is not None
        return merged

    def reference_text(self, merge: Merge) -> str:
        """The CSV that plain Python makes."""
        return csv_text(merge.data_type, self.reference_rows(merge))

    def reference_rows(self, merge: Merge) -> Iterator[Row]:
        """The rows of the merge in plain Python."""
        for published in self.reference(merge):
            yield from csv_rows(merge.exchange, published.market, published.record)

    def reference_full(self, merge: Merge) -> list[ParquetRow]:
        """The Parquet file's rows in plain Python."""
        return list(parquet_rows(merge.exchange, self.reference(merge)))

    def reference(self, merge: Merge) -> list[PublishedRow[Any]]:
        """The merge in plain Python."""
        healed = [self.rest] if merge.data_type in HEALED and self.rest is not None else []
        stores = [self.primary, self.replica, *healed]
        resets = {"resets": self.resets(merge)} if merge.data_type in _NUMBERED else {}
        stored = (self.stored(store, merge) for store in stores)
        published: list[PublishedRow[Any]] = PURE[merge.data_type](merge.day, *stored, **resets)
        return published

    def resets(self, merge: Merge) -> Resets:
        """The sequence resets, as the merge finds them."""
        systems = {"primary": self.primary, "replica": self.replica, "rest": self.rest}
        try:
            pairs = inputs.require_markets(systems, merge)
        except NothingToMergeError:
            return {}
        return epochs.find_merge_resets(merge, inputs.find_inputs(systems, merge, pairs))

    def stored(self, store: Store, merge: Merge) -> list[StoredRecord[Any]]:
        """Everything that a system has stored for a data source, whatever the day."""
        found: list[StoredRecord[Any]] = []
        for data_type in stored_types(merge.data_type):
            for item in store.objects(f"{data_type}/exchange={merge.exchange}"):
                key = parse_batch_key(item.key)
                partition = datetime.fromtimestamp(key.minute // SECOND, UTC).date()
                records = codec.decode_records(data_type, store.read(item.key))
                found += [StoredRecord(key.market, partition, record, item.key) for record in records]
        return found

    def merge_rows(self, merge: Merge) -> list[tuple[str, ...]]:
        """The CSV's rows without header and exchange, after DuckDB and plain Python were found to agree on every byte.

        They must agree on the Parquet file too.
        """
        return self._merge_both(merge)[0]

    def merge_full(self, merge: Merge) -> list[dict[str, object]]:
        """The Parquet file's rows, after the same comparison."""
        return [dict(zip(FULL_COLUMNS[merge.data_type], row, strict=True)) for row in self._merge_both(merge)[1]]

    def _merge_both(self, merge: Merge) -> tuple[list[tuple[str, ...]], list[ParquetRow]]:
        merged = self.merged(merge)
        csv_text, full = read_result(merged), read_full(merge.data_type, path_of(merged.parquet[""]))
        assert csv_text == self.reference_text(merge)
        assert full == self.reference_full(merge)
        return [tuple(row[1:]) for row in csv.reader(csv_text.splitlines())][1:], full


def open_systems(root: Path) -> Systems:
    """Two empty systems below a directory, and an empty place for what is fetched over REST."""
    primary, replica, rest = (open_store(f"{root}/{name}") for name in ("primary", "replica", "primary/rest"))
    return Systems(primary, replica, f"{root}/results", rest)


def put(
    store: Store, *records: Record, market: str = "BTC-USDT", exchange: str = "binance", partition: date | None = None
) -> None:
    """Store records of one type as one batch, of the first one's minute or of a partition's first."""
    data_type = next(name for name, kind in RECORD_TYPES.items() if isinstance(records[0], kind))
    minute = at(partition) if partition else record_time(records[0]) // MINUTE * MINUTE
    first, last = first_position(records[0]), last_position(records[-1])
    put_batch(
        store, exchange, Batch(data_type, market, minute, first, last, len(records), codec.encode_records(records))
    )
