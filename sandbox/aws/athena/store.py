"""What Athena remembers: databases, tables, work groups and queries."""

import contextlib
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
from sqlglot import exp

DEFAULT_DATABASE = "default"
CONCURRENT_QUERIES = 4


class QueryFailedError(Exception):
    """A query ended in FAILED. ``reason`` is Athena's text, which begins with an error name such as HIVE_CURSOR_ERROR.

    ``category`` is 1 for the system's errors and 2 for the user's; ``error_type`` is 200 for the engine's errors, 1000
    for the user's, 1001 for wrong data and 1003 for DDL (Athena User Guide, "Athena error catalog").
    """

    def __init__(self, reason: str, *, category: int = 2, error_type: int = 1000, retryable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.category = category
        self.error_type = error_type
        self.retryable = retryable


@dataclass(frozen=True)
class Column:
    """A column and its type, as DuckDB spells it."""

    name: str
    type: str

    @property
    def is_text(self) -> bool:
        return self.type.startswith(("TEXT", "VARCHAR", "CHAR"))


@dataclass(frozen=True)
class Table:
    """An external table of JSON lines.

    ``partitions`` are the partition columns, ``registered`` the partitions that MSCK or ADD PARTITION made known:
    the columns' values, and the location of each where it is not the default one. Projected tables need none.
    """

    database: str
    name: str
    columns: tuple[Column, ...]
    partitions: tuple[Column, ...]
    location: str
    properties: dict[str, str]
    ignores_malformed: bool
    registered: dict[tuple[str, ...], str | None] = field(default_factory=dict)

    @property
    def is_projected(self) -> bool:
        return self.properties.get("projection.enabled", "").strip().lower() == "true"


@dataclass(frozen=True)
class WorkGroup:
    """A work group; with ``enforced`` its output location overrides that of a query."""

    name: str
    created_at: datetime
    output_location: str | None = None
    enforced: bool = False
    description: str = ""


@dataclass(frozen=True)
class Unload:
    """``UNLOAD (query) TO 'target' WITH (...)``; the last columns are those that it is partitioned by."""

    query: exp.Query
    target: str
    properties: dict[str, str]
    partitioned_by: tuple[str, ...]


@dataclass
class Query:
    """One query execution. ``output`` is the URL of its result file."""

    id: str
    sql: str
    statement: exp.Expr | Unload
    database: str
    work_group: str
    output: str
    submitted_at: datetime
    state: str = "QUEUED"
    failure: QueryFailedError | None = None
    completed_at: datetime | None = None
    scanned_bytes: int = 0
    engine_millis: int = 0
    result_columns: list[tuple[str, str]] = field(default_factory=list)
    connection: duckdb.DuckDBPyConnection | None = None

    @property
    def is_select(self) -> bool:
        return isinstance(self.statement, exp.Query)

    @property
    def is_unload(self) -> bool:
        return isinstance(self.statement, Unload)

    @property
    def is_ddl(self) -> bool:
        return not self.is_select and not self.is_unload

    @property
    def manifest(self) -> str:
        """The URL of the list of the files that an UNLOAD wrote."""
        return f"{self.output.removesuffix('.csv')}-manifest.csv"

    def interrupt(self) -> None:
        """Stop the engine, if it works on this query."""
        connection = self.connection
        if connection is not None:
            with contextlib.suppress(duckdb.ConnectionException):  # It was closed in this very moment.
                connection.interrupt()

    @property
    def is_finished(self) -> bool:
        return self.completed_at is not None


class AthenaStore:
    """All of it, with the threads that run queries and the directory that caches S3 objects."""

    def __init__(self) -> None:
        self.databases: dict[str, dict[str, Table]] = {DEFAULT_DATABASE: {}}
        self.work_groups: dict[str, WorkGroup] = {}
        self.queries: dict[str, Query] = {}
        self.tokens: dict[str, str] = {}
        self.tables_lock = threading.Lock()
        self.pool = ThreadPoolExecutor(CONCURRENT_QUERIES, thread_name_prefix="athena")
        self._directory = tempfile.TemporaryDirectory(prefix="booktape-athena-")

    @property
    def directory(self) -> Path:
        return Path(self._directory.name)

    def find_table(self, database: str, name: str) -> Table:
        """Return a table, whose names are case-insensitive. Raises QueryFailed."""
        with self.tables_lock:
            try:
                return self.databases[database.lower()][name.lower()]
            except KeyError as error:
                where = f"awsdatacatalog.{database}.{name}".lower()
                raise QueryFailedError(f"TABLE_NOT_FOUND: Table '{where}' does not exist") from error

    def close(self) -> None:
        """Stop the queries and remove the cache."""
        for query in list(self.queries.values()):
            query.interrupt()
        self.pool.shutdown(cancel_futures=True)
        self._directory.cleanup()
