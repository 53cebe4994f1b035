"""Running a query: Athena's SQL translated by sqlglot, run by DuckDB over the objects that its tables consist of."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import duckdb
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sandbox.aws import objects
from sandbox.aws.athena import ddl, results, unload
from sandbox.aws.athena.cache import local_copy
from sandbox.aws.athena.partitions import Layout, is_injected, is_projected_value
from sandbox.aws.athena.predicates import Scan, find_scans
from sandbox.aws.athena.store import AthenaStore, Query, QueryFailedError, Table, Unload
from sandbox.aws.objects import ObjectInfo

# How DuckDB's errors are called in Athena. The first that fits counts.
_REASONS: list[tuple[type[duckdb.Error], str, str, int]] = [
    (duckdb.InvalidInputException, "Malformed JSON", "HIVE_CURSOR_ERROR: Row is not a valid JSON Object - ", 1001),
    (duckdb.InvalidInputException, "JSON transform error", "HIVE_BAD_DATA: Error parsing field value - ", 1001),
    (duckdb.BinderException, "", "COLUMN_NOT_FOUND: ", 1000),
    (duckdb.CatalogException, "", "FUNCTION_NOT_FOUND: ", 1000),
    (duckdb.ParserException, "", "SYNTAX_ERROR: ", 1000),
    (duckdb.ConversionException, "", "INVALID_CAST_ARGUMENT: ", 1000),
]


def run(store: AthenaStore, query: Query, now: datetime) -> None:
    """Run a query to its end: fill in its statistics and columns, and write its result file.

    Raises QueryFailed. ``now`` is the time that partition projection calls NOW.
    """
    started = time.monotonic()
    try:
        if isinstance(query.statement, Unload):
            _run_unload(store, query, query.statement, now)
        elif isinstance(query.statement, exp.Query):
            _run_select(store, query, query.statement, now)
        else:
            ddl.run_ddl(store, query.statement, query.database)
            objects.write(*objects.split_url(query.output), b"")
    except duckdb.Error as error:
        raise _failure(error) from error
    except SqlglotError as error:
        raise QueryFailedError(f"SYNTAX_ERROR: {error}") from error
    finally:
        query.connection = None
        query.engine_millis = round((time.monotonic() - started) * 1000)


def _run_unload(store: AthenaStore, query: Query, statement: Unload, now: datetime) -> None:
    unload.check(statement)
    with _result(store, query, statement.query, now) as connection:
        unload.write(connection, query, statement, store.directory)


@contextmanager
def _result(store: AthenaStore, query: Query, select: exp.Query, now: datetime) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which the query's rows are the table ``result``."""
    statement = select.copy()
    _name_columns(statement)
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        query.connection = connection
        connection.execute("SET TimeZone = 'UTC'")
        _create_views(store, query, statement, connection, now)
        _stop_if_cancelled(query)
        connection.execute(f"CREATE TABLE result AS {statement.sql('duckdb')}")
        yield connection
        _stop_if_cancelled(query)


def _run_select(store: AthenaStore, query: Query, statement: exp.Query, now: datetime) -> None:
    with _result(store, query, statement, now) as connection:
        query.result_columns = results.result_columns(connection)
        file = store.directory / f"{query.id}.csv"
        results.write_csv(connection, file)
    bucket, key = objects.split_url(query.output)
    objects.write(bucket, key, file.read_bytes())
    objects.write(bucket, f"{key}.metadata", repr(query.result_columns).encode())
    file.unlink()


def _stop_if_cancelled(query: Query) -> None:
    """An interrupt stops DuckDB only while it works; between its steps, the query itself is checked."""
    if query.is_finished:
        raise QueryFailedError("Query cancelled")


def _create_views(
    store: AthenaStore, query: Query, statement: exp.Expr, connection: duckdb.DuckDBPyConnection, now: datetime
) -> None:
    """Put a view of its own in place of every mention of a table: each reads only what its conditions let match."""
    wants_path = any(column.name == "$path" for column in statement.find_all(exp.Column))
    scans = find_scans(statement, lambda node: store.find_table(node.db or query.database, node.name))
    for index, scan in enumerate(scans):
        chosen = _choose_objects(scan, now)
        query.scanned_bytes += sum(item.size for item, _ in chosen)
        view = f"scan_{index}"
        _create_view(store, connection, view, scan.table, chosen, wants_path=wants_path)
        name = scan.node.alias_or_name
        scan.node.replace(exp.alias_(exp.to_table(view), name, table=True))
    for column in statement.find_all(exp.Column):
        column.set("db", None)  # tape.trades.id: the view has no database, and goes by the table's name.


