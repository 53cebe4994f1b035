"""The tables of the SQL over an archive: DuckDB views over the files that hold their rows.

``trades``, ``book_updates``, … are the published records, each day's by its newest finished run. ``recorded_trades``, …
are the batches as they are stored, duplicates included.
"""

from collections import defaultdict
from contextlib import suppress
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # fsspec has no types

from booktape.archive.catalog import Catalog
from booktape.integrity.certificate import InvalidCertificateError
from booktape.integrity.certificate_reader import parse_certificate
from booktape.merge.sql_fragments import literal, read_parquet, read_stored
from booktape.merge.tables import COLUMNS, systems_of
from booktape.model.csv import PUBLISHED
from booktape.model.errors import NotAvailableError
from booktape.model.timestamps import day_of
from booktape.store.layout import (
    DONE,
    InvalidKeyError,
    Run,
    data_type_prefix,
    parquet_key,
    parquet_root,
    parse_batch_key,
    parse_manifest_key,
    published_certificate_key,
    published_prefix,
    runs_prefix,
)
from booktape.store.objects import ObjectNotFoundError, Store, StoredObject

if TYPE_CHECKING:
    from obstore import ReadableFile

PUBLISHED_TABLES: Final = tuple(PUBLISHED)
_RECORDED: Final = "recorded_"
RECORDED_TABLES: Final = tuple(f"{_RECORDED}{data_type}" for data_type in COLUMNS)

_PUBLICATION: Final = "publication"

DayRange = tuple[date | None, date | None]
"""The first and the last day, inclusive; None for no bound."""


class UnknownTableError(NotAvailableError):
    """A table has no files."""


class ObjectFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The objects of a bucket as files for DuckDB, which fetches the parts that it needs."""

    cachable = False

    def __init__(self, protocol: str, store: Store) -> None:
        super().__init__()
        self.protocol = protocol
        self._store = store
        self._objects: dict[str, StoredObject] = {}

    def add(self, stored: StoredObject) -> str:
        """Add an object; returns its path."""
        path = f"{self.protocol}://{stored.key}"
        self._objects[path] = stored
        return path

    def _open(self, path: str, mode: str = "rb", **options: Any) -> "ReadableFile":
        return self._store.open(self._objects[path].key)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """A file's description, as fsspec defines it."""
        return {"name": path, "size": self._objects[path].size, "type": "file"}

    def modified(self, path: str) -> datetime:
        """When an object was stored, by the bucket."""
        return self._objects[path].modified

    def glob(self, path: str, **options: Any) -> list[str]:
        """The path itself: SQL names every file, and no pattern."""
        return [path]


class SqlTable(NamedTuple):
    """A view: its name, its SELECT, the paths of its files, and the file systems of those in buckets."""

    name: str
    select: str
    paths: list[str]
    file_systems: list[ObjectFileSystem]


