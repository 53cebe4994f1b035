"""``booktape ingest``: recorded frames become objects."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from booktape.capture.ingest import Summary, ingest_capture, printed_bounds
from booktape.capture.reingest import reingest
from booktape.cli.console import err
from booktape.cli.environment import reader_settings
from booktape.cli.options import AsJson, ExchangeOption, Storage
from booktape.cli.terminal import out, parse_day, print_json
from booktape.exchanges import exchange as find_exchange
from booktape.model.errors import InvalidInputError
from booktape.store.objects import open_store


class NothingUnderstoodError(InvalidInputError):
    """No frame could be parsed: most likely, the frames are of another exchange."""


def ingest(
    source: Annotated[
        str,
        typer.Argument(help="A capture (gzipped JSON lines, one frame each), or a storage with raw frames."),
    ],
    exchange: ExchangeOption,
    storage: Storage = None,
    day: Annotated[str | None, typer.Option(help="Only this day of a storage with raw frames.")] = None,
    as_json: AsJson = False,
) -> None:
    """Parse and store recorded frames with the code that records live, and print a summary.

    From a storage that `booktape record --raw` wrote, the raw frames of the exchange are parsed again with today's
    parsers. Ingesting the same frames again writes nothing new.

    Example: booktape ingest capture.jsonl.gz --exchange binance --storage file:///tmp/tape

    Example: booktape ingest file:///srv/tape --exchange binance --day 2024-08-08 --storage file:///tmp/mended
    """
    venue = find_exchange(exchange)
    store = open_store(reader_settings(storage).storage)
    one_day = parse_day(day) if day is not None else None
    columns = (SpinnerColumn(), TextColumn("{task.fields[frames]:,} frames of {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=as_json) as progress:
        task = progress.add_task(source.rstrip("/").rpartition("/")[2], total=None, frames=0)

        def show(frames: int) -> None:
            progress.update(task, frames=frames)

        if "://" in source or Path(source).is_dir():
            kept = open_store(source, make=False)
            summary = reingest(kept, venue, store, first=one_day, last=one_day, on_progress=show)
        else:
            summary = ingest_capture(Path(source), venue, store, show)
    if as_json:
        print_json(summary.to_json())
    else:
        _print_summary(summary, store.url)
    if summary.frames and sum(summary.unknown_frames.values()) == summary.frames:
        raise NothingUnderstoodError(f"none of {summary.frames:,} frames is one of {venue.id}'s; is --exchange right?")


def _print_summary(summary: Summary, url: str) -> None:
    checked, failed = summary.checksums
    out.print(
        f"{summary.frames:,} frames ({summary.control_frames:,} without a record), "
        f"{summary.objects:,} objects ({summary.created:,} new) in {url}"
    )
    table = Table("data type", "market", "records")
    for data_type, markets in sorted(summary.records.items()):
        for market, count in sorted(markets.items()):
            table.add_row(data_type, market, f"{count:,}")
    out.print(table)
    out.print(f"stale {summary.duplicates:,}; checksums {checked:,}, wrong {failed:,}; gaps {len(summary.gaps):,}")
    for gap in summary.gaps:
        first, last = printed_bounds(gap)
        out.print(f"  gap in {gap.data_type} of {gap.market}: {first} to {last}")
    for kind, count in {**summary.unknown_frames, **summary.refused}.items():
        out.print(f"  [yellow]not understood: {kind}: {count:,}[/]")
