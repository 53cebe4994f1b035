"""One market's day as Parquet files on this machine: copies of the published ones, or merged from stored batches.

Published files are checked against the hashes beside them before they are read: DuckDB reads most damage as data.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from hashlib import file_digest
from os import cpu_count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Final, Generic, NamedTuple, TypeVar

import duckdb

from booktape.archive.catalog import Catalog, StreamKey
from booktape.archive.errors import ReadFailedError
from booktape.archive.queries import duckdb_errors, select_market, stream_rows
from booktape.integrity.certificate import MarketCertificate
from booktape.integrity.ordering import LATE
from booktape.merge import Merge, day_window
from booktape.merge.day_window import MergeWindow
from booktape.model.id_sets import Range
from booktape.model.records import BOOK_SNAPSHOTS, DAY, DERIVATIVE_TICKER, MINUTE
from booktape.model.timestamps import day_of, midnight
from booktape.store.layout import Run, checkpoints_key, hash_key, parquet_key, parquet_market_prefix
from booktape.store.objects import ObjectNotFoundError, Store

MARGIN: Final = LATE
"""How far beyond a window (µs) objects are read and records are checked for gaps."""

_HOUR: Final = 60 * MINUTE

Window = tuple[int, int]
"""A half-open range of time in µs."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RowSource:
    """The open files of one market's day.

    :ivar table: what SQL selects the rows from.
    :ivar is_sorted: whether the rows come in the order of the day's file without being sorted.
    :ivar burned: the ids that the exchange used for trades with no amount, which are not published.
    """

    table: str
    is_sorted: bool
    burned: list[Range]
    database: duckdb.DuckDBPyConnection

    def select(self, columns: str, where: str = "true") -> Iterator[tuple[Any, ...]]:
        """Read rows in the order of the day's file, a few thousand in memory at a time."""
        order = "" if self.is_sorted else " ORDER BY position"
        with self.database.cursor() as cursor:
            yield from stream_rows(cursor, f"SELECT {columns} FROM {self.table} WHERE {where}{order}")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query, in which ``{table}`` stands for the rows, and read its whole result."""
        with duckdb_errors(), self.database.cursor() as cursor:
            return cursor.execute(sql.format(table=self.table)).fetchall()


@dataclass(frozen=True, slots=True)
class MarketDay:
    """One market's day: published by a run, or so far recorded in some objects."""

    stream: StreamKey
    day: date
    run: Run | None
    recorded: MergeWindow | None


class OpenedDay(NamedTuple):
    """A day of a window, by its midnight (µs), with its files; None for a day without records."""

    start: int
    day: MarketDay | None
    source: RowSource | None


