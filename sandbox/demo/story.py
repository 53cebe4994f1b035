"""What happens in the demo, and when."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

from celery import Celery
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from booktape.model.errors import BooktapeError
from booktape.model.records import SECOND
from booktape.publish.lifecycle import RunStatus, source_statuses
from booktape.store.objects import Store
from config.celery import NIGHTLY
from sandbox.demo.cast import SYSTEMS, Cast, start_collector
from sandbox.demo.processes import LAST_RESORT_SECONDS, Process
from sandbox.demo.world import DATA_TYPES, MARKETS, Engine, World

_OPENS_AFTER: Final = 0.5
"""Seconds from the decision to open the market until it opens."""

SOURCES: Final = tuple(f"{venue}-{slug}" for venue in MARKETS for slug in DATA_TYPES)
REPUBLISHED: Final = "binance-trades"

KILLED: Final = ("binance", "primary", "b")
CUT_OFF: Final = "coinbase"


class DemoFailedError(BooktapeError):
    """Something that the demo waits for did not happen."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens at a share (0 to 1) of the market's time."""

    at: float
    announcement: str
    do: Callable[[], object]


@dataclass
class Stage:
    """Where the story plays."""

    world: World
    cast: Cast
    engine: Engine
    console: Console

    def say(self, text: str) -> None:
        """Tell the user what happens."""
        self.console.print(text, highlight=False)


def wait(what: str, condition: Callable[[], bool], check: Callable[[], None], seen: Callable[[], object]) -> None:
    """Wait for something that must happen, as long as what is ``seen`` of it changes now and then.

    Raises :class:`DemoFailedError`.
    """
    before, deadline = None, 0.0
    while not condition():
        check()
        if (now := seen()) != before or not deadline:
            before, deadline = now, time.monotonic() + LAST_RESORT_SECONDS
        if time.monotonic() > deadline:
            raise DemoFailedError(f"{what}: nothing has happened for {LAST_RESORT_SECONDS:g} s")
        time.sleep(0.1)


def gather(stage: Stage) -> None:
    """Wait until every collector is connected to all of its streams, and every worker takes tasks."""
    world, cast = stage.world, stage.cast

    def missing() -> list[str]:
        collectors = [process.name for process in cast.collectors.values() if not _connected(process)]
        workers = [process.name for process in cast.workers if not _ready(process)]
        return collectors + workers

    wait("connecting", lambda: not missing() and world.is_whole(SYSTEMS), cast.check, missing)


def open_market(stage: Stage) -> None:
    """Let the market open, now that nobody misses its first trade."""
    stage.world.market.opening.set(time.monotonic() + _OPENS_AFTER)


def _connected(process: Process) -> bool:
    return any(line.get("event") == "connected" for line in process.lines())


def _ready(process: Process) -> bool:
    """Whether a Celery worker has said that it takes tasks."""
    return b" ready." in process.log.read_bytes()


def trade(stage: Stage) -> None:
    """Let the market's time pass, and things go wrong in it."""
    world, market = stage.world, stage.world.market
    clock = market.clock
    opened = clock.opened()
    assert opened is not None, "the market opens before anybody trades"
    seconds = (market.minutes_before + market.minutes_after) * 60 / market.speed
    acts = _acts(stage, seconds)
    columns = (TextColumn("market time {task.fields[clock]}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stage.console, transient=True) as progress:
        bar = progress.add_task("market", total=seconds, clock=market.opens.strftime("%d %H:%M"))
        while (passed := clock.elapsed() - opened) < seconds:
            while acts and passed >= acts[0].at * seconds:
                act = acts.pop(0)
                stage.say(act.announcement)
                act.do()
            shown = time.strftime("%d %H:%M", time.gmtime(clock.now() / SECOND))
            progress.update(bar, completed=max(0.0, passed), clock=shown)
            stage.cast.check()
            time.sleep(0.1)
    wait("closing", world.is_read, stage.cast.check, lambda: None)


def _acts(stage: Stage, seconds: float) -> list[Act]:
    """The plot: an instance dies and comes back, an exchange cannot be reached from the primary system for a while."""
    world = stage.world

    def kill() -> None:
        stage.cast.retire(KILLED).kill()

    def revive() -> None:
        stage.cast.collectors[KILLED] = start_collector(world, stage.engine, *KILLED)

    def cut_off() -> None:
        world.misbehave(CUT_OFF, fault="refuse", route="primary", seconds=seconds * 0.2)
        world.misbehave(CUT_OFF, fault="drop", route="primary")

    return [
        Act(0.25, "[red]✗[/] SIGKILL to binance, primary, instance b; instance a records on", kill),
        Act(0.35, f"[red]✗[/] {CUT_OFF} cannot be reached from the primary system; the replica records on", cut_off),
        Act(0.45, "[green]✓[/] binance, primary, instance b is started again", revive),
        Act(0.55, f"[green]✓[/] {CUT_OFF} lets the primary system in again", lambda: None),
    ]


def end_collection(stage: Stage) -> None:
    """Ask every collector to flush and end."""
    stage.world.processes.stop([stage.cast.retire(name) for name in list(stage.cast.collectors)])


def publish(stage: Stage, sender: Celery, store: Store, day: date) -> list[RunStatus]:
    """The night of a day, then one republication; returns where every run stands."""
    sender.send_task("tasks.nightly.night", args=[day.isoformat()], queue=NIGHTLY)
    _follow(stage, store, day, runs=len(SOURCES))
    stage.say(f"[green]✓[/] the night is done; republishing {REPUBLISHED}")
    sender.send_task("tasks.nightly.republish", args=[REPUBLISHED, day.isoformat()], queue=NIGHTLY)
    return _follow(stage, store, day, runs=len(SOURCES) + 1)


def _follow(stage: Stage, store: Store, day: date, runs: int) -> list[RunStatus]:
    """Show the runs' steps until all have ended."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stage.console, transient=True) as progress:
        bar = progress.add_task("publishing", total=runs)
        found: list[RunStatus] = []

        def ended() -> bool:
            found[:] = [state for source in SOURCES for state in source_statuses(store, source, since=day)]
            steps = sum(len(state.steps) for state in found)
            over = sum(state.state != "running" for state in found)
            progress.update(bar, completed=over, description=f"publishing: {steps} steps, {over} of {runs} runs")
            return over == runs

        wait("publishing", ended, stage.cast.check, lambda: [(state.state, state.steps) for state in found])
    return found
