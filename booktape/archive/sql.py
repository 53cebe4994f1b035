"""SQL over an archive, read-only: DuckDB over its files, or Amazon Athena over its buckets.

DuckDB sees nothing but the archive's files: it cannot reach others, write, load extensions or change its settings.
Source: DuckDB's documentation, "Securing DuckDB" (``enable_external_access``, ``allowed_paths``,
``lock_configuration``).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from booktape.archive.catalog import open_catalog
from booktape.archive.sql_tables import PUBLISHED_TABLES, RECORDED_TABLES, Days, Table, Tables
from booktape.merge.sql_fragments import literal
from booktape.model.errors import BooktapeError

_AT_ONCE: Final = 4096
_TABLES: Final = (*PUBLISHED_TABLES, *RECORDED_TABLES)
_NO_EXTENSIONS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_READ_ONLY: Final = "SQL can only read the archive's own tables"


class InvalidSqlError(BooktapeError):
    """SQL that cannot be answered. Its text says why, in one line."""


@dataclass(frozen=True, slots=True)
class SqlResult:
    """What a query gave. ``types`` are DuckDB's, by column, where it told them; rows come as they are computed."""

    columns: tuple[str, ...]
    types: Mapping[str, str]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def query_archive(
    url: str,
    sql: str,
    *,
    replica: str | None = None,
    publication: str | None = None,
    days: Days = (None, None),
    memory: str = "1GB",
) -> Iterator[SqlResult]:
    """Ask DuckDB, for as long as the answer is read. Raises :class:`InvalidSqlError`.

    :param url: where the primary system stores; ``replica`` and ``publication`` as of
        :class:`~booktape.archive.Archive`.
    :param days: the first and the last day whose files are looked at; all of them, unless given.
    """
    tables = Tables(open_catalog(url, replica, publication), days)
    with (
        TemporaryDirectory(prefix="booktape-sql-") as spilled,
        _explained(),
        duckdb.connect(config=_NO_EXTENSIONS | {"memory_limit": memory, "temp_directory": spilled}) as connection,
    ):
        names = _names(connection, sql)
        _provide(connection, [tables.table(name) for name in names] if names else tables.published())
        connection.execute(sql)
        described = connection.description or []
        columns = _distinct([name for name, *_ in described])
        types = {column: str(kind) for column, (_, kind, *_) in zip(columns, described, strict=True)}
        yield SqlResult(columns, types, _rows(connection))


@contextmanager
def query_athena(sql: str, *, results: str, database: str, workgroup: str) -> Iterator[SqlResult]:
    """Ask Athena over the tables that ``booktape athena init`` made, for as long as the answer is read.




    Raises :class:`InvalidSqlError`, :class:`~booktape.merge.MergeFailedError`, or
    :class:`~booktape.model.errors.TransientError`.
    """
    _require_select(sql)
    from booktape.merge import athena_engine  # here, since DuckDB needs none of Amazon's libraries

    with athena_engine.cursor(results, database, workgroup) as cursor:
        cursor.execute(sql)
        columns = _distinct([name for name, *_ in cursor.description or ()])
        yield SqlResult(columns, {}, (tuple(row) for row in cursor))


def _names(connection: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    """The archive's tables that a query names. Raises :class:`InvalidSqlError` unless it only reads."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise InvalidSqlError(f"{_READ_ONLY}; give one SELECT, DESCRIBE, SUMMARIZE or SHOW TABLES")
    named = {name.lower() for name in connection.get_table_names(sql)}
    return [name for name in _TABLES if name in named]


def _provide(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Make the tables, and close every door beside them."""
    for objects in {objects.protocol: objects for table in tables for objects in table.file_systems}.values():
        connection.register_filesystem(objects)
    paths = ", ".join(literal(path) for table in tables for path in table.paths)
    connection.execute(f"SET allowed_paths = [{paths}]")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    for table in tables:
        connection.execute(f"CREATE VIEW {table.name} AS {table.select}")


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := connection.fetchmany(_AT_ONCE):
        yield from rows


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names of columns of which no two are the same: ``a``, ``a_1``."""
    found: list[str] = []
    for name in names:
        copies = (f"{name}_{number}" for number in count(1))
        found.append(name if name not in found else next(copy for copy in copies if copy not in found))
    return tuple(found)


@contextmanager
def _explained() -> Iterator[None]:
    """DuckDB's errors in one line each."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise InvalidSqlError(
            "the query needs more memory than it may have: ask for less at once, or allow more"
        ) from error
    except duckdb.PermissionException as error:
        raise InvalidSqlError(f"{_READ_ONLY}: {_first_line(error)}") from error
    except duckdb.CatalogException as error:
        raise InvalidSqlError(f"{_first_line(error)} Tables are {', '.join(_TABLES)}") from error
    except duckdb.Error as error:
        raise InvalidSqlError(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _require_select(sql: str) -> None:
    """Raise :class:`InvalidSqlError` unless it is one SELECT in Athena's dialect."""
    try:
        statements = sqlglot.parse(sql, read="athena")
    except SqlglotError as error:
        raise InvalidSqlError(_first_line(error)) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise InvalidSqlError(f"{_READ_ONLY}; give one SELECT")
