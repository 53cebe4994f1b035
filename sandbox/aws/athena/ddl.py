"""Athena's DDL: databases, external tables and partitions (Athena User Guide, "DDL statements")."""

import logging
import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sandbox.aws.athena.partitions import Layout
from sandbox.aws.athena.store import AthenaStore, Column, QueryFailedError, Table, Unload
from sandbox.aws.athena.unload import is_unload, parse_unload
from sandbox.aws.objects import list_objects, split_url

JSON_SERDES = {"org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe"}

# sqlglot warns of every MSCK that it has no syntax tree for it; it is understood here from its text.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class NotSupportedError(ValueError):
    """The statement cannot be parsed, or is none that the sandbox runs."""


def parse_statement(sql: str) -> exp.Expr | Unload:
    """Parse one statement. Raises NotSupported."""
    if is_unload(sql):
        try:
            return parse_unload(sql)
        except ValueError as error:
            raise NotSupportedError(str(error)) from error
    try:
        statements = [statement for statement in sqlglot.parse(sql, read="athena") if statement is not None]
    except SqlglotError as error:
        raise NotSupportedError(f"line 1:1: {error}") from error
    if len(statements) != 1:
        raise NotSupportedError("Only one sql statement is allowed")
    statement = statements[0]
    if isinstance(statement, exp.Query) or _ddl_name(statement) is not None:
        return statement
    raise NotSupportedError("Queries of this type are not supported")


def _ddl_name(statement: exp.Expr) -> str | None:
    """Name the kind of a DDL statement that this module runs."""
    kind = str(statement.args.get("kind", "")).upper()
    if isinstance(statement, exp.Create) and kind in {"DATABASE", "SCHEMA", "TABLE"}:
        return f"CREATE_{'TABLE' if kind == 'TABLE' else 'DATABASE'}"
    if isinstance(statement, exp.Drop) and kind in {"DATABASE", "SCHEMA", "TABLE"}:
        return f"DROP_{'TABLE' if kind == 'TABLE' else 'DATABASE'}"
    if isinstance(statement, exp.Alter) and statement.find(exp.AddPartition):
        return "ALTER_TABLE_ADD_PARTITION"
    if isinstance(statement, exp.Command) and str(statement.this).upper().startswith("MSCK"):
        return "MSCK_REPAIR_TABLE"
    return None


def statement_name(statement: exp.Expr | Unload) -> str:
    """The substatement type that GetQueryExecution shows, such as ``CREATE_TABLE``."""
    if isinstance(statement, Unload):
        return "UNLOAD"
    return _ddl_name(statement) or "SELECT"


def run_ddl(store: AthenaStore, statement: exp.Expr, database: str) -> None:
    """Run a DDL statement against the table registry. Raises QueryFailed."""
    name = _ddl_name(statement)
    if name == "CREATE_DATABASE":
        _create_database(store, statement)
    elif name == "CREATE_TABLE":
        _create_table(store, statement, database)
    elif name == "DROP_DATABASE":
        _drop_database(store, statement)
    elif name == "DROP_TABLE":
        _drop_table(store, statement, database)
    elif name == "ALTER_TABLE_ADD_PARTITION":
        _add_partitions(store, statement, database)
    else:
        _repair_table(store, statement, database)


def _create_database(store: AthenaStore, statement: exp.Expr) -> None:
    name = _database_name(statement)
    with store.tables_lock:
        if name in store.databases and not statement.args.get("exists"):
            raise _ddl_failed(f"AlreadyExistsException(message:Database {name} already exists)")
        store.databases.setdefault(name, {})


def _drop_database(store: AthenaStore, statement: exp.Expr) -> None:
    name = _database_name(statement)
    with store.tables_lock:
        if store.databases.get(name) and not statement.args.get("cascade"):
            raise _ddl_failed(f"InvalidOperationException(message:Database {name} is not empty)")
        if store.databases.pop(name, None) is None and not statement.args.get("exists"):
            raise _ddl_failed(f"NoSuchObjectException(message:Database {name} does not exist)")


def _database_name(statement: exp.Expr) -> str:
    named = statement.find(exp.Table)
    if named is None:
        raise _ddl_failed("ParseException: a database needs a name")
    return (named.name or named.db).lower()


