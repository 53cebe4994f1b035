"""``booktape demo``: a market's evening, its night, and the judgement."""

import os
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from celery import Celery
from rich.console import Console

from booktape.store.objects import Store, open_store
from sandbox.demo import report, story
from sandbox.demo.cast import Cast, start_collectors, start_tasks
from sandbox.demo.story import DemoFailedError, Stage
from sandbox.demo.world import CREDENTIALS, MARKETS, Engine, Market, World, storage_url, world
from sandbox.exchanges.clock import Opening

MARKER = ".booktape-demo"


def play(directory: Path, engine: Engine, *, speed: float, rate: float, keep: bool, console: Console) -> None:
    """Run the demo in a directory of its own, which is emptied first.

    Raises :class:`~sandbox.demo.story.DemoFailedError` if what is published is not what the exchanges sent.
    """
    _empty(directory)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    market = Market(yesterday, 10, 5, speed, time.monotonic(), Opening(directory / "opening"))
    console.print(f"Setting up Redis, AWS and three exchanges in {directory} …", highlight=False)
    with world(directory, market, engine, rate) as built:
        stage = Stage(built, start_collectors(built, engine), engine, console)
        start_tasks(built, stage.cast)
        story.gather(stage)
        story.open_market(stage)
        stage.say(f"[green]✓[/] {len(stage.cast.collectors)} collectors are connected; the market runs at {speed:g}x")
        stage.say(f"Flower shows the tasks at {stage.cast.flower_url}; logs are in {directory / 'logs'}")
        story.trade(stage)
        story.end_collection(stage)
        stage.say(f"[green]✓[/] the market has closed; publishing {yesterday}")
        _publish_and_judge(stage)
        if keep:
            stage.say(f"Everything keeps running; Flower is at {stage.cast.flower_url}. Ctrl-C ends it.")
            _until_interrupted()


def _publish_and_judge(stage: Stage) -> None:
    """The night, the tables, the judgement."""
    built, console = stage.world, stage.console
    store = _open_primary(built, stage.engine)
    statuses = story.publish(stage, Celery(broker=built.redis_url), store, built.market.day)
    stuck = [status for status in statuses if status.state != "done"]
    if stuck:
        raise DemoFailedError("; ".join(f"{status.run} is {status.state}: {status.detail}" for status in stuck))
    outcomes = [report.outcome(built, store, status) for status in statuses]
    trades = {found.status.run.source: found for found in outcomes if found.status.run.source.endswith("-trades")}
    healed = {
        source: report.healed_trades(store, found.content, source.removesuffix("-trades"))
        for source, found in trades.items()
    }
    report.print_recorded(console, _recorded(stage.cast))
    report.print_published(console, outcomes, healed)
    report.print_files(console, outcomes, built.directory / "published")
    complaints = report.differences(outcomes)
    if complaints:
        raise DemoFailedError("what was published is not what the exchanges sent: " + "; ".join(complaints))
    console.print("\n[green]✓ every published file holds exactly what its exchange sent[/]")


def _recorded(cast: Cast) -> dict[tuple[str, str], report.Recorded]:
    return {
        (exchange, system): report.recorded(process for name, process in cast.former if name[:2] == (exchange, system))
        for exchange in MARKETS
        for system in ("primary", "replica")
    }


def _open_primary(built: World, engine: Engine) -> Store:
    """The primary system's store, reached as the demo's programs reach it: through their environment."""
    os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=built.aws_url)
    return open_store(storage_url(built.directory, engine, "primary"))


def _empty(directory: Path) -> None:
    """Empty a directory that an earlier demo made; anything else is left alone."""
    if directory.exists() and any(directory.iterdir()) and not (directory / MARKER).exists():
        raise DemoFailedError(f"{directory} is not empty and no earlier demo's; choose another with --directory")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / MARKER).touch()


def _until_interrupted() -> None:
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)
