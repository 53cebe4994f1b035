"""The step that places the Parquet file: the records of the published CSV in full, with where each came from."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from booktape.core.records import BOOK_UPDATES
from booktape.errors import BooktapeError
from booktape.publish import files, manifest, results
from booktape.publish.context import Context
from booktape.publish.errors import Waiting
from booktape.publish.file_steps import published_key, sound
from booktape.publish.files import FileChanged
from booktape.publish.sources import Run
from booktape.storage import directory_of

_MEMORY: Final = "500MB"


class NoParquet(BooktapeError):
    """The merge wrote no Parquet file."""


def keep_parquet(context: Context, run: Run) -> results.Parquet:
    """Copy what the merge wrote beside the published CSV, and compare how many rows each market has in both.

    One file where the merge ran on DuckDB; below the same key a folder for each market where it ran on Athena. Raises
    :class:`NoParquet`, or :class:`~booktape.publish.files.FileChanged` where it is not of the CSV's records: two of
    Athena's queries may have seen different objects.
    """
    query = manifest.required(context.store, run, results.Merge).query
    checked = sound(context, run)
    merged = context.engine.poll(query)
    if merged is None:
        raise Waiting(f"query {query} is running")
    if not merged.parquet:
        raise NoParquet(f"query {query} wrote no Parquet file: booktape republish {run.source} {run.day}")
    key = parquet_key(run)
    copied = []
    for name, url in sorted(merged.parquet.items()):
        copied.append(f"{key}/{name}" if name else key)
        files.copy(url, files.version(url, context.aws), context.publication, copied[-1], context.aws)
    placed = f"{context.publication.url}/{key}"
    is_book = context.source(run.source).data_type == BOOK_UPDATES
    with _local(context, copied) as paths:
        rows = _rows(paths, is_book=is_book, folders="" not in merged.parquet)
        size = sum(path.stat().st_size for path in paths)
    expected = {name: market.rows for name, market in checked.markets.items()}
    if rows != expected:
        wrong = next(name for name in sorted(rows | expected) if rows.get(name) != expected.get(name))
        raise FileChanged(
            f"{placed} is not of the same records as the CSV: {rows.get(wrong, 0)} rows of {wrong} there, "
            f"{expected.get(wrong, 0)} in the CSV; booktape republish {run.source} {run.day}"
        )
    return results.Parquet(placed, len(copied), size)


def parquet_key(run: Run) -> str:
    """``published/{source}/{YYYY}/{MM}/{DD}/{source}_{YYYY-MM-DD}_run{n}.parquet``"""
    return f"{published_key(run).removesuffix('.csv')}.parquet"


@contextmanager
def _local(context: Context, keys: list[str]) -> Iterator[list[Path]]:
    """The published files on this machine: those of a bucket are copied, below the same folders, while needed."""
    directory = directory_of(context.publication.url)
    if directory is not None:
        yield [directory / key for key in keys]
        return
    with TemporaryDirectory(prefix="booktape-parquet-") as name:
        paths = [Path(name) / key for key in keys]
        for key, path in zip(keys, paths, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for chunk in context.publication.stream(key):
                    file.write(chunk)
        yield paths


def _rows(paths: list[Path], *, is_book: bool, folders: bool) -> dict[str, int]:
    """How many rows each market's records have in the CSV: a book message has one for each level.

    :param folders: the market stands in the folders' names, not in the files.
    """
    counted = "sum(len(bids) + len(asks))" if is_book else "count(*)"
    parts = f"read_parquet($files, hive_partitioning = {folders})"
    sql = f"SELECT symbol, {counted}::BIGINT FROM {parts} GROUP BY symbol"
    with duckdb.connect(config={"memory_limit": _MEMORY}) as connection:
        try:
            found = connection.execute(sql, {"files": [_literally(path) for path in paths]}).fetchall()
        except duckdb.Error as error:
            raise FileChanged(f"the Parquet file cannot be read: {str(error).partition(chr(10))[0]}") from error
    return {symbol: rows for symbol, rows in found if rows}


def _literally(path: Path) -> str:
    """A path that DuckDB does not take for a pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
