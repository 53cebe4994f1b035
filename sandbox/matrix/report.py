"""The outcome of the matrix as a Markdown table, for a terminal and for the documentation."""

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from booktape.model.records import BOOK_UPDATES, QUOTES, SECOND, TRADES
from sandbox.matrix.judge import Verdict
from sandbox.matrix.run import Outcome


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """The table's lines, a row for each row and venue."""
    head = ["| Row | What goes wrong | Venue | Trades | Book updates | Quotes | As certified |"]
    return [*head, "|---|---|---|---|---|---|---|", *_rows(outcomes)]


def caption() -> str:
    """The date and the machine of the run."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine}"


def _rows(outcomes: Iterable[Outcome]) -> Iterable[str]:
    before = None
    for outcome in outcomes:
        by_type = {verdict.data_type: verdict for verdict in outcome.verdicts}
        cells = [_cell(by_type.get(data_type)) for data_type in (TRADES, BOOK_UPDATES, QUOTES)]
        name = (f"`{outcome.row.name}`", outcome.row.says) if outcome.row is not before else ("", "")
        before = outcome.row
        yield "| " + " | ".join([*name, outcome.venue, *cells, "yes" if outcome.good else "**no**"]) + " |"


def _cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    parts = [f"{verdict.lost:,} of {verdict.sent:,} lost"]
    if verdict.numbered:
        parts.append(f"ids {verdict.ids:,} {'=' if verdict.ids == verdict.reported else '≠'} {verdict.reported:,}")
    if verdict.declared:
        parts.append(f"{verdict.declared / SECOND:.1f} s declared")
    if verdict.unseen:
        parts.append(f"{verdict.unseen} unseen")
    return ", ".join(parts)


def faults(outcomes: Iterable[Outcome]) -> list[str]:
    """All faults, one line each."""
    return [
        f"{outcome.row.name}, {outcome.venue}, {verdict.data_type}: {fault}"
        for outcome in outcomes
        for verdict in outcome.verdicts
        for fault in verdict.faults
    ]
