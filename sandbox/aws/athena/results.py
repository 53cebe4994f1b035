"""Results as Athena writes and returns them (Athena User Guide, "Work with query results and recent queries")."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

# Every value is quoted, NULL is nothing at all; a value ends at a comma or at the end of its line.
_FIELD = re.compile(rb'(?:"((?:[^"]|"")*)")?([,\n])')

# Doubles are spelled as Java does: 1.0, 0.001, 1.0E7, 1.5E-4. DuckDB's text has the right digits, and its own notation:
# 10000000.0, 0.00015, 1e+22.
_JAVA_DOUBLE = """
CREATE MACRO java_exponent(digits, power) AS
    digits[1] || '.' || coalesce(nullif(rtrim(digits[2:], '0'), ''), '0') || 'E' || power;
CREATE MACRO java_magnitude(text) AS CASE
    WHEN contains(text, 'e')
        THEN java_exponent(replace(split_part(text, 'e', 1), '.', ''), split_part(text, 'e', 2)::INTEGER)
    WHEN text LIKE '0.%'
        THEN java_exponent(ltrim(text[3:], '0'), length(ltrim(text[3:], '0')) - length(text[3:]) - 1)
    ELSE java_exponent(replace(text, '.', ''), strpos(text, '.') - 2) END;
CREATE MACRO java_double(x) AS CASE
    WHEN x IS NULL THEN NULL
    WHEN isnan(x) THEN 'NaN'
    WHEN isinf(x) THEN if(x < 0, '-Infinity', 'Infinity')
    WHEN x = 0 OR abs(x) >= 0.001 AND abs(x) < 1e7 THEN x::VARCHAR
    ELSE if(x < 0, '-', '') || java_magnitude(abs(x)::VARCHAR) END;
"""

_ATHENA_TYPES = {
    "TEXT": "varchar",
    "UTINYINT": "integer",
    "UINTEGER": "bigint",
    "UBIGINT": "bigint",
    "HUGEINT": "bigint",
    "UHUGEINT": "bigint",
    "BLOB": "varbinary",
    "STRUCT": "row",
}
_PRECISIONS = {"varchar": 2_147_483_647, "bigint": 19, "integer": 10, "double": 17, "float": 17, "timestamp": 3}


def result_columns(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return the columns of the table ``result``: their names and DuckDB's names of their types."""
    return [(name, kind) for name, kind, *_ in connection.execute("DESCRIBE result").fetchall()]


def athena_type(duckdb_type: str) -> str:
    """Return Athena's name of a type, without its parameters, such as ``varchar`` or ``array``."""
    if duckdb_type.endswith("]"):
        return "array"
    base = duckdb_type.partition("(")[0].strip()
    return _ATHENA_TYPES.get(base, base.lower())


def precision_and_scale(duckdb_type: str) -> tuple[int, int]:
    """Return what Athena says of a type's precision and scale; 0 where it has none."""
    if decimal := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", duckdb_type):
        return int(decimal[1]), int(decimal[2])
    return _PRECISIONS.get(athena_type(duckdb_type), 0), 0


def write_csv(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write the table ``result`` as Athena writes a result file."""
    connection.execute(_JAVA_DOUBLE)
    columns = ", ".join(f"{_text(name, kind)} AS {_quote(name)}" for name, kind in result_columns(connection))
    connection.execute(f"COPY (SELECT {columns} FROM result) TO '{path}' (FORMAT csv, HEADER, FORCE_QUOTE *)")


def read_rows(content: bytes, start: int, limit: int) -> tuple[list[list[str | None]], int | None]:
    """Read at most ``limit`` rows of a result file from a byte position; return them and where the next one begins.

    The position is None after the last row. The header is the first row.
    """
    rows: list[list[str | None]] = []
    for row, end in _rows(content, start):
        rows.append(row)
        if len(rows) == limit:
            return rows, end if end < len(content) else None
    return rows, None


def _text(name: str, kind: str) -> str:
    column = _quote(name)
    if kind == "DOUBLE":
        return f"java_double({column})"
    if kind.startswith("TIMESTAMP"):
        zone = " UTC" if kind.endswith("TIME ZONE") else ""
        return f"strftime({column}, '%Y-%m-%d %H:%M:%S.%g{zone}')"
    return f"CAST({column} AS VARCHAR)"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _rows(content: bytes, start: int) -> Iterator[tuple[list[str | None], int]]:
    row: list[str | None] = []
    for match in _FIELD.finditer(content, start):
        row.append(None if match[1] is None else match[1].replace(b'""', b'"').decode())
        if match[2] == b"\n":
            yield row, match.end()
            row = []
