"""A real Redis, real workers, and an AWS, for as long as a test runs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from celery import Celery
from redis import Redis

from booktape.store.objects import Store, open_store
from sandbox.redis import running
from tests.publish.aws_world import BUCKET, PRODUCT, World, aws_world
from tests.waiting import DEADLINE, FOR_EVER, until

ROOT = Path(__file__).parents[2]
SOURCE = "binance-trades"


def eventually(condition: Callable[[], Any], what: Callable[[], str], *, every: float = 0.02) -> None:
    """Wait until a condition holds, and fail with ``what()`` if it never does."""
    until(condition, lambda: f"not within {DEADLINE} s: {what()}", every=every)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Iterator["Redis[bytes]"]:
    """An empty Redis."""
    client: Redis[bytes] = Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with aws_world(monkeypatch) as world:
        yield world


@dataclass
class Installation:
    """One installation of Booktape: its environment, its storage, and the processes that run in it."""

    environment: dict[str, str]
    directory: Path
    store: Store
    world: World
    client: Celery
    nursery: "subprocess.Popen[str]"
    groups: list[int] = field(default_factory=list)

    def start_worker(self, *, application: str = "tests.tasks.killing", queues: str = "nightly") -> int:
        """Start a worker in a process group of its own, and return the group's id."""
        arguments = ["worker", "-Q", queues, "-c", "2", "-n", f"worker{len(self.groups)}@test", "-l", "info"]
        quiet = ["--without-mingle", "--without-gossip", "--without-heartbeat"]
        order = {
            "environment": self.environment,
            "log": str(self.directory / "worker.log"),
            "arguments": arguments + quiet,
            "application": application,
        }
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(json.dumps(order) + "\n")
        self.nursery.stdin.flush()
        self.groups.append(int(self.nursery.stdout.readline()))
        return self.groups[-1]

    def kill_at(self, point: str) -> None:
        """Let the next worker that comes to a point die there."""
        (self.directory / point).touch()

    def is_working(self) -> bool:
        """Whether the last worker's first process is alive; its children are buried by whoever adopts them."""
        try:
            os.kill(self.groups[-1], 0)
        except ProcessLookupError:
            return False
        return True

    def outlive_locks(self) -> None:
        """Let the locks and the signs of life of dead workers end, as time would."""
        self._forget("booktape:lock:*")
        self.outlive_signs()

    def outlive_signs(self) -> None:
        """Let the signs of life end of what nobody looks after any more. Who still works keeps the lock."""
        self._forget("booktape:attended:*")

    def _forget(self, pattern: str) -> None:
        with Redis.from_url(self.environment["REDIS_URL"]) as client:
            for key in client.scan_iter(pattern):
                client.delete(key)

    def stop(self) -> None:
        """Kill the workers that this installation started."""
        for group in self.groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def send(self, task: str, *arguments: object, **options: Any) -> str:
        """Queue a task, and return its id."""
        return str(self.client.send_task(f"tasks.{task}", args=arguments, **options).id)

    def finish(self, task: str, *arguments: object, **options: Any) -> None:
        """Queue a task, and wait until a worker says that it succeeded."""
        identifier = self.send(task, *arguments, **options)
        ended = f"[{identifier}] succeeded"
        before = self.log().count(ended)
        eventually(lambda: self.log().count(ended) > before, lambda: f"{task} succeeds\n{self.log()}")

    def command(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command line of this installation to its end."""
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def log(self) -> str:
        """What the workers wrote."""
        return (self.directory / "worker.log").read_text()


@pytest.fixture(scope="session")
def nursery() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.tasks.nursery"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def installation(
    tmp_path: Path, world: World, redis: "Redis[bytes]", redis_url: str, nursery: "subprocess.Popen[str]"
) -> Iterator[Installation]:
    """Binance trades, published to a data set and a product; waits are short."""
    (tmp_path / "worker.log").touch()
    sources = tmp_path / "sources.yaml"
    source = {
        "exchange": "binance",
        "data_type": "trades",
        "data_set": world.data_set,
        "products": [{"entity": PRODUCT, "mode": "change-set"}],
    }
    sources.write_text(yaml.safe_dump({SOURCE: source}))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "KILL_DIRECTORY": str(tmp_path),
        "REDIS_URL": redis_url,
        "BOOKTAPE_STORAGE": f"s3://{BUCKET}",
        "BOOKTAPE_SOURCES": str(sources),
        "BOOKTAPE_HEAL": "false",  # no test asks a real venue
        "BOOKTAPE_POLL_SECONDS": "0.05",
        "BOOKTAPE_RETRY_SECONDS": "0.05",
        "BOOKTAPE_RETRY_MOST_SECONDS": "0.2",
        # A living worker's lock must not end because this machine is busy; a dead one's ends when a test says so.
        "BOOKTAPE_LOCK_SECONDS": str(FOR_EVER),
        "BOOKTAPE_ATTENDED_SECONDS": str(2 * FOR_EVER),
        **world.environment,
    }
    client = Celery(broker=redis_url, set_as_current=False)
    client.conf.update(task_default_queue="nightly", task_ignore_result=True)
    made = Installation(environment, tmp_path, open_store(f"s3://{BUCKET}"), world, client, nursery)
    yield made
    made.stop()
    client.close()
