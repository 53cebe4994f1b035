"""One row, from the first process to the verdict."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.matrix.judge import Case, Verdict, judge
from sandbox.matrix.night import publish
from sandbox.matrix.rows import WORKERS, Row
from sandbox.matrix.sent import read_ledger
from sandbox.matrix.world import World, world

LEAD: Final = 14.0
"""Seconds before noon at which a row's processes start. The row begins at noon, or later if not all are connected."""

_LENGTH: Final = 8.0
"""Seconds for which a row goes on after noon at least."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one row at one venue."""

    row: Row
    venue: str
    verdicts: list[Verdict]

    @property
    def good(self) -> bool:
        """Whether no data type has a fault."""
        return bool(self.verdicts) and all(not verdict.faults for verdict in self.verdicts)


def run(row: Row, venue: str, directory: Path, lead: float = LEAD) -> Outcome:
    """Run a row in an empty directory, and compare. Raises BooktapeError where a process or the night fails."""
    directory.mkdir(parents=True, exist_ok=True)
    with world(row, venue, directory, lead) as made:
        made.begin()
        connected = made.now
        _sleep_until(made, 0)
        outage = _play(made)
        made.finish()
        made.programs.stop(list(made.workers.values()))
        published = publish(made)
    sent = read_ledger(made.ledger)
    case = Case(row, venue, made.market_time(connected), (made.market_time(outage[0]), made.market_time(outage[1])))
    return Outcome(row, venue, [judge(case, sent, one) for one in published])


def _play(made: World) -> tuple[float, float]:
    """Do the steps and wait until all is whole again. Returns from when to when something was wrong."""
    first: float | None = None
    for step in sorted(made.row.steps, key=lambda step: step.at):
        _sleep_until(made, step.at)
        first = made.now if first is None else first
        made.do(step)
    if len(made.workers) < len(WORKERS) or made.row.steps:
        time.sleep(0.5)
    made.wait_until_whole()
    whole = made.now
    _sleep_until(made, max(_LENGTH, whole + made.row.goes_on))
    return (whole, whole) if first is None else (first, whole)


def _sleep_until(made: World, moment: float) -> None:
    time.sleep(max(0.0, moment - made.now))
