"""A worker that is killed at any point of the chain: new ones end in exactly one revision, asset and change set."""

from collections.abc import Callable, Sequence

import pytest

from booktape.publish import lifecycle, manifest
from booktape.publish.results import Check
from booktape.publish.sources import DataSource
from booktape.publish.steps import plan
from booktape.store.layout import Run
from tests.publish.aws_world import PRODUCT
from tests.publish.recordings import DAY, store_trades
from tests.tasks.conftest import SOURCE, Installation, eventually

RUN = Run(SOURCE, DAY, 1)
STEPS = [step.name for step in plan(DataSource(SOURCE, "binance", "trades", data_set="any"))]


def published_once(installation: Installation) -> dict[str, object]:
    checked = manifest.require_result(installation.store, RUN, Check)
    key = "published/binance-trades/2024/08/09/binance-trades_2024-08-09_run1.csv"
    return {
        "revisions": [(f"booktape {RUN} sha256 {checked.sha256[:32]}", True)],
        "assets": [(key, checked.bytes)],
        "jobs": ["COMPLETED"],
        "change sets": ["SUCCEEDED"],
        "published": [PRODUCT],
    }


def publish_though_workers_die(installation: Installation, points: Sequence[str]) -> None:
    """One worker after the other works on the night, and dies at its point; the last one lives."""
    store_trades(installation.store, range(1, 50))
    installation.send("nightly.night", str(DAY))
    for point in points:
        installation.kill_at(point)
        installation.start_worker()
        resume_until(installation, lambda: not installation.is_working(), f"the worker dies at {point}")
        installation.outlive_locks()
    installation.start_worker()
    resume_until(installation, lambda: lifecycle.has_ended(installation.store, RUN), "the run ends")


def resume_until(installation: Installation, condition: Callable[[], bool], what: str) -> None:
    """Wait, while beat's schedule would send ``resume`` now and then."""

    def met() -> bool:
        installation.send("nightly.resume")
        return condition()

    eventually(met, lambda: f"{what}\n{installation.log()}", every=0.1)


@pytest.mark.parametrize("step", STEPS)
def test_workers_die_before_a_step_after_its_effect_and_after_its_record(installation: Installation, step: str) -> None:
    publish_though_workers_die(installation, [f"{step}.before", f"{step}.after", f"{step}.recorded"])
    assert installation.world.summary() == published_once(installation)


@pytest.mark.parametrize("call", ["CreateRevision", "CreateJob", "StartJob", "UpdateRevision", "StartChangeSet"])
def test_a_worker_dies_once_aws_has_answered(installation: Installation, call: str) -> None:
    publish_though_workers_die(installation, [f"{call}.answered"])
    assert installation.world.summary() == published_once(installation)
