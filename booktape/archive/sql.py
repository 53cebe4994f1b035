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
from booktape.archive.sql_tables import PUBLISHED_TABLES, RECORDED_TABLES, DayRange, SqlTable, SqlTables
from booktape.merge.sql_fragments import literals
from booktape.model.errors import InvalidInputError

_ROWS_AT_A_TIME: Final = 4096
_TABLES: Final = (*PUBLISHED_TABLES, *RECORDED_TABLES)
_NO_EXTENSIONS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_READ_ONLY: Final = "SQL can only read the archive's own tables"


class InvalidSqlError(InvalidInputError):
    """A statement is not a query, or fails. The text says why, in one line."""


@dataclass(frozen=True, slots=True)
class SqlResult:
    """The result of a query.

    :ivar types: DuckDB's type of each column; empty for Athena.
    :ivar rows: read while they are computed.
    """

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
    days: DayRange = (None, None),
    memory: str = "1GB",
) -> Iterator[SqlResult]:
    """Run a query on DuckDB. The result can be read for as long as the context lasts.

    :param url: the storage URL of the primary system; ``replica`` and ``publication`` are those of
        :class:`~booktape.archive.Archive`.
    :param days: the first and the last day, inclusive, whose files are read; all days by default.
    :param memory: the memory limit of DuckDB, in its notation (``1GB``).
    :raises InvalidSqlError: the statement is not a query over the archive's tables, or fails.
    """
    tables = SqlTables(open_catalog(url, replica, publication), days)
    with (
        TemporaryDirectory(prefix="booktape-sql-") as spilled,
        _duckdb_errors(),
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
    """Run a query on Athena, over the tables of ``booktape athena init``.

    The result can be read for as long as the context lasts.

    :param results: the ``s3://`` URL below which Athena writes its results.
    :raises InvalidSqlError: the statement is not one SELECT.
    :raises MergeFailedError: Athena refuses the query.
    :raises TransientError: Athena does not respond, or is busy.
    """
    _require_select(sql)
    from booktape.merge import athena_engine  # here, since DuckDB needs none of Amazon's libraries

    with athena_engine.cursor(results, database, workgroup) as cursor:
        cursor.execute(sql)
        columns = _distinct([name for name, *_ in cursor.description or ()])
        yield SqlResult(columns, {}, (tuple(row) for row in cursor))


def _names(connection: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    """The archive's tables that a query names. Raises :class:`InvalidSqlError` unless the statement only reads."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise InvalidSqlError(f"{_READ_ONLY}; give one SELECT, DESCRIBE, SUMMARIZE or SHOW TABLES")
    named = {name.lower() for name in connection.get_table_names(sql)}
    return [name for name in _TABLES if name in named]


def _provide(connection: duckdb.DuckDBPyConnection, tables: Sequence[SqlTable]) -> None:
    """Create the tables, and forbid access to anything else."""
    for objects in {objects.protocol: objects for table in tables for objects in table.file_systems}.values():
        connection.register_filesystem(objects)
    paths = literals(path for table in tables for path in table.paths)
    connection.execute(f"SET allowed_paths = [{paths}]")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    for table in tables:
        connection.execute(f"CREATE VIEW {table.name} AS {table.select}")


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := connection.fetchmany(_ROWS_AT_A_TIME):
        yield from rows


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Make the names of columns unique: ``a``, ``a_1``."""
    unique: list[str] = []
    for name in names:
        copies = (f"{name}_{number}" for number in count(1))
        unique.append(name if name not in unique else next(copy for copy in copies if copy not in unique))
    return tuple(unique)


@contextmanager
def _duckdb_errors() -> Iterator[None]:
    """Raise :class:`InvalidSqlError` in place of the errors of DuckDB, with one line of text."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise InvalidSqlError(
            "the query needs more memory than it may have: select less at once, or allow more"
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
    """Raise :class:`InvalidSqlError` unless the statement is one SELECT in Athena's dialect."""
    try:
        statements = sqlglot.parse(sql, read="athena")
    except SqlglotError as error:
        raise InvalidSqlError(_first_line(error)) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise InvalidSqlError(f"{_READ_ONLY}; give one SELECT")
