"""The tables that SQL over an archive can name, as DuckDB's views over the files of which they are made.

``trades``, ``book_updates``, … are the published records: of each day the newest run that is done. ``recorded_trades``,
… are the objects as they were stored, copies and all.
"""

from collections import defaultdict
from contextlib import suppress
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlglot
from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # fsspec has no types

from booktape.archive.catalog import Catalog
from booktape.integrity.certificate import InvalidCertificateError, parse_certificate
from booktape.merge.sql_fragments import literal
from booktape.merge.tables import COLUMNS, systems_of
from booktape.model.csv import PUBLISHED
from booktape.model.errors import BooktapeError
from booktape.model.timestamps import day_of
from booktape.store.layout import (
    DONE,
    PARTITIONS,
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

Days = tuple[date | None, date | None]
"""The first and the last day; None where there is no bound."""


class UnknownTableError(BooktapeError):
    """There are no files of which a table could be made."""


class Objects(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A bucket's objects as files for DuckDB, which reads the parts of them that it needs."""

    cachable = False

    def __init__(self, protocol: str, store: Store) -> None:
        super().__init__()
        self.protocol = protocol
        self._store = store
        self._objects: dict[str, StoredObject] = {}

    def add(self, found: StoredObject) -> str:
        """Make an object known; its path."""
        path = f"{self.protocol}://{found.key}"
        self._objects[path] = found
        return path

    def _open(self, path: str, mode: str = "rb", **options: Any) -> "ReadableFile":
        return self._store.open(self._objects[path].key)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """What fsspec wants to know of a file."""
        return {"name": path, "size": self._objects[path].size, "type": "file"}

    def modified(self, path: str) -> datetime:
        """When an object was stored."""
        return self._objects[path].modified

    def glob(self, path: str, **options: Any) -> list[str]:
        """Paths are named one by one: nothing in them is a pattern."""
        return [path]


class Table(NamedTuple):
    """A view: its name and SELECT, the paths of its files, and what reads those of them that are in buckets."""

    name: str
    select: str
    paths: list[str]
    file_systems: list[Objects]


class Tables:
    """An archive's tables, of the days given."""

    def __init__(self, library: Catalog, days: Days = (None, None)) -> None:
        self._library = library
        self._first, self._last = days
        self._file_systems: dict[str, Objects] = {}

    def table(self, name: str) -> Table:
        """One of :data:`PUBLISHED_TABLES` or :data:`RECORDED_TABLES`. Raises :class:`UnknownTableError`."""
        select, paths = self._published(name) if name in PUBLISHED else self._recorded(name.removeprefix(_RECORDED))
        return Table(name, select, paths, list(self._file_systems.values()))

    def published(self) -> list[Table]:
        """Those of the published records that there are."""
        found = []
        for name in PUBLISHED_TABLES:
            with suppress(UnknownTableError):
                found.append(self.table(name))
        return found

    def _published(self, data_type: str) -> tuple[str, list[str]]:
        store = self._library.publication
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
                f"ask {_RECORDED}{data_type} for what is recorded"
            )
        read = [_read_parquet(paths, folders=paths is parts) for paths in (files, parts) if paths]
        return " UNION ALL BY NAME ".join(read), files + parts

    def _recorded(self, data_type: str) -> tuple[str, list[str]]:
        paths: dict[str, list[str]] = defaultdict(list)
        for system in systems_of(data_type):
            store = self._library.systems.get(system)
            for found in store.objects(data_type_prefix(data_type)) if store is not None else ():
                if store is not None and self._is_wanted(found.key):
                    paths[system].append(self._path(system, store, found))
        if not paths:
            raise UnknownTableError(f"no {data_type} are recorded in {self._library.store.url}{self._when}")
        read = [_read_json(data_type, system, found) for system, found in paths.items()]
        return " UNION ALL ".join(read), [path for found in paths.values() for path in found]

    @cached_property
    def _runs(self) -> dict[str, list[Run]]:
        """The newest finished run of each day, by source."""
        newest: dict[tuple[str, date], Run] = {}
        for found in self._library.store.objects(runs_prefix()):
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
        """What each source holds, as the certificate of its last day tells; None where there is none."""
        return {source: self._certified(max(runs, key=lambda run: run.day)) for source, runs in self._runs.items()}

    def _certified(self, run: Run) -> str | None:
        key = published_certificate_key(run)
        try:
            return parse_certificate(self._library.publication.read(key)).data_type
        except ObjectNotFoundError:
            return None
        except InvalidCertificateError as error:
            raise UnknownTableError(
                f"{self._library.publication.url}/{key} cannot be read: {error}; restore it"
            ) from error

    def _path(self, name: str, store: Store, found: StoredObject) -> str:
        """The path by which DuckDB reads an object."""
        if store.directory is not None:
            return str(store.directory / found.key)
        return self._file_systems.setdefault(name, Objects(name, store)).add(found)

    def _is_wanted(self, key: str) -> bool:
        """Whether it is the key of an object of the days wanted. What the merge does not read is no row either."""
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


def _read_parquet(paths: list[str], *, folders: bool) -> str:
    """``union_by_name``: later versions may have columns that earlier ones had not."""
    return (
        f"SELECT * FROM read_parquet({_list(paths)}, union_by_name = true, hive_partitioning = {folders}, "
        "hive_types_autocast = false)"
    )


def _read_json(data_type: str, system: str, paths: list[str]) -> str:
    fields = COLUMNS[data_type]
    columns = ", ".join(f"{literal(name)}: {literal(_type(kind))}" for name, kind in fields.items())
    partitions = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in PARTITIONS)
    return (
        f"SELECT exchange, pair AS symbol, {', '.join(fields)}, {literal(system)} AS system "
        f"FROM read_json({_list(paths)}, format = 'newline_delimited', compression = 'gzip', "
        f"columns = {{{columns}}}, hive_partitioning = true, hive_types = {{{partitions}}})"
    )


def _list(paths: list[str]) -> str:
    return f"[{', '.join(map(literal, sorted(paths)))}]"


def _type(kind: str) -> str:
    return sqlglot.exp.DataType.build(kind, dialect="athena").sql("duckdb")
