"""``python -m bench``: measure and print. ``make bench`` calls it."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from msgspec import json
from rich.console import Console
from rich.progress import track

from bench import ingest, night, reading
from bench.report import Report, machine, show, versions

_progress = Console(stderr=True)


def main(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of the ingest ways.")] = 15,
    minutes: Annotated[int, typer.Option(min=1, help="Minutes of traffic in each round.")] = 10,
    merges: Annotated[int, typer.Option(min=0, help="Merges of the generated day; 0 leaves it out.")] = 3,
    messages: Annotated[
        int, typer.Option(min=0, help="Book messages of the day that is read back; 0 leaves that out.")
    ] = reading.MESSAGES,
) -> None:
    """Processor time per message from memory to gzip file, beside a floor and cryptofeed; a night's merge; reading."""
    ways = ingest.all_ways(minutes)
    times = list(track(ingest.rounds(ways, repeats), "ingest", total=repeats, console=_progress, transient=True))
    report = Report(machine(), versions(), repeats, ingest.costs(ways, times), *_nights(merges), _readings(messages))
    if as_json:
        print(json.encode(asdict(report)).decode())
    else:
        show(report, Console())


def _nights(merges: int) -> tuple[night.Night | None, night.Night | None]:
    """The merge alone, and with its certificate."""
    if not merges:
        return None, None
    with TemporaryDirectory(prefix="booktape-bench-") as name:
        directory = Path(name)
        with _progress.status("generating a day of trades"):
            night.generate(directory)
        tokens = track(range(merges), "merge", console=_progress, transient=True)
        pairs = [
            (night.measured(directory, f"{token}"), night.measured(directory, f"{token} c", with_certificate=True))
            for token in tokens
        ]
        alone, certified = zip(*pairs, strict=True)
        return night.median_of(list(alone)), night.median_of(list(certified))


def _readings(messages: int) -> list[tuple[reading.Reading, reading.Reading | None]]:
    """Each way to read a published day, beside its floor."""
    if not messages:
        return []
    with TemporaryDirectory(prefix="booktape-bench-") as name:
        directory = Path(name)
        with _progress.status("recording and publishing a day of trades and book messages"):
            reading.prepare(directory, messages)
        with _progress.status("reading it"):
            return reading.all_ways(directory)


if __name__ == "__main__":
    typer.run(main)
