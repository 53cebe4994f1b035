"""One soak, from the first process to the verdict."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandbox.demo.processes import LAST_RESORT_SECONDS, Processes
from sandbox.soak.cuts import Cuts
from sandbox.soak.gauges import Gauge
from sandbox.soak.judge import Verdict, gaps_of, judge
from sandbox.soak.plan import INSTANCES, Plan
from sandbox.soak.sent import Stream, read_ledger
from sandbox.soak.world import World, world

_SAMPLE_SECONDS: Final = 2.0
_FLAT_MIB: Final = 10.0
_FLAT_SHARE: Final = 0.1
_SHORTEST_FLAT: Final = 240.0
"""Shorter soaks do not check memory, because it still fills."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a soak.

    ``counts`` are the workers' own metrics, summed, ``events`` their log lines, and ``errors`` those of level error.
    """

    plan: Plan
    seconds: float
    cuts: Counter[str]
    counts: Counter[str]
    events: Counter[str]
    errors: Counter[str]
    statuses: dict[str, int | None]
    gauges: dict[str, Gauge]
    verdict: Verdict

    @property
    def flat(self) -> bool:
        """Whether no worker's memory has grown. Always true for a short soak."""
        workers = [gauge for name, gauge in self.gauges.items() if name != "exchange"]
        return self.seconds < _SHORTEST_FLAT or all(
            gauge.growth <= max(_FLAT_MIB, _FLAT_SHARE * gauge.quarter(2)) for gauge in workers
        )

    @property
    def good(self) -> bool:
        """Whether the soak has passed."""
        ended = all(status == 0 for status in self.statuses.values())
        return self.verdict.good and self.flat and ended and not self.errors


def soak(plan: Plan, directory: Path, say: Callable[[str], None] = lambda text: None) -> Outcome:
    """Run a soak in an empty directory. Raises BooktapeError if a process ends early or does not come up."""
    with world(plan, directory) as (made, programs):
        made.wait_until_whole()
        start = made.ledger.stat().st_size
        say(f"all connections are up: {plan.subscribed}; {plan.seconds:.0f} s to go")
        gauges = {name: Gauge(process) for name, process in {"exchange": made.exchange, **made.workers}.items()}
        cuts = Cuts(plan, made)
        began = time.monotonic()
        _pass_time(made, cuts, gauges.values(), began, say)
        seconds = time.monotonic() - began
        statuses = _end(made, programs)
        say("the markets are closed; comparing")
        lines = {name: worker.lines() for name, worker in made.workers.items()}
        reported = {
            instance: _joined(gaps_of(found) for name, found in lines.items() if name.startswith(f"{instance}-"))
            for instance in INSTANCES
        }
        verdict = judge(read_ledger(made.ledger, start), {name: made.store(name) for name in INSTANCES}, reported)
        every = [line for found in lines.values() for line in found]
        kinds = Counter(f"{kind} {instance}" for kind, instance in cuts.made)
        errors = [line for line in every if line.get("level") in ("error", "critical")]
        return Outcome(
            plan, seconds, kinds, _metrics(every), _events(every), _events(errors), statuses, gauges, verdict
        )


def _pass_time(made: World, cuts: Cuts, gauges: Iterable[Gauge], began: float, say: Callable[[str], None]) -> None:
    """Let the market's time pass, with cuts, and end with every connection up."""
    sampled, shown = 0.0, 0
    while (passed := time.monotonic() - began) < made.plan.seconds or not _has_shown_enough(made, cuts, passed):
        made.check()
        if passed >= sampled:
            sampled = passed + _SAMPLE_SECONDS
            for gauge in gauges:
                gauge.sample()
        cuts.look(passed)
        if len(cuts.made) > shown:
            shown = len(cuts.made)
            say(f"{passed:6.1f} s: cut {' of '.join(cuts.made[-1])}")
        time.sleep(0.1)
    made.wait_until_whole()


def _has_shown_enough(made: World, cuts: Cuts, passed: float) -> bool:
    """Whether there were the cuts and the handovers that the plan wants, and a calm time since."""
    plan = made.plan
    if len(cuts.made) < plan.least_cuts or passed < cuts.last + plan.calm:
        return False
    return made.events("handed_over") >= plan.least_handovers


def _end(made: World, programs: Processes) -> dict[str, int | None]:
    """Close the markets and let the workers flush. Returns their exit statuses."""
    made.finish()
    programs.stop(list(made.workers.values()))
    made.exchange.kill(signal.SIGTERM)
    made.exchange.popen.wait(LAST_RESORT_SECONDS)
    return {name: worker.popen.returncode for name, worker in made.workers.items()}


def _joined(parts: Iterable[dict[Stream, list[tuple[int, int]]]]) -> dict[Stream, list[tuple[int, int]]]:
    """The shards of one instance have no stream in common."""
    return {stream: gaps for part in parts for stream, gaps in part.items()}


def _metrics(lines: Iterable[dict[str, Any]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in lines:
        for definition in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            for metric in definition["Metrics"]:
                counts[metric["Name"]] += line[metric["Name"]]
    return counts


def _events(lines: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(str(line["event"]) for line in lines if "event" in line)
