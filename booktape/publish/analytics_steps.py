"""The steps that make the file of an analytics data set: compute, check, rename.

The file is computed from published records. Rows come market by market and may exceed memory, so DuckDB sorts them by
time, then market, then the order of computation, and writes them with the same quoting as Athena.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from booktape.archive import Archive
from booktape.archive.catalog import Catalog, open_catalog
from booktape.exchanges import exchange
from booktape.integrity import csv_check
from booktape.merge.sql_fragments import CSV_FORMAT, copy_to, escape_glob, literal, struct
from booktape.model.csv import Row
from booktape.model.errors import FailedError, NotAvailableError
from booktape.model.records import DAY
from booktape.model.timestamps import midnight
from booktape.publish import files, lifecycle, manifest, results
from booktape.publish.analytics_kinds import DayWindow
from booktape.publish.context import Context
from booktape.publish.file_steps import publish_file
from booktape.publish.files import FileChangedError
from booktape.publish.retries import WaitingError
from booktape.publish.sources import DataSource, base_of
from booktape.store import objects
from booktape.store.layout import Run, analytics_key

_MEMORY: Final = "1GB"
_PLACE: Final = "place"
_RULE: Final = "none"
"""The sequence rule of computed rows: they have no ids."""


class CsvWriteFailedError(FailedError):
    """DuckDB cannot sort the rows or write the file."""


class BaseNotPublishedError(NotAvailableError):
    """The records to compute from are not published, and no run that would publish them is under way."""


def write_sorted_csv(
    columns: Sequence[str], time: str, markets: Iterable[tuple[str, Iterator[Row]]], path: Path
) -> dict[str, int]:
    """Write the rows of all markets into one file, sorted.

    :param columns: the columns' names; ``symbol`` is one of them.
    :param time: the column that holds the rows' times (µs).
    :returns: the number of rows of each market.

    Raises :class:`CsvWriteFailedError`.
    """
    unsorted = path.with_suffix(".unsorted")
    with unsorted.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        counts: dict[str, int] = {}
        for market, rows in markets:
            counts[market] = 0
            for counts[market], row in enumerate(rows, start=1):
                writer.writerow((counts[market], *map(_text, row)))
    _sort(unsorted, columns, time, path)
    unsorted.unlink()
    return counts


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _sort(unsorted: Path, columns: Sequence[str], time: str, path: Path) -> None:
    kinds = {_PLACE: "BIGINT", **dict.fromkeys(columns, "VARCHAR")}
    selected = ", ".join(f'"{name}"' for name in columns)
    rows = (
        f"read_csv({literal(escape_glob(unsorted))}, columns = {struct(kinds)}, auto_detect = false, header = false, "
        """delim = ',', quote = '"', escape = '"', new_line = '\\n')"""
    )
    order = f'"{time}"::BIGINT, symbol, {_PLACE}'
    try:
        with duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": f"{path}.spilled"}) as connection:
            connection.execute(copy_to(f"SELECT {selected} FROM {rows} ORDER BY {order}", path, CSV_FORMAT))
    except duckdb.Error as error:
        raise CsvWriteFailedError(f"the rows cannot be sorted: {str(error).partition(chr(10))[0]}") from error


def compute(context: Context, run: Run) -> results.Compute:
    """Compute the day's rows from the newest run of the base source that is done.

    Raises :class:`WaitingError` while a run of the base source is under way, and :class:`BaseNotPublishedError` if
    there is none.
    """
    source = context.source(run.source)
    base = base_of(source, context.sources)
    read = _newest(context, base, run)
    key = analytics_key(run)
    with TemporaryDirectory(prefix="booktape-compute-") as name:
        path = Path(name) / "computed.csv"
        markets = _write(context, source, base, run, path)
        if _newest(context, base, run) != read:
            raise WaitingError(f"{base.name} {run.day} was republished while {run.source} was computed from it")
        found = objects.fingerprint(objects.stream_file(path.as_uri()))
        context.store.upload(key, path)
    return results.Compute(
        url=f"{context.store.url}/{key}",
        of=read.source,
        run=read.number,
        of_sha256=manifest.require_result(context.store, read, results.Check).sha256,
        bytes=found.bytes,
        sha256=found.sha256,
        markets=markets,
    )


def _newest(context: Context, base: DataSource, run: Run) -> Run:
    """The newest run of the base source's day that is done."""
    last = lifecycle.last_run(context.store, base.name, run.day)
    if last is not None and not lifecycle.has_ended(context.store, last):
        raise WaitingError(f"{last} is under way; {run.source} is computed from it")
    found = _catalog(context).published(base.exchange, base.data_type, run.day)
    if found is None:
        why = f"{last} is held or failed" if last is not None else f"there is no run of {base.name} on {run.day}"
        raise BaseNotPublishedError(
            f"{why}, and {run.source} is computed from it: booktape status --source {base.name}; "
            f"once that is done, booktape nightly --day {run.day} --source {run.source}"
        )
    return found


