"""Prints the outcome of a soak."""

from rich.console import Console
from rich.table import Table

from sandbox.soak.run import Outcome


def show(outcome: Outcome, console: Console) -> None:
    """Print the tables."""
    console.print(_figures(outcome), _instances(outcome), _processes(outcome))
    for example in outcome.verdict.examples:
        console.print(f"[red]✗[/] {example}", highlight=False)
    for event, count in outcome.errors.items():
        console.print(f"[red]✗[/] {count} log lines {event!r}", highlight=False)
    if not outcome.flat:
        console.print("[red]✗[/] memory has grown")
    console.print("[green]✓ equal[/]" if outcome.good else "[red]✗ not equal[/]")


def _figures(outcome: Outcome) -> Table:
    plan, verdict, counts = outcome.plan, outcome.verdict, outcome.counts
    cuts = ", ".join(f"{count} {kind}" for kind, count in sorted(outcome.cuts.items()))
    table = Table("soak", "", title=f"{len(plan.markets)} markets, {outcome.seconds:.0f} s", title_justify="left")
    table.add_row("streams of each instance", f"{len(plan.markets) * 3:,}")
    table.add_row("frames, all workers", f"{counts['Frames']:,} ({counts['Frames'] / outcome.seconds:,.0f}/s)")
    table.add_row("records, all workers", f"{counts['Records']:,}")
    table.add_row("disconnects by the soak", f"{outcome.cuts.total()} ({cuts})")
    table.add_row("disconnects, all workers", f"{counts['Disconnects']:,}")
    table.add_row("handovers, failed handovers", f"{counts['Handovers']:,}, {outcome.events['handover_failed']:,}")
    table.add_row("stale streams, duplicate records", f"{counts['StaleStreams']:,}, {counts['DuplicateRecords']:,}")
    table.add_row("objects, spooled, dropped", f"{counts['Objects']:,}, {counts['Spooled']:,}, {counts['Dropped']:,}")
    table.add_row("keys of both instances, all keys", f"{verdict.shared:,}, {verdict.keys:,}")
    table.add_row("records due", f"{verdict.due:,}")
    table.add_row("missing in both", f"{verdict.missing:,}")
    table.add_row("exit statuses", str(outcome.statuses))
    return table


def _instances(outcome: Outcome) -> Table:
    columns = (
        "records", "duplicated", "wrong", "gaps", "missing", "unreported", "at an end", "unfounded", "… of quotes"
    )  # fmt: skip
    table = Table("instance", *columns)
    for name, found in outcome.verdict.instances.items():
        figures = (
            found.records,
            found.duplicated,
            found.wrong,
            found.gaps,
            found.missing,
            found.unreported,
            found.at_end,
            found.unfounded,
            found.unfounded_quotes,
        )
        table.add_row(name, *(f"{figure:,}" for figure in figures))
    return table


def _processes(outcome: Outcome) -> Table:
    table = Table("process", "RSS at start", "2nd quarter", "last quarter", "growth", "peak (MiB)", "processor")
    for name, gauge in outcome.gauges.items():
        memory = (gauge.samples[0], gauge.quarter(2), gauge.quarter(4), gauge.growth, gauge.peak)
        table.add_row(name, *(f"{figure:.1f}" for figure in memory), f"{gauge.processor / outcome.seconds:.1%}")
    return table
