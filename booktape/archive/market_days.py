"""One market's day as Parquet files on this machine: the published ones, or merged from the minute objects."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from os import cpu_count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import duckdb

from booktape.archive.catalog import Catalog
from booktape.archive.errors import ReadFailedError
from booktape.archive.local_cache import Cache, Hashes
from booktape.archive.queries import duckdb_errors, scan, stream_rows
from booktape.integrity.certificate import MarketCertificate
from booktape.integrity.ordering import LATE
from booktape.merge import Merge, day_window
from booktape.merge.day_window import MergeWindow
from booktape.model.id_sets import Range
from booktape.model.records import BOOK_SNAPSHOTS, DAY, DERIVATIVE_TICKER, MINUTE
from booktape.model.timestamps import midnight
from booktape.store.layout import Run, checkpoints_key, parquet_key, parquet_market_prefix
from booktape.store.objects import Store

MARGIN: Final = LATE
"""How far around a stretch (µs) objects are read, and records looked at for what is missing."""

_HOUR: Final = 60 * MINUTE

Window = tuple[int, int]
"""A stretch of time in µs, half-open."""


class StreamKey(NamedTuple):
    """One market's data of one kind."""

    exchange: str
    market: str
    data_type: str


@dataclass(frozen=True, slots=True)
class RowSource:
    """The files of a day that are being read. ``void`` are numbers that the venue used up for trades of nothing."""

    table: str
    is_sorted: bool
    void: list[Range]
    database: duckdb.DuckDBPyConnection

    def select(self, columns: str, where: str = "true") -> Iterator[tuple[Any, ...]]:
        """Rows in the order of the day's file, a few thousand in memory at a time."""
        order = "" if self.is_sorted else " ORDER BY position"
        with self.database.cursor() as cursor:
            yield from stream_rows(cursor, f"SELECT {columns} FROM {self.table} WHERE {where}{order}")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The whole answer to a query, in which ``{table}`` stands for the rows."""
        with duckdb_errors(), self.database.cursor() as cursor:
            return cursor.execute(sql.format(table=self.table)).fetchall()


@dataclass(frozen=True, slots=True)
class Day:
    """One market's day: either published, or so far only recorded in some objects."""

    asked: StreamKey
    day: date
    run: Run | None
    recorded: MergeWindow | None

    @property
    def start(self) -> int:
        """Its midnight (µs)."""
        return midnight(self.day)

    @property
    def end(self) -> int:
        """The next one."""
        return self.start + DAY


class MarketDays:
    """Finds days and opens them. Thread-safe."""

    def __init__(self, library: Catalog, memory: str) -> None:
        self.library = library
        self._memory = memory
        self._threads = cpu_count() or 1
        self._hashes = Hashes(library.publication)
        self._is_closed = False
        self._directory = TemporaryDirectory(prefix="booktape-archive-")
        self._cache: Cache[list[int]] = Cache(Path(self._directory.name) / "files")
        spilled = f"{self._directory.name}/spilled"
        self._database = duckdb.connect(
            config={"memory_limit": memory, "threads": self._threads, "temp_directory": spilled}
        )

    def close(self) -> None:
        """Remove what was copied and merged."""
        self._is_closed = True
        self._database.close()
        self._directory.cleanup()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to what reads the files."""
        self._require_open()
        return self._database.cursor()

    def day(self, asked: StreamKey, day: date, window: Window) -> Day | None:
        """A day of a market, of which a stretch is wanted; None where nothing of it is there."""
        run = self.library.published(asked.exchange, asked.data_type, day)
        if run is not None:
            return Day(asked, day, run, None) if asked.market in self.library.certificate(run).markets else None
        start = midnight(day) if asked.data_type == DERIVATIVE_TICKER else max(window[0], midnight(day))
        minutes = range((start - MARGIN) // _HOUR * _HOUR, -(-(window[1] + MARGIN) // _HOUR) * _HOUR)
        merge = Merge(asked.exchange, asked.data_type, day)
        found = day_window.find_window(self.library.systems, merge, asked.market, minutes)
        return Day(asked, day, None, found) if found is not None else None

    @contextmanager
    def open(self, day: Day) -> Iterator[RowSource]:
        """A day's files, for as long as they are read."""
        self._require_open()
        with ExitStack() as stack:
            if day.run is not None:
                paths, folders = self._published(parquet_key(day.run), day.asked.market, stack)
                void = self.told(day).burned_ids.ranges
            else:
                assert day.recorded is not None, "a day is published or recorded"
                name = f"{'/'.join(day.asked)}/{day.day}/{day.recorded.fingerprint}.parquet"
                path, ids = stack.enter_context(self._cache.file(name, partial(self._merge, day.recorded)))
                paths, folders, void = [path], False, [(number, number) for number in ids]
            table = scan(paths, day.asked.market, folders=folders)
            yield RowSource(table, len(paths) == 1, void, self._database)

    @contextmanager
    def no_rows(self, asked: StreamKey, day: date) -> Iterator[RowSource]:
        """Files as those of a day of which nothing is there: they have its columns, and no row."""
        nothing = MergeWindow(Merge(asked.exchange, asked.data_type, day), asked.market, (), {})
        with self.open(Day(asked, day, None, nothing)) as source:
            yield source

    @contextmanager
    def checkpoints(self, day: Day) -> Iterator[RowSource | None]:
        """A published day's books in between; None where there are none."""
        with ExitStack() as stack:
            key = checkpoints_key(day.run) if day.run is not None else None
            if key is None or not self.library.publication.exists(key) or not self._hashes.told(key):
                yield None
                return
            paths, _ = self._published(key, day.asked.market, stack)
            yield RowSource(scan(paths, day.asked.market), True, [], self._database)

    def told(self, day: Day) -> MarketCertificate:
        """What the certificate tells of a published day's market."""
        assert day.run is not None, "only published days have a certificate"
        return self.library.certificate(day.run).markets[day.asked.market]

    def snapshot_minutes(self, asked: StreamKey, day: date) -> list[int]:
        """The minutes (µs) that objects with snapshots of a book begin in, the newest first."""
        minutes = self.library.stored_minutes(asked.exchange, asked.market, BOOK_SNAPSHOTS, day)
        return sorted(minutes, reverse=True)

    def _merge(self, found: MergeWindow, path: Path) -> list[int]:
        return day_window.write_window(found, path, self._memory, self._threads)

    def _published(self, key: str, market: str, stack: ExitStack) -> tuple[list[Path], bool]:
        """The local paths of a published file, or of a market's files in a folder; those of a bucket are copied."""
        store, told = self.library.publication, self._hashes.told(key)
        keys = [key]
        local = store.directory
        folder = (local / key).is_dir() if local is not None else not store.exists(key)
        if folder:
            below = parquet_market_prefix(key, market)
            here = {item.key for item in store.objects(below)}
            keys = sorted(here.union(name for name in told if name.startswith(below)))
        if local is not None:
            paths = [local / one for one in keys]
        else:
            copied = (self._cache.file(one, partial(_copy, store, one)) for one in keys)
            paths = [stack.enter_context(one)[0] for one in copied]
        if told:  # days that were published by an older version have no hashes
            for one, path in zip(keys, paths, strict=True):
                self._hashes.check(one, path, told.get(one))
        return paths, folder

    def _require_open(self) -> None:
        if self._is_closed:
            raise ReadFailedError("the archive was closed; open another one")


def _copy(store: Store, key: str, path: Path) -> list[int]:
    with path.open("wb") as file:
        for chunk in store.stream(key):
            file.write(chunk)
    return []
