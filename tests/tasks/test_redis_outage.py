"""Redis is killed in the middle of a run and comes back: the run goes on, and publishes once.

A worker that loses its broker may end (kombu 5.7 does so while it holds unacknowledged tasks), and whatever supervises
it starts another one.
"""

import time
from pathlib import Path

from celery import Celery

from booktape.publish import lifecycle, manifest
from booktape.publish.results import Check
from booktape.store.layout import Run
from sandbox.redis import free_port, running
from tests.publish.recordings import DAY, store_trades
from tests.tasks.conftest import SOURCE, Installation, eventually

RUN = Run(SOURCE, DAY, 1)


def test_a_run_outlives_its_redis(installation: Installation, tmp_path: Path) -> None:
    store_trades(installation.store, range(1, 50))
    directory, port = tmp_path / "redis", free_port()
    with running(directory, port) as url:
        installation.environment["REDIS_URL"] = url
        installation.client = Celery(broker=url, set_as_current=False)
        installation.client.conf.update(task_default_queue="nightly", task_ignore_result=True)
        installation.start_worker()
        installation.send("nightly.night", str(DAY))
        eventually(lambda: manifest.read_result(installation.store, RUN, Check) is not None, installation.log)
    with running(directory, port):
        kept, looked = 0, time.monotonic()

        def ended() -> bool:
            nonlocal kept, looked
            is_working, told = installation.is_working(), installation.log().count("lock not released")
            if not is_working or told > kept:
                kept = told
                installation.outlive_locks()
            if time.monotonic() - looked > 2:  # the chain may have been lost with Redis, and its worker not
                looked = time.monotonic()
                installation.outlive_signs()
            if not is_working:
                installation.start_worker()
            installation.send("nightly.resume")
            return lifecycle.has_ended(installation.store, RUN)

        eventually(ended, lambda: f"the run ends\n{installation.log()}", every=0.2)
    summary = installation.world.summary()
    assert {name: len(found) for name, found in summary.items()} == dict.fromkeys(summary, 1)