class DayFiles:
    """Finds days and opens them. Thread-safe.

    Copies and merged files lie in a temporary directory until :meth:`close`.

    :param memory: the memory limit of DuckDB, in its notation (``1GB``).
    """

    def __init__(self, catalog: Catalog, memory: str) -> None:
        self.catalog = catalog
        self._memory = memory
        self._threads = cpu_count() or 1
        self._hashes = PublishedHashes(catalog.publication)
        self._is_closed = False
        self._directory = TemporaryDirectory(prefix="booktape-archive-")
        self._cache: FileCache[list[int]] = FileCache(Path(self._directory.name) / "files")
        spilled = f"{self._directory.name}/spilled"
        self._database = duckdb.connect(
            config={"memory_limit": memory, "threads": self._threads, "temp_directory": spilled}
        )

    def close(self) -> None:
        """Remove the temporary files. Reads that are under way fail."""
        self._is_closed = True
        self._database.close()
        self._directory.cleanup()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A new cursor of the database that reads the files."""
        self._check_open()
        return self._database.cursor()

    def find(self, stream: StreamKey, day: date, window: Window) -> MarketDay | None:
        """Find a day's files; None where it has none.

        :param window: the time that is read. Of a day that is not published, only the objects around it are merged.
        """
        run = self.catalog.published(stream.exchange, stream.data_type, day)
        if run is not None:
            is_there = stream.market in self.catalog.certificate(run).markets
            return MarketDay(stream, day, run, None) if is_there else None
        start = midnight(day) if stream.data_type == DERIVATIVE_TICKER else max(window[0], midnight(day))
        minutes = range((start - MARGIN) // _HOUR * _HOUR, -(-(window[1] + MARGIN) // _HOUR) * _HOUR)
        merge = Merge(stream.exchange, stream.data_type, day)
        recorded = day_window.find_window(self.catalog.systems, merge, stream.market, minutes)
        return MarketDay(stream, day, None, recorded) if recorded is not None else None

    @contextmanager
    def open(self, day: MarketDay) -> Iterator[RowSource]:
        """Open a day's files for as long as the context lasts."""
        self._check_open()
        with ExitStack() as stack:
            if day.run is not None:
                paths, in_folders = self._published(parquet_key(day.run), day.stream.market, stack)
                burned = self.certified(day).burned_ids.ranges
            else:
                assert day.recorded is not None, "a day is published or recorded"
                name = f"{'/'.join(day.stream)}/{day.day}/{day.recorded.fingerprint}.parquet"
                path, ids = stack.enter_context(self._cache.file(name, partial(self._merge, day.recorded)))
                paths, in_folders, burned = [path], False, [(number, number) for number in ids]
            table = select_market(paths, day.stream.market, in_folders=in_folders)
            yield RowSource(table, len(paths) == 1, burned, self._database)

    @contextmanager
    def open_at(self, stream: StreamKey, start: int, window: Window) -> Iterator[OpenedDay]:
        """Find and open the day that begins at a midnight (µs), to read the part of a window that lies in it."""
        with ExitStack() as stack:
            day = self.find(stream, day_of(start), clip(window, start))
            yield OpenedDay(start, day, stack.enter_context(self.open(day)) if day is not None else None)

    @contextmanager
    def open_empty(self, stream: StreamKey, day: date) -> Iterator[RowSource]:
        """Open files with the columns of a stream and no row."""
        nothing = MergeWindow(Merge(stream.exchange, stream.data_type, day), stream.market, (), {})
        with self.open(MarketDay(stream, day, None, nothing)) as source:
            yield source

    @contextmanager
    def open_checkpoints(self, day: MarketDay) -> Iterator[RowSource | None]:
        """Open a published day's checkpoints; None where it has none."""
        with ExitStack() as stack:
            key = checkpoints_key(day.run) if day.run is not None else None
            if key is None or not self.catalog.publication.exists(key) or not self._hashes.read(key):
                yield None
                return
            paths, _ = self._published(key, day.stream.market, stack)
            yield RowSource(select_market(paths, day.stream.market), True, [], self._database)

    def certified(self, day: MarketDay) -> MarketCertificate:
        """The market's entry in the certificate of a published day."""
        assert day.run is not None, "only a published day has a certificate"
        return self.catalog.certificate(day.run).markets[day.stream.market]

    def snapshot_minutes(self, stream: StreamKey, day: date) -> list[int]:
        """The minutes (µs) in which objects with snapshots of a book begin, the newest first."""
        return sorted(self.catalog.minutes(BOOK_SNAPSHOTS, stream.exchange, stream.market, day), reverse=True)

    def _merge(self, recorded: MergeWindow, path: Path) -> list[int]:
        return day_window.write_window(recorded, path, self._memory, self._threads)

    def _published(self, key: str, market: str, stack: ExitStack) -> tuple[list[Path], bool]:
        """The local paths of a published file, or of a market's files in a folder; those in a bucket are copied."""
        store, expected = self.catalog.publication, self._hashes.read(key)
        keys = [key]
        local = store.directory
        is_folder = (local / key).is_dir() if local is not None else not store.exists(key)
        if is_folder:
            below = parquet_market_prefix(key, market)
            there = {item.key for item in store.objects(below)}
            keys = sorted(there.union(name for name in expected if name.startswith(below)))
        if local is not None:
            paths = [local / one for one in keys]
        else:
            copies = (self._cache.file(one, partial(_copy, store, one)) for one in keys)
            paths = [stack.enter_context(one)[0] for one in copies]
        if expected:  # days that an early version published have no hashes
            for one, path in zip(keys, paths, strict=True):
                self._hashes.check(one, path, expected.get(one))
        return paths, is_folder

    def _check_open(self) -> None:
        if self._is_closed:
            raise ReadFailedError("the archive was closed; open another one")


