"""The steps that publish Parquet and market files.

The Parquet file holds the records of the published CSV in full, with the origin of each. Market files have the formats
of :mod:`booktape.archive.exports`.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from booktape.archive.exports import TARDIS, write_market_files
from booktape.integrity import csv_check, parquet_reader
from booktape.integrity.parquet_reader import InvalidParquetError, ParquetMarket
from booktape.model.errors import NotAvailableError
from booktape.publish import files, manifest, results
from booktape.publish.context import Context
from booktape.publish.file_steps import require_passed_check
from booktape.publish.files import FileChangedError
from booktape.publish.retries import WaitingError
from booktape.store.layout import MARKET_FILES, Run, hash_key, parquet_key
from booktape.store.objects import open_store


class NoParquetError(NotAvailableError):
    """The merge wrote no Parquet file."""


def publish_parquet(context: Context, run: Run) -> results.Parquet:
    """Publish the merge's Parquet beside the CSV, check that both hold the same records, and publish its hash.

    A merge by DuckDB writes one file; a merge by Athena writes a folder for each market below the same key.

    Raises :class:`NoParquetError`, or :class:`~booktape.publish.files.FileChangedError` if the records differ: two of
    Athena's queries may have seen different objects.
    """
    query = manifest.require_result(context.store, run, results.MergeResult).query
    checked = require_passed_check(context, run)
    merged = context.engine.poll(query)
    if merged is None:
        raise WaitingError(f"query {query} is running")
    if not merged.parquet:
        raise NoParquetError(f"query {query} wrote no Parquet file: booktape republish {run.source} {run.day}")
    key = parquet_key(run)
    placed = {f"{key}/{name}" if name else key: url for name, url in sorted(merged.parquet.items())}
    for target, url in placed.items():
        files.copy(url, files.version(url, context.aws), context.publication, target, context.aws)
    with parquet_reader.local(context.publication, list(placed)) as paths:
        found = _read_parquet(paths, context.source(run.source).data_type, folders="" not in merged.parquet)
        size = sum(path.stat().st_size for path in paths)
        listed = parquet_reader.hashes(key, list(placed), paths)
    different = difference_of_rows(found, checked.markets)
    url = f"{context.publication.url}/{key}"
    if different is not None:
        again = f"booktape republish {run.source} {run.day}"
        raise FileChangedError(f"{url} is not of the same records as the CSV: {different}; {again}")
    context.publication.create(hash_key(key), listed)
    if context.publication.read(hash_key(key)) != listed:
        raise FileChangedError(f"{hash_key(url)} is not of the files beside it; it is left as it is")
    return results.Parquet(url, len(placed), size, sha256(listed).hexdigest())


def difference_of_rows(found: Mapping[str, ParquetMarket], expected: Mapping[str, csv_check.MarketRows]) -> str | None:
    """How the records of the Parquet differ from the rows of the CSV; None if they are the same."""
    for name in sorted({*expected, *(name for name, market in found.items() if market.rows)}):
        rows = (found[name].rows if name in found else 0, expected[name].rows if name in expected else 0)
        if rows[0] != rows[1]:
            return f"{rows[0]:,} rows of {name} there, {rows[1]:,} in the CSV"
        if name in found and expected[name].sha256 not in (None, found[name].sha256):
            return f"{rows[0]:,} rows of {name} in both, but not the same ones"
    return None


def _read_parquet(paths: Sequence[Path], data_type: str, *, folders: bool) -> dict[str, ParquetMarket]:
    try:
        return parquet_reader.read_published_parquet(paths, data_type, folders=folders)
    except InvalidParquetError as error:
        raise FileChangedError(str(error)) from error


def publish_market_files(context: Context, run: Run) -> results.MarketFiles:
    """Write the market files of this run's day, over those of earlier runs."""
    source = context.source(run.source)
    target = open_store(f"{context.publication.url}/{MARKET_FILES}")
    written = write_market_files(
        context.publication, parquet_key(run), source.exchange, source.data_type, run.day, target, form=TARDIS
    )
    return results.MarketFiles(
        url=target.url,
        form=TARDIS,
        files=sum(file.key is not None for file in written),
        rows=sum(file.rows for file in written),
        bytes=sum(file.bytes for file in written),
        left_out=sum(file.left_out for file in written),
    )