def _write(context: Context, source: DataSource, base: DataSource, run: Run, path: Path) -> dict[str, int]:
    """Write the day's rows. Returns the number of rows of each market."""
    kind = source.kind
    assert kind is not None, "a recorded source has no kind of analytics"
    rows = (
        (market, kind.rows(_day_window(source, run, market, records), source.every))
        for market, records in _published_records(context, base, run)
    )
    return write_sorted_csv(kind.columns, kind.time, rows, path)


def _published_records(context: Context, base: DataSource, run: Run) -> Iterator[tuple[str, Iterator[Any]]]:
    """Each market of a run's day with its published records, and a gap where records are missing.

    Read each market to its end before the next one.
    """
    catalog = _catalog(context)
    found = catalog.published(base.exchange, base.data_type, run.day)
    markets = catalog.certificate(found).markets if found is not None else {}
    with Archive(context.store.url, publication=context.publication.url, memory=_MEMORY) as archive:
        for name in sorted(markets):
            end = run.day + timedelta(days=1)
            yield name, iter(archive.rows(base.data_type, base.exchange, name, run.day, end, gaps="mark"))


def _catalog(context: Context) -> Catalog:
    return open_catalog(context.store.url, None, context.publication.url)


def _day_window(source: DataSource, run: Run, market: str, records: Iterable[Any]) -> DayWindow:
    begin, checksum = midnight(run.day), exchange(source.exchange).book_checksum
    return DayWindow(source.exchange, market, records, source.channel.rule, checksum, begin, begin + DAY)


def check_computed(context: Context, run: Run) -> results.Check:
    """Check that the stored file is the computed one, and whether it may be published."""
    computed = manifest.require_result(context.store, run, results.Compute)
    version = files.version(computed.url, context.aws)
    if objects.fingerprint(objects.stream_file(computed.url)) != (computed.bytes, computed.sha256):
        raise FileChangedError(
            f"{computed.url} is not the file that was computed: booktape republish {run.source} {run.day}"
        )
    previous = manifest.require_result(context.store, run, results.Start).previous
    rows = sum(computed.markets.values())
    base = f"{computed.of} run {computed.run}"
    again = f"booktape republish {run.source} {run.day}"
    held = f"no rows can be computed from {base}; once that is republished: {again}" if rows == 0 else None
    return results.Check(
        rows=rows,
        bytes=computed.bytes,
        sha256=computed.sha256,
        rule=_RULE,
        completeness=None,
        markets={market: csv_check.MarketRows(count) for market, count in computed.markets.items()},
        held=held,
        version=version,
        previous=previous,
        differs=previous.sha256 != computed.sha256 if previous is not None else None,
    )


def rename_computed(context: Context, run: Run) -> results.Rename:
    """Copy the file to the key under which it is published, with its hash beside it."""
    computed = manifest.require_result(context.store, run, results.Compute)
    return publish_file(context, run, computed.url)
