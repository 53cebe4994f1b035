"""The end of the demo: what was recorded, what was published, and whether it is what the exchanges sent."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from booktape.model import codec
from booktape.model.records import TRADES, Trade
from booktape.publish import manifest
from booktape.publish.lifecycle import RunStatus
from booktape.publish.results import Check, Finalised, Rename
from booktape.store.objects import Store
from config.sources import load_sources
from sandbox.demo.judge import Verdict, judge
from sandbox.demo.processes import Process
from sandbox.demo.world import World


@dataclass(frozen=True, slots=True)
class Published:
    """One run's outcome: its status, its file as a subscriber would get it, and the judge's verdict."""

    status: RunStatus
    check: Check
    url: str
    content: bytes
    revision_state: str
    change_sets: str
    verdict: Verdict


def outcome(world: World, store: Store, status: RunStatus) -> Published:
    """Fetch what a run published, and judge it by the exchange's ledger."""
    run = status.run
    source = load_sources(world.directory / "sources.yaml")[run.source]
    finalised = manifest.require_result(store, run, Finalised)
    content = world.asset(finalised.asset)
    check = manifest.require_result(store, run, Check)
    assert hashlib.sha256(content).hexdigest() == check.sha256, f"{run}: the asset is not the file that was checked"
    state = world.aws_state()
    assets = [asset for asset in state["assets"] if asset["revision_id"] == finalised.revision]
    final = [r for r in state["revisions"] if r["id"] == finalised.revision and r["finalized"]]
    arn = final[0]["arn"] if final else ""
    changes = Counter(c["status"] for c in state["change_sets"] if arn in str(c))
    return Published(
        status,
        check,
        manifest.require_result(store, run, Rename).url,
        content,
        "final" if final and len(assets) == 1 else f"open or {len(assets)} assets",
        "succeeded" if changes == {"SUCCEEDED": 1} else f"{dict(changes)}",
        judge(content, source.data_type, world.ledger(source.exchange), run.day),
    )


@dataclass(frozen=True, slots=True)
class Recorded:
    """The totals in the logs of one system's workers of one exchange."""

    frames: int
    records: int
    objects: int
    collisions: int
    spooled: int
    gaps: int


def recorded(processes: Iterable[Process]) -> Recorded:
    """Add up the logs of workers. A killed worker counts up to its last line."""
    sums: Counter[str] = Counter()
    for log in {process.log: process for process in processes}.values():
        for line in log.lines():
            if "_aws" in line:
                sums.update({name: line[name] for name in ("Frames", "Records")})
            elif line.get("event") == "flushed":
                sums.update({name: line[name] for name in ("objects", "collisions", "spooled")})
            elif line.get("event") == "gap":
                sums["gaps"] += 1
    return Recorded(sums["Frames"], sums["Records"], sums["objects"], sums["collisions"], sums["spooled"], sums["gaps"])


def healed_trades(primary: Store, published: bytes, exchange: str) -> int:
    """The number of published trades that the primary system does not have: the replica supplied them."""
    held = {
        (item.key.split("/")[2].removeprefix("pair="), str(trade.id))
        for item in primary.objects(f"{TRADES}/exchange={exchange}")
        for trade in codec.decode_records(TRADES, primary.read(item.key))
        if isinstance(trade, Trade)
    }
    rows = (line.split('","') for line in published.decode().splitlines()[1:])
    return sum((row[1], row[4]) not in held for row in rows)


def print_recorded(console: Console, collected: dict[tuple[str, str], Recorded]) -> None:
    """The table of what was recorded."""
    table = Table(
        "exchange", "system", title="Recorded", title_justify="left", box=None, padding=(0, 1), pad_edge=False
    )
    for column in ("frames", "records", "objects", "collisions", "gaps"):
        table.add_column(column, justify="right")
    for (exchange, system), found in collected.items():
        numbers = (found.frames, found.records, found.objects, found.collisions, found.gaps)
        table.add_row(exchange, system, *(f"{number:,}" for number in numbers))
    console.print(table)


def print_published(console: Console, outcomes: list[Published], healed: dict[str, int]) -> None:
    """The table of what was published."""
    table = Table(
        Column("data source", no_wrap=True),
        "run",
        title="Published",
        title_justify="left",
        box=None,
        padding=(0, 1),
        pad_edge=False,
    )
    for column in ("rows", "healed", "lost", "wrong"):
        table.add_column(column, justify="right")
    for column in ("revision", "change set", "ok"):
        table.add_column(column)
    for found in outcomes:
        run, verdict = found.status.run, found.verdict
        table.add_row(
            run.source,
            str(run.number),
            f"{found.check.rows:,}",
            f"{healed[run.source]:,}" if run.source in healed else "",
            f"{verdict.missing:,}",
            f"{verdict.surplus:,}",
            found.revision_state,
            found.change_sets,
            "[green]✓[/]" if verdict.good else "[red]✗[/]",
        )
    console.print(table)
    console.print("Run 2 is the republication. healed: trades that only the replica system had.")


def print_files(console: Console, outcomes: list[Published], directory: Path) -> None:
    """Copy every published file into the demo's directory, and show the path and the first lines of one."""
    directory.mkdir()
    for found in outcomes:
        (directory / found.url.rpartition("/")[2]).write_bytes(found.content)
    first = outcomes[0]
    console.print(f"\n{first.url}\n= {directory / first.url.rpartition('/')[2]}\n", highlight=False, soft_wrap=True)
    for line in first.content.decode().splitlines()[:4]:
        console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)


def differences(outcomes: list[Published]) -> list[str]:
    """All differences, as text; empty when every file is what the exchange sent."""
    complaints = []
    for found in outcomes:
        if found.status.state != "done":
            complaints.append(f"{found.status.run} is {found.status.state}: {found.status.detail}")
        if not found.verdict.good:
            complaints.append(f"{found.status.run}: {found.verdict}")
    return complaints
