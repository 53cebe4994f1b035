"""The step that places the Parquet file: the records of the published CSV in full, with where each came from."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from booktape.errors import BooktapeError
from booktape.publish import files, in_full, manifest, results
from booktape.publish.context import Context
from booktape.publish.errors import Waiting
from booktape.publish.file_steps import published_key, sound
from booktape.publish.files import FileChanged
from booktape.publish.in_full import BadParquet, InFull
from booktape.publish.sources import Run


class NoParquet(BooktapeError):
    """The merge wrote no Parquet file."""


def keep_parquet(context: Context, run: Run) -> results.Parquet:
    """Copy what the merge wrote beside the published CSV, hold it against the CSV's records, and place its hash.

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
    placed = {f"{key}/{name}" if name else key: url for name, url in sorted(merged.parquet.items())}
    for place, url in placed.items():
        files.copy(url, files.version(url, context.aws), context.publication, place, context.aws)
    with in_full.local(context.publication, list(placed)) as paths:
        found = _read(paths, context.source(run.source).data_type, folders="" not in merged.parquet)
        size = sum(path.stat().st_size for path in paths)
        listed = in_full.hashes(key, list(placed), paths)
    different = difference(found, checked.markets)
    url = f"{context.publication.url}/{key}"
    if different is not None:
        again = f"booktape republish {run.source} {run.day}"
        raise FileChanged(f"{url} is not of the same records as the CSV: {different}; {again}")
    context.publication.create(f"{key}.sha256", listed)
    if context.publication.read(f"{key}.sha256") != listed:
        raise FileChanged(f"{url}.sha256 is not of the files beside it; it is left as it is")
    return results.Parquet(url, len(placed), size, sha256(listed).hexdigest())


def parquet_key(run: Run) -> str:
    """``published/{source}/{YYYY}/{MM}/{DD}/{source}_{YYYY-MM-DD}_run{n}.parquet``"""
    return f"{published_key(run).removesuffix('.csv')}.parquet"


def difference(found: Mapping[str, InFull], expected: Mapping[str, results.Market]) -> str | None:
    """In what the Parquet's records differ from the rows of the CSV, market by market; None where they are the same."""
    for name in sorted({*expected, *(name for name, market in found.items() if market.rows)}):
        rows = (found[name].rows if name in found else 0, expected[name].rows if name in expected else 0)
        if rows[0] != rows[1]:
            return f"{rows[0]:,} rows of {name} there, {rows[1]:,} in the CSV"
        if name in found and expected[name].sha256 not in (None, found[name].sha256):
            return f"{rows[0]:,} rows of {name} in both, but not the same ones"
    return None


def _read(paths: Sequence[Path], data_type: str, *, folders: bool) -> dict[str, InFull]:
    try:
        return in_full.read(paths, data_type, folders=folders)
    except BadParquet as error:
        raise FileChanged(str(error)) from error