def midnights(window: Window) -> list[int]:
    """The midnights (µs) of the days in which a window lies."""
    first, last = (midnight(day_of(max(time, 0))) for time in (window[0], window[1] - 1))
    return list(range(first, last + 1, DAY))


def clip(window: Window, start: int) -> Window:
    """The part of a window that lies in the day that begins at a midnight (µs)."""
    return max(window[0], start), min(window[1], start + DAY)


def _copy(store: Store, key: str, path: Path) -> list[int]:
    with path.open("wb") as file:
        for chunk in store.stream(key):
            file.write(chunk)
    return []


class PublishedHashes:
    """Checks published files against the hashes beside them. A file is read again only when it changes. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sound: dict[Path, tuple[int, int, str]] = {}

    def read(self, key: str) -> dict[str, str]:
        """The hashes of a published file, or of all files of a folder, by their keys; empty where none are stored."""
        try:
            lines = self._store.read(hash_key(key)).decode("utf-8", "replace").splitlines()
        except ObjectNotFoundError:
            return {}
        folder = f"{key.rpartition('/')[0]}/"
        return {f"{folder}{name}": digest for digest, _, name in (line.partition("  ") for line in lines)}

    def check(self, key: str, path: Path, expected: str | None) -> None:
        """Raise :class:`ReadFailedError` unless a local file has its published hash (None: it was not published)."""
        url = f"{self._store.url}/{key}"
        if expected is None:
            raise ReadFailedError(f"{url} is not among the files that were published: move it away")
        try:
            stat = path.stat()
            state = stat.st_size, stat.st_mtime_ns, expected
            if self._sound.get(path) == state:
                return
            with path.open("rb") as file:
                actual = file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ReadFailedError(f"{url} cannot be read: {error.strerror}; restore it") from error
        if actual != expected:
            raise ReadFailedError(f"{url} has another SHA-256 than when it was published; restore it")
        self._sound[path] = state


MOST_BYTES: Final = 8 * 1024**3


class _CachedFile(NamedTuple, Generic[T]):
    path: Path
    bytes: int
    note: T


class FileCache(Generic[T]):
    """A directory of files by name, each with a note. The least recently used files are removed first.

    Files that are being read stay, so the size may exceed the bound by those. Thread-safe; it makes one file at a time.
    """

    def __init__(self, directory: Path, most_bytes: int = MOST_BYTES) -> None:
        self._directory = directory
        self._most = most_bytes
        self._lock = Lock()
        self._files: OrderedDict[str, _CachedFile[T]] = OrderedDict()
        self._readers: dict[str, int] = {}

    @contextmanager
    def file(self, name: str, make: Callable[[Path], T]) -> Iterator[tuple[Path, T]]:
        """The path and the note of a file, for as long as the context lasts.

        :param make: writes the file to a path and returns its note; called unless the file is cached.
        """
        with self._lock:
            cached = self._files.get(name) or self._make(name, make)
            self._files.move_to_end(name)
            self._readers[name] = self._readers.get(name, 0) + 1
        try:
            yield cached.path, cached.note
        finally:
            with self._lock:
                self._readers[name] -= 1
                self._shrink()

    def _make(self, name: str, make: Callable[[Path], T]) -> _CachedFile[T]:
        path = self._directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            note = make(path)
            made = self._files[name] = _CachedFile(path, path.stat().st_size, note)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise ReadFailedError(
                f"{self._directory} cannot be written: {error.strerror}; make room, or set TMPDIR to another directory"
            ) from error
        self._shrink(keep=name)
        return made

    def _shrink(self, keep: str | None = None) -> None:
        size = sum(cached.bytes for cached in self._files.values())
        for name in list(self._files):
            if size <= self._most:
                return
            if name == keep or self._readers.get(name):
                continue
            cached = self._files.pop(name)
            self._readers.pop(name, None)
            cached.path.unlink(missing_ok=True)
            size -= cached.bytes
