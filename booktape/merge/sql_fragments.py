"""Fragments of SQL text that several rooms build statements from: quoted literals, file scans and ``COPY … TO``.

The scans and ``COPY`` are DuckDB's; a literal is the same in Athena.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import sqlglot

from booktape.merge.tables import COLUMNS, OBJECT
from booktape.store.layout import PARTITIONS

CSV_FORMAT: Final = "FORMAT csv, HEADER, FORCE_QUOTE *"
"""Options of ``COPY`` for a published CSV: the form in which Athena writes its results."""

PARQUET_FORMAT: Final = "FORMAT parquet, COMPRESSION zstd"
"""Options of ``COPY`` for a Parquet file with DuckDB's default row groups."""

PUBLISHED_PARQUET_FORMAT: Final = f"{PARQUET_FORMAT}, ROW_GROUP_SIZE 20480"
"""Options of ``COPY`` for a published Parquet file."""


def literal(text: str) -> str:
    """Quote a text as an SQL string literal: ``it's`` becomes ``'it''s'``."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Quote texts as a comma-separated list of literals."""
    return ", ".join(map(literal, texts))


def escape_glob(path: str | Path) -> str:
    """Escape a path so that DuckDB takes ``*``, ``?`` and ``[`` in it as plain characters.

    DuckDB expands patterns in the paths that it reads, also in those of prepared statements. A path that ``COPY``
    writes to must not be escaped.
    """
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def read_parquet(
    paths: Sequence[str | Path], *, market_in_path: bool = False, union_by_name: bool = False, escape: bool = True
) -> str:
    """Build the ``read_parquet(…)`` of some files, in the order given.

    :param paths: paths of files, taken literally: no pattern is expanded.
    :param market_in_path: the column ``symbol`` is in the folders' names (``symbol=BTC-USDT``), not in the files. It
        stays text.
    :param union_by_name: the files may have different columns; a missing one is NULL.
    :param escape: escape the paths; not for a connection without external access, which expands no patterns.
    """
    union = "union_by_name = true, " if union_by_name else ""
    files = _files(paths, escape=escape)
    return f"read_parquet([{files}], {union}hive_partitioning = {market_in_path}, hive_types_autocast = false)"


def read_json_lines(
    paths: Sequence[str | Path],
    columns: Mapping[str, str],
    *,
    gzip: bool = False,
    more: str = "",
    escape: bool = True,
) -> str:
    """Build the ``read_json(…)`` of files with one JSON object a line.

    :param paths: paths of files, taken literally: no pattern is expanded.
    :param columns: DuckDB's type of each column.
    :param gzip: the files are compressed with gzip.
    :param more: further options, as text.
    :param escape: as of :func:`read_parquet`.
    """
    files = _files(paths, escape=escape)
    compression = "compression = 'gzip', " if gzip else ""
    options = f"format = 'newline_delimited', {compression}columns = {struct(columns)}"
    return f"read_json([{files}], {options}{', ' if more else ''}{more})"


def read_stored(data_type: str, paths: Sequence[str | Path], *, escape: bool = True) -> str:
    """Build the ``read_json(…)`` of stored objects of one data type.

    Besides the columns of :data:`~booktape.merge.tables.COLUMNS` the rows have the partition columns and the path of
    their object (``"$path"``).

    :param escape: as of :func:`read_parquet`.
    """
    columns = {name: duckdb_type(kind) for name, kind in COLUMNS[data_type].items()}
    partitions = struct(dict.fromkeys(PARTITIONS, "VARCHAR"))
    more = f"hive_partitioning = true, hive_types = {partitions}, filename = {literal(OBJECT)}"
    return read_json_lines(paths, columns, gzip=True, more=more, escape=escape)


def _files(paths: Sequence[str | Path], *, escape: bool) -> str:
    return literals(map(escape_glob if escape else str, paths))


def copy_to(query: str, path: str | Path, options: str) -> str:
    """Build the ``COPY (…) TO …`` that writes the rows of a query in DuckDB's dialect into a file.

    :param options: :data:`CSV_FORMAT`, for instance.
    """
    return f"COPY ({query}) TO {literal(str(path))} ({options})"


def struct(fields: Mapping[str, str]) -> str:
    """Build a struct of literals: ``{'price': 'VARCHAR'}``."""
    return f"{{{', '.join(f'{literal(name)}: {literal(value)}' for name, value in fields.items())}}}"


def duckdb_type(athena_type: str) -> str:
    """Translate a type: ``array<string>`` becomes ``TEXT[]``."""
    return sqlglot.exp.DataType.build(athena_type, dialect="athena").sql("duckdb")
