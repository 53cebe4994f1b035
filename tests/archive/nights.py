"""Publishes recorded days, for tests of reading them back."""

from datetime import date
from pathlib import Path

from booktape.merge import open_engine
from booktape.publish import lifecycle, manifest
from booktape.publish.aws import Aws
from booktape.publish.context import Context
from booktape.publish.executor import run_steps
from booktape.publish.results import Done
from booktape.publish.sources import DataSource
from booktape.store.layout import Run
from booktape.store.objects import open_store


def publish(
    primary: str, source: DataSource, *days: date, replica: str | None = None, results: Path | None = None
) -> list[Run]:
    """Publish days of a source in the primary's own storage, on DuckDB; a day that is published already once more."""
    store = open_store(primary)
    engine = open_engine("duckdb", primary=primary, replica=replica, results=str(results or f"{primary}/merged"))
    context = Context(store, store, engine, {source.name: source}, Aws())
    runs: list[Run] = []
    for day in days:
        last = lifecycle.last_run(store, source.name, day)
        is_done = last is not None and manifest.read_result(store, last, Done) is not None
        reason: lifecycle.Reason = "republish" if is_done else "nightly"
        runs.append(lifecycle.claim_run(store, source.name, day, reason, f"test {len(runs)} {day} {reason}"))
        run_steps(context, runs[-1])
    return runs
