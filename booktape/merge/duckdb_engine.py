"""The embedded engine: runs the merge's SQL on DuckDB, inside this process."""

import errno
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import sqlglot

from booktape.merge import epochs, inputs
from booktape.merge.engine import Merge, Merged, MergeFailedError, merge_fingerprint
from booktape.merge.inputs import MergeInputs, Systems
from booktape.merge.sql_fragments import CSV_FORMAT, PUBLISHED_PARQUET_FORMAT, copy_to, duckdb_type, read_stored
from booktape.merge.statement import Statement, statement, stored_types
from booktape.merge.tables import COLUMNS, OBJECT, systems_of, table_name
from booktape.store.layout import PARTITIONS, merge_csv_key, merge_parquet_key
from booktape.store.objects import Store

_ASIDE: Final = ".merge-"
_LEFT_AFTER: Final = 24 * 3600
"""Seconds after which a merge's directory certainly belongs to one that was killed."""

_NO_LINKS: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})


@dataclass(frozen=True, slots=True)
class DuckDBEngine:
    """Merges in ``start`` itself, which returns when ``{query id}.csv`` and ``.parquet`` are stored in ``results``.

    ``memory`` (in DuckDB's notation: ``2GB``) bounds what a query holds; the rest is spilled to a temporary directory.
    """

    systems: Systems
    results: Store
    memory: str
    threads: int

    def start(self, merge: Merge, token: str) -> str:
        """Merge, unless the token has a result already. See :class:`~booktape.merge.engine.Engine`."""
        pairs = inputs.require_markets(self.systems, merge)
        found = inputs.find_inputs(self.systems, merge, pairs)
        resets = epochs.find_merge_resets(merge, found)
        query = merge_fingerprint(merge, token, *epochs.describe_resets(resets))[:32]
        if not self.results.exists(merge_csv_key(query)):
            self._merge(merge, query, found, statement(merge, pairs, resets))
        return query

    def poll(self, query: str) -> Merged:
        """Return the result. See :class:`~booktape.merge.engine.Engine`."""
        if not self.results.exists(merge_csv_key(query)):
            raise MergeFailedError(f"{self.results.url} has no result of query {query}: start the merge again")
        whole = (
            {"": f"{self.results.url}/{merge_parquet_key(query)}"}
            if self.results.exists(merge_parquet_key(query))
            else {}
        )
        return Merged(f"{self.results.url}/{merge_csv_key(query)}", scanned_bytes=None, parquet=whole)

    def _merge(self, merge: Merge, query: str, found: Sequence[MergeInputs], sql: Statement) -> None:
        _clean(self.results)
        # Inside the results' own directory, where there is one, so that the result can be moved into its place.
        with TemporaryDirectory(prefix=_ASIDE, dir=self.results.directory) as name:
            directory = Path(name)
            views = views_of(merge, found, directory)
            csv, parquet = directory / "merged.csv", directory / "merged.parquet"
            written = (
                copy_to(translated(sql.parquet), parquet, PUBLISHED_PARQUET_FORMAT),
                copy_to(translated(sql.csv), csv, CSV_FORMAT),
            )
            rows = self._run([*views, _materialised(sql.merged), *written], directory)
            if not rows:
                raise inputs.no_inputs(self.systems, merge)
            _keep(parquet, self.results, merge_parquet_key(query))
            _keep(csv, self.results, merge_csv_key(query))  # last: the CSV says that the query is over

    def _run(self, statements: Sequence[str], directory: Path) -> int:
        """Run the statements; return how many rows the last one wrote."""
        spilled = str(directory / "spilled")
        try:
            with duckdb.connect(
                config={"memory_limit": self.memory, "threads": self.threads, "temp_directory": spilled}
            ) as connection:
                for sql in statements:
                    connection.execute(sql)
                return int(connection.fetchall()[0][0])
        except duckdb.OutOfMemoryException as error:
            raise MergeFailedError(f"DuckDB needs more than {self.memory}: allow more memory, or use Athena") from error
        except duckdb.Error as error:
            raise MergeFailedError(f"DuckDB: {str(error).partition(chr(10))[0]}") from error


def views_of(merge: Merge, found: Sequence[MergeInputs], directory: Path) -> list[str]:
    """Build the SQL that creates the merge's tables over objects; those of a bucket are copied below ``directory``."""
    files = {table_name(one.data_type, one.system): inputs.local_files(one, directory) for one in found}
    return [
        _view(data_type, system, files.get(table_name(data_type, system), []))
        for data_type in stored_types(merge.data_type)
        for system in systems_of(data_type)
    ]


def translated(sql: str) -> str:
    """Translate SQL from Athena's dialect to DuckDB's."""
    return sqlglot.transpile(sql, read="athena", write="duckdb")[0]


def _view(data_type: str, system: str, files: Sequence[Path]) -> str:
    select = f"SELECT * FROM {read_stored(data_type, files)}" if files else _no_rows(data_type)
    return f"CREATE VIEW {table_name(data_type, system)} AS {select}"


def _no_rows(data_type: str) -> str:
    columns = COLUMNS[data_type] | dict.fromkeys((*PARTITIONS, OBJECT), "string")
    typed = ", ".join(f'NULL::{duckdb_type(kind)} AS "{name}"' for name, kind in columns.items())
    return f"SELECT {typed} WHERE false"


def _materialised(merged: str) -> str:
    """Merge once for both files: they hold the same records, and the second costs little more."""
    return f"CREATE TEMP TABLE merged AS {translated(f'{merged}SELECT * FROM merged')}"


def _keep(path: Path, results: Store, key: str) -> None:
    """Store a result. In a directory, one that is there already is kept: it may have been checked."""
    if results.directory is None:
        results.upload(key, path)
        return
    place = results.directory / key
    try:
        os.link(path, place)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not place.exists():
            path.replace(place)


def _clean(results: Store) -> None:
    """Remove the directories of killed merges from the results' directory."""
    if results.directory is None:
        return
    for left in results.directory.glob(f"{_ASIDE}*"):
        try:
            old = time.time() - left.stat().st_mtime > _LEFT_AFTER
        except FileNotFoundError:  # that merge has ended just now
            continue
        if old:
            shutil.rmtree(left, ignore_errors=True)
