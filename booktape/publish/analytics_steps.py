"""A CSV file as it is published, from rows that come market by market: sorted by time, then market, then as they came.

Rows may be many more than fit into memory, so DuckDB sorts and writes them, with the quoting that Athena has too.

The steps that make the file of computed data: compute, check, rename. It is computed from what is published.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from booktape.exchanges import exchange
from booktape.integrity import csv_check
from booktape.merge.sql_fragments import CSV_FORMAT, copy_to, escape_glob, literal, struct
from booktape.model.csv import Row
from booktape.model.errors import BooktapeError
from booktape.model.records import DAY
from booktape.model.timestamps import midnight
from booktape.publish import files, manifest, published_records, results
from booktape.publish.analytics_kinds import DayWindow
from booktape.publish.context import Context
from booktape.publish.errors import WaitingError
from booktape.publish.file_steps import place_file
from booktape.publish.files import FileChangedError
from booktape.publish.sources import DataSource, base_of
from booktape.store import objects
from booktape.store.layout import Run, analytics_key

_MEMORY: Final = "1GB"
_PLACE: Final = "place"


class CsvWriteFailedError(BooktapeError):
    """DuckDB could not sort the rows or write the file."""


def write_sorted_csv(
    columns: Sequence[str], time: str, markets: Iterable[tuple[str, Iterator[Row]]], path: Path
) -> dict[str, int]:
    """Write the rows of all markets into one file; how many there are of each. Raises :class:`CsvWriteFailedError`.

    :param columns: ``symbol`` among them, and ``time``, the one with the rows' times (µs).
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


_RULE: Final = "none"
"""Nothing numbers what is computed."""


class BaseNotPublishedError(BooktapeError):
    """What something is to be computed of is not there, and does not come by itself."""


def compute(context: Context, run: Run) -> results.Compute:
    """Compute the day's rows of the newest run of the base source that is done.

    Raises :class:`WaitingError` while a run of it is under way, and :class:`BaseNotPublishedError` where there is none.
    """
    source = context.source(run.source)
    base = base_of(source, context.sources)
    read = _newest(context, base, run)
    key = analytics_key(run)
    with TemporaryDirectory(prefix="booktape-compute-") as name:
        path = Path(name) / "computed.csv"
        markets = _write(context, source, base, run, path)
        if _newest(context, base, run) != read:
            raise WaitingError(f"{base.name} {run.day} was published anew while {run.source} was computed of it")
        found = objects.fingerprint(objects.stream_file(path.as_uri()))
        context.store.upload(key, path)
    return results.Compute(
        url=f"{context.store.url}/{key}",
        of=read.source,
        run=read.number,
        of_sha256=manifest.required(context.store, read, results.Check).sha256,
        bytes=found.bytes,
        sha256=found.sha256,
        markets=markets,
    )


def _newest(context: Context, base: DataSource, run: Run) -> Run:
    """The run of the base whose files are read."""
    last = manifest.last(context.store, base.name, run.day)
    if last is not None and not manifest.has_ended(context.store, last):
        raise WaitingError(f"{last} is under way; {run.source} is computed of it")
    found = published_records.newest_published(context, base, run)
    if found is None:
        why = f"{last} is held or failed" if last is not None else f"there is no run of {base.name} on {run.day}"
        raise BaseNotPublishedError(
            f"{why}, and {run.source} is computed of it: booktape status --source {base.name}; "
            f"once that is done, booktape nightly --day {run.day} --source {run.source}"
        )
    return found


def _write(context: Context, source: DataSource, base: DataSource, run: Run, path: Path) -> dict[str, int]:
    """Write the day's rows; how many there are of each market."""
    kind = source.kind
    assert kind is not None, "only computed data is computed"
    rows = (
        (market, kind.rows(_day_window(source, run, market, records), source.every))
        for market, records in published_records.read_published(context, base, run)
    )
    return write_sorted_csv(kind.columns, kind.time, rows, path)


def _day_window(source: DataSource, run: Run, market: str, records: Iterable[Any]) -> DayWindow:
    begin, checksum = midnight(run.day), exchange(source.exchange).book_checksum
    return DayWindow(source.exchange, market, records, source.channel.rule, checksum, begin, begin + DAY)


def check_computed(context: Context, run: Run) -> results.Check:
    """Hold what was stored to what was computed, and say whether it may be published."""
    computed = manifest.required(context.store, run, results.Compute)
    version = files.version(computed.url, context.aws)
    if objects.fingerprint(objects.stream_file(computed.url)) != (computed.bytes, computed.sha256):
        raise FileChangedError(
            f"{computed.url} is not the file that was computed: booktape republish {run.source} {run.day}"
        )
    previous = manifest.required(context.store, run, results.Start).previous
    rows = sum(computed.markets.values())
    base = f"{computed.of} run {computed.run}"
    return results.Check(
        rows=rows,
        bytes=computed.bytes,
        sha256=computed.sha256,
        rule=_RULE,
        completeness=None,
        markets={market: csv_check.MarketRows(count) for market, count in computed.markets.items()},
        held=None
        if rows
        else f"nothing can be computed of {base}; once that is republished: booktape republish {run.source} {run.day}",
        version=version,
        previous=previous,
        differs=previous.sha256 != computed.sha256 if previous is not None else None,
    )


def rename_computed(context: Context, run: Run) -> results.Rename:
    """Copy the file to the key under which it is published, with its hash beside it."""
    computed = manifest.required(context.store, run, results.Compute)
    return place_file(context, run, computed.url)
