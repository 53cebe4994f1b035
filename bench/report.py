"""What was measured, as tables for people and as JSON for programs."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.ingest import Cost
from bench.night import Night
from bench.peers import cryptofeed_version
from bench.reading import LEVELS, Reading

_PARTS: Final = ("msgspec", "deflate", "obstore", "duckdb", "sqlglot")
_NOT_INSTALLED: Final = "not installed"
_CAPTION: Final = """\
booktape: frames in memory to gzip files. parser: that part of it alone.
floor: the same without sequence rules, keys and digests.
cryptofeed: its handler and book, nothing written; trades as @aggTrade.
Kraken's rule keeps a book of 1,000 levels for its checksum."""


@dataclass(frozen=True, slots=True)
class Report:
    """One run: on what, and what it gave. ``night``, ``certified`` (with its certificate) and ``readings`` (with
    their floors) may be left out.
    """

    machine: str
    versions: dict[str, str]
    repeats: int
    costs: Sequence[Cost]
    night: Night | None
    certified: Night | None = None
    readings: Sequence[tuple[Reading, Reading | None]] = ()


def machine() -> str:
    """The processor and its system."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    processor = names[0].partition(":")[2].strip() if names else platform.machine()
    return f"{len(names)} x {processor}, {platform.system()} {platform.release()}"


def versions() -> dict[str, str]:
    """The versions of everything that was measured."""
    known = {"python": platform.python_version()} | {name: version(name) for name in _PARTS}
    return known | {"cryptofeed": cryptofeed_version() or _NOT_INSTALLED}


def show(report: Report, console: Console) -> None:
    """Print the report."""
    console.print(report.machine, highlight=False)
    console.print(", ".join(f"{name} {text}" for name, text in report.versions.items()), highlight=False)
    console.print(_ingest(report))
    if report.night is not None:
        console.print(_merge(report.night, report.certified))
    if report.readings:
        console.print(_reading(report.readings))


def _ingest(report: Report) -> Table:
    title = f"Processor time per message, medians of {report.repeats} interleaved rounds"
    table = Table(title=title, caption=_CAPTION, caption_justify="left")
    table.add_column("message", no_wrap=True)
    table.add_column("way")
    for heading in ("µs", "messages/s", "x floor"):
        table.add_column(heading, justify="right", no_wrap=True)
    for message, group in groupby(report.costs, key=lambda cost: cost.message):
        for number, cost in enumerate(group):
            table.add_row(message if number == 0 else "", cost.way, *_figures(cost))
        table.add_section()
    return table


def _figures(cost: Cost) -> tuple[str, str, str]:
    if cost.microseconds is None:
        return _NOT_INSTALLED, "", ""
    ratio = f"{cost.times_floor:.2f}" if cost.times_floor is not None else ""
    return f"{cost.microseconds:.2f}", f"{1e6 / cost.microseconds:,.0f}", ratio


def _merge(night: Night, certified: Night | None) -> Table:
    table = Table(title=f"Merge of a day by DuckDB: {night.trades:,} trades, {night.objects:,} objects", min_width=66)
    table.add_column("")
    for heading in ("processor, s", "wall, s", "peak memory, MiB"):
        table.add_column(heading, justify="right")
    for name, one in (("merge", night), ("merge and certificate", certified)):
        if one is not None:
            table.add_row(name, f"{one.cpu_seconds:.2f}", f"{one.wall_seconds:.2f}", f"{one.peak_mebibytes:.0f}")
    return table


def _reading(readings: Sequence[tuple[Reading, Reading | None]]) -> Table:
    title = f"Reading a published day: trades, and a book's messages of {LEVELS} levels"
    caption = "items: rows, messages or levels. floor: the same rows by DuckDB alone, as a table or as tuples."
    table = Table(title=title, caption=caption, caption_justify="left")
    table.add_column("way", no_wrap=True)
    for heading in ("items", "a second", "cpu, s", "wall, s", "MiB", "x floor"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one, floor in readings:
        rate = f"{one.items / one.wall_seconds:,.0f}"
        ratio = f"{one.cpu_seconds / floor.cpu_seconds:.2f}" if floor is not None else ""
        times = (f"{one.cpu_seconds:.2f}", f"{one.wall_seconds:.2f}", f"{one.peak_mebibytes:.0f}")
        table.add_row(one.way, f"{one.items:,}", rate, *times, ratio)
    return table