def _create_table(store: AthenaStore, statement: exp.Expr, database: str) -> None:
    schema = statement.this
    named = statement.find(exp.Table)
    if named is None or not isinstance(schema, exp.Schema) or not statement.find(exp.ExternalProperty):
        raise _ddl_failed("ParseException: only CREATE EXTERNAL TABLE with columns is supported")
    table = _table(statement, schema, (named.db or database).lower(), named.name.lower())
    with store.tables_lock:
        tables = store.databases.get(table.database)
        if tables is None:
            raise _ddl_failed(f"SemanticException [Error 10072]: Database does not exist: {table.database}")
        if table.name in tables and not statement.args.get("exists"):
            raise _ddl_failed(f"AlreadyExistsException(message:Table {table.name} already exists)")
        tables.setdefault(table.name, table)


def _table(statement: exp.Expr, schema: exp.Schema, database: str, name: str) -> Table:
    partitioned_by = statement.find(exp.PartitionedByProperty)
    row_format = statement.find(exp.RowFormatSerdeProperty)
    location = statement.find(exp.LocationProperty)
    if row_format is None or row_format.this.name not in JSON_SERDES:
        raise _ddl_failed("SemanticException: the sandbox reads the JSON SerDes only")
    if location is None:
        raise _ddl_failed("SemanticException: CREATE EXTERNAL TABLE needs a LOCATION")
    serde = _properties(row_format.args.get("serde_properties"))
    return Table(
        database=database,
        name=name,
        columns=_columns(schema),
        partitions=_columns(partitioned_by.this) if partitioned_by else (),
        location=location.this.name.rstrip("/") + "/",
        properties=_properties(statement.args.get("properties")),
        ignores_malformed=serde.get("ignore.malformed.json", "").lower() == "true",
    )


def _columns(schema: exp.Expr) -> tuple[Column, ...]:
    found = [item for item in schema.expressions if isinstance(item, exp.ColumnDef)]
    return tuple(Column(item.name.lower(), item.args["kind"].sql("duckdb")) for item in found)


def _properties(holder: exp.Expr | None) -> dict[str, str]:
    # Exactly Property: its subclasses are clauses such as LOCATION.
    found = [item for item in holder.expressions if type(item) is exp.Property] if holder else []
    return {item.this.name: item.args["value"].name for item in found}


def _drop_table(store: AthenaStore, statement: exp.Expr, database: str) -> None:
    named = statement.find(exp.Table)
    if named is None:
        raise _ddl_failed("ParseException: a table needs a name")
    with store.tables_lock:
        tables = store.databases.get((named.db or database).lower(), {})
        if tables.pop(named.name.lower(), None) is None and not statement.args.get("exists"):
            raise _ddl_failed(f"SemanticException [Error 10001]: Table not found {named.name}")


def _add_partitions(store: AthenaStore, statement: exp.Expr, database: str) -> None:
    table = store.find_table(statement.this.db or database, statement.this.name)
    for action in statement.find_all(exp.AddPartition):
        given = {item.this.name.lower(): item.expression.name for item in action.this.expressions}
        if set(given) != {column.name for column in table.partitions}:
            raise _ddl_failed(f"SemanticException: partition spec {given} does not name the partition columns")
        values = tuple(given[column.name] for column in table.partitions)
        if values in table.registered and not action.args.get("exists"):
            raise _ddl_failed(f"AlreadyExistsException(message:Partition already exists {values})")
        location = action.args.get("location")
        table.registered.setdefault(values, location.this.name.rstrip("/") + "/" if location else None)


def _repair_table(store: AthenaStore, statement: exp.Expr, database: str) -> None:
    """Register the partitions whose ``column=value`` folders hold objects."""
    named = re.fullmatch(r"\s*TABLE\s+([\w.`]+)\s*;?\s*", str(statement.expression.name), re.IGNORECASE)
    if named is None:
        raise _ddl_failed(f"ParseException: MSCK REPAIR {statement.expression.name}")
    schema, _, name = named[1].replace("`", "").rpartition(".")
    table = store.find_table(schema or database, name)
    layout = Layout.of(table)
    for item in list_objects(*split_url(layout.fixed_prefix)):
        values = layout.values(item)
        if values is not None:
            table.registered.setdefault(values, None)


def _ddl_failed(reason: str) -> QueryFailedError:
    return QueryFailedError(f"FAILED: {reason}", error_type=1003)
