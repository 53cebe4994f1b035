"""``python -m bench``: measure and print. ``make bench`` calls it."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from msgspec import json
from rich.console import Console
from rich.progress import track

from bench import ingest, night
from bench.report import Report, machine, show, versions

_progress = Console(stderr=True)


def main(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of the ingest ways.")] = 15,
    minutes: Annotated[int, typer.Option(min=1, help="Minutes of traffic in each round.")] = 10,
    merges: Annotated[int, typer.Option(min=0, help="Merges of the generated day; 0 leaves it out.")] = 3,
) -> None:
    """Processor time per message from memory to gzip file, beside a floor and cryptofeed; and a night's merge."""
    ways = ingest.all_ways(minutes)
    times = list(track(ingest.rounds(ways, repeats), "ingest", total=repeats, console=_progress, transient=True))
    report = Report(machine(), versions(), repeats, ingest.costs(ways, times), *_nights(merges))
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


if __name__ == "__main__":
    typer.run(main)