def _choose_objects(scan: Scan, now: datetime) -> list[tuple[ObjectInfo, tuple[str, ...]]]:
    """List the objects that a scan must read, each with its partition values."""
    table = scan.table
    for column in table.partitions:
        required = any(item.is_equality for item in scan.predicates if item.column == column.name)
        if is_injected(table, column.name) and not required:
            raise QueryFailedError(
                f"CONSTRAINT_VIOLATION: For the injected projected partition column {column.name}, the WHERE clause "
                "must contain only static equality conditions, and at least one such condition must be present."
            )
    return [(item, values) for item, values in _partitioned_objects(table, now) if _matches(scan, values)]


def _matches(scan: Scan, values: tuple[str, ...]) -> bool:
    by_name = {column.name: value for column, value in zip(scan.table.partitions, values, strict=True)}
    return all(predicate.accepts(by_name[predicate.column]) for predicate in scan.predicates)


def _partitioned_objects(table: Table, now: datetime) -> list[tuple[ObjectInfo, tuple[str, ...]]]:
    """List the objects of the partitions that exist for Athena: projected, or registered."""
    layout = Layout.of(table)
    known: dict[tuple[str, ...], bool] = {}
    found = []
    for item in objects.list_objects(*objects.split_url(layout.fixed_prefix)):
        values = layout.values(item)
        if values is None or item.size == 0:
            continue
        if values not in known:
            known[values] = _is_known(table, values, now)
        if known[values]:
            found.append((item, values))
    for values, location in table.registered.items():
        if location is not None and not table.is_projected:
            found += [(item, values) for item in objects.list_objects(*objects.split_url(location)) if item.size]
    return found


def _is_known(table: Table, values: tuple[str, ...], now: datetime) -> bool:
    if not table.partitions:
        return True
    if not table.is_projected:
        return values in table.registered and table.registered[values] is None
    columns = zip(table.partitions, values, strict=True)
    return all(is_projected_value(table, column.name, value, now) for column, value in columns)


def _create_view(
    store: AthenaStore,
    connection: duckdb.DuckDBPyConnection,
    view: str,
    table: Table,
    chosen: list[tuple[ObjectInfo, tuple[str, ...]]],
    *,
    wants_path: bool,
) -> None:
    """Create the view: the objects' lines beside the partition values and optionally the ``$path`` of each."""
    files = [str(local_copy(store.directory, item)) for item, _ in chosen]
    paths = [f"s3://{item.bucket}/{item.key}" for item, _ in chosen]
    values = [[values[index] for _, values in chosen] for index in range(len(table.partitions))]
    names = ["$file", "$path", *(column.name for column in table.partitions)]
    types = ["VARCHAR", "VARCHAR", *(column.type for column in table.partitions)]
    declared = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, types, strict=True))
    connection.execute(f'CREATE TABLE "{view}_files" ({declared})')
    unnested = ", ".join(f"unnest(?::VARCHAR[])::{kind}" for kind in types)
    connection.execute(f'INSERT INTO "{view}_files" SELECT {unnested}', [files, paths, *values])
    shown = [*(column.name for column in table.columns), *names[2:], *(["$path"] if wants_path else [])]
    columns = ", ".join(f'"{name}"' for name in shown)
    source = _read_json(table, files) if files else _no_lines(table)
    connection.execute(f'CREATE VIEW "{view}" AS SELECT {columns} FROM {source} JOIN "{view}_files" USING ("$file")')


def _read_json(table: Table, files: list[str]) -> str:
    listed = ", ".join(f"'{file}'" for file in files)
    columns = ", ".join(f"'{column.name}': '{column.type}'" for column in table.columns)
    ignored = str(table.ignores_malformed).lower()
    return (
        f"read_json([{listed}], columns = {{{columns}}}, format = 'newline_delimited', "
        f"ignore_errors = {ignored}, filename = '$file')"
    )


def _no_lines(table: Table) -> str:
    columns = ", ".join(f'NULL::{column.type} AS "{column.name}"' for column in table.columns)
    return f'(SELECT {columns}, NULL::VARCHAR AS "$file" WHERE false)'


def _name_columns(statement: exp.Expr) -> None:
    """Name expressions without an alias as Athena does: ``_col`` and their position."""
    if not isinstance(statement, exp.Query) or statement.is_star:
        return
    for index, selected in enumerate(statement.selects):
        if not isinstance(selected, (exp.Alias, exp.Column, exp.Dot)):
            selected.replace(exp.alias_(selected.copy(), f"_col{index}"))


def _failure(error: duckdb.Error) -> QueryFailedError:
    for kind, text, reason, error_type in _REASONS:
        if isinstance(error, kind) and text in str(error):
            return QueryFailedError(f"{reason}{error}", error_type=error_type)
    return QueryFailedError(f"GENERIC_INTERNAL_ERROR: {error}", category=1, error_type=200)