class SqlTables:
    """The tables of an archive, restricted to a range of days."""

    def __init__(self, catalog: Catalog, days: DayRange = (None, None)) -> None:
        self._catalog = catalog
        self._first, self._last = days
        self._file_systems: dict[str, ObjectFileSystem] = {}

    def table(self, name: str) -> SqlTable:
        """A table of :data:`PUBLISHED_TABLES` or :data:`RECORDED_TABLES`. Raises :class:`UnknownTableError`."""
        select, paths = self._published(name) if name in PUBLISHED else self._recorded(name.removeprefix(_RECORDED))
        return SqlTable(name, select, paths, list(self._file_systems.values()))

    def published(self) -> list[SqlTable]:
        """The tables of published records that have files."""
        tables = []
        for name in PUBLISHED_TABLES:
            with suppress(UnknownTableError):
                tables.append(self.table(name))
        return tables

    def _published(self, data_type: str) -> tuple[str, list[str]]:
        store = self._catalog.publication
        files: list[str] = []
        parts: list[str] = []
        for source, runs in self._runs.items():
            if self._data_types[source] != data_type:
                continue
            roots = {parquet_key(run) for run in runs}
            for found in store.objects(published_prefix(source)):
                root = parquet_root(found.key)
                if root in roots:
                    (files if found.key == root else parts).append(self._path(_PUBLICATION, store, found))
        if not files and not parts:
            raise UnknownTableError(
                f"no {data_type} are published in {store.url}{self._when}: publish a day with `booktape nightly`, or "
                f"select from {_RECORDED}{data_type}, which has the recorded batches"
            )
        selects = [_select_published(paths, in_folders=paths is parts) for paths in (files, parts) if paths]
        return " UNION ALL BY NAME ".join(selects), files + parts

    def _recorded(self, data_type: str) -> tuple[str, list[str]]:
        paths: dict[str, list[str]] = defaultdict(list)
        for system in systems_of(data_type):
            store = self._catalog.systems.get(system)
            for found in store.objects(data_type_prefix(data_type)) if store is not None else ():
                if store is not None and self._is_wanted(found.key):
                    paths[system].append(self._path(system, store, found))
        if not paths:
            raise UnknownTableError(f"no {data_type} are recorded in {self._catalog.store.url}{self._when}")
        selects = [_select_recorded(data_type, system, of_system) for system, of_system in paths.items()]
        return " UNION ALL ".join(selects), [path for of_system in paths.values() for path in of_system]

    @cached_property
    def _runs(self) -> dict[str, list[Run]]:
        """The newest finished run of each day, by source."""
        newest: dict[tuple[str, date], Run] = {}
        for found in self._catalog.store.objects(runs_prefix()):
            try:
                run, name = parse_manifest_key(found.key)
            except InvalidKeyError:  # another program's object
                continue
            if name == DONE and self._holds(run.day):
                known = newest.get((run.source, run.day), run)
                newest[run.source, run.day] = max(known, run, key=lambda one: one.number)
        runs: defaultdict[str, list[Run]] = defaultdict(list)
        for (source, _), run in newest.items():
            runs[source].append(run)
        return runs

    @cached_property
    def _data_types(self) -> dict[str, str | None]:
        """The data type of each source, by the certificate of its last day; None where it has no certificate."""
        return {source: self._data_type_of(max(runs, key=lambda run: run.day)) for source, runs in self._runs.items()}

    def _data_type_of(self, run: Run) -> str | None:
        key = published_certificate_key(run)
        try:
            return parse_certificate(self._catalog.publication.read(key)).data_type
        except ObjectNotFoundError:
            return None
        except InvalidCertificateError as error:
            raise UnknownTableError(
                f"{self._catalog.publication.url}/{key} cannot be read: {error}; restore it"
            ) from error

    def _path(self, name: str, store: Store, found: StoredObject) -> str:
        """The path under which DuckDB reads an object."""
        if store.directory is not None:
            return str(store.directory / found.key)
        return self._file_systems.setdefault(name, ObjectFileSystem(name, store)).add(found)

    def _is_wanted(self, key: str) -> bool:
        """Whether a key is that of a batch of the wanted days. The merge ignores other objects too."""
        try:
            return self._holds(day_of(parse_batch_key(key).minute))
        except InvalidKeyError:
            return False

    def _holds(self, day: date) -> bool:
        return (self._first is None or self._first <= day) and (self._last is None or day <= self._last)

    @property
    def _when(self) -> str:
        since = f" from {self._first}" if self._first is not None else ""
        return since + (f" to {self._last}" if self._last is not None else "")


def _select_published(paths: list[str], *, in_folders: bool) -> str:
    """The SELECT of published files. ``union_by_name``: later versions may have columns that earlier ones had not."""
    return f"SELECT * FROM {read_parquet(sorted(paths), market_in_path=in_folders, union_by_name=True, escape=False)}"


def _select_recorded(data_type: str, system: str, paths: list[str]) -> str:
    fields = ", ".join(COLUMNS[data_type])
    return (
        f"SELECT exchange, pair AS symbol, {fields}, {literal(system)} AS system "
        f"FROM {read_stored(data_type, sorted(paths), escape=False)}"
    )
