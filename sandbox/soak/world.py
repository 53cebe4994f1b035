"""The soak's processes: a Redis, one exchange with a route per instance, two shards of two instances."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from booktape.store.objects import Store, open_store
from sandbox import redis
from sandbox.demo.processes import LAST_RESORT_SECONDS, Process, Processes, ProcessFailedError, processes
from sandbox.soak.plan import INSTANCES, SHARDS, Plan


@dataclass
class World:
    """Everything that runs. ``workers`` are by their names: ``a-1of2``."""

    plan: Plan
    directory: Path
    exchange: Process
    routes: dict[str, dict[str, str]]
    workers: dict[str, Process] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        """Where the exchange keeps what it sent."""
        return ledger_of(self.directory)

    def store(self, instance: str) -> Store:
        """What an instance has recorded."""
        return open_store(storage_of(self.directory, instance))

    def status(self) -> dict[str, Any]:
        """What the exchange says of itself. Its ledger is on disk afterwards."""
        return dict(self._ask("GET", "ledger"))

    def misbehave(self, **fault: object) -> None:
        """Order a fault of the exchange."""
        self._ask("POST", "faults", fault)

    def events(self, name: str) -> int:
        """How often the workers have logged an event."""
        return sum(line.get("event") == name for worker in self.workers.values() for line in worker.lines())

    def finish(self) -> None:
        """Stop the markets, and wait until the workers have read all that was sent; connections stay open."""
        self._ask("POST", "finish")
        self._wait(lambda: self.status()["unread"] == 0, lambda: f"{self.status()['unread']} have not read all")

    def is_whole(self) -> bool:
        """Whether both instances are subscribed to everything."""
        return bool(self.status()["streams"] == self.plan.subscribed)

    def wait_until_whole(self) -> None:
        """Wait for every subscription. Raises ProcessFailed if that takes too long."""
        self._wait(self.is_whole, lambda: f"subscribed to {self.status()['streams']}")

    def _wait(self, condition: Callable[[], bool], why: Callable[[], str]) -> None:
        deadline = time.monotonic() + LAST_RESORT_SECONDS
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise ProcessFailedError(f"{why()} after {LAST_RESORT_SECONDS:g} s; see {self.directory / 'logs'}")
            time.sleep(0.2)

    def check(self) -> None:
        """Raise ProcessFailed if a process has ended."""
        for process in (self.exchange, *self.workers.values()):
            process.check()

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        url = f"{self.routes[INSTANCES[0]]['http']}/_sandbox/{path}"
        return httpx.request(method, url, json=content, timeout=LAST_RESORT_SECONDS).raise_for_status().json()


def ledger_of(directory: Path) -> Path:
    """Where the exchange keeps what it sent."""
    return directory / "ledger.jsonl"


def storage_of(directory: Path, instance: str) -> str:
    """Where an instance records."""
    return (directory.absolute() / "data" / instance).as_uri()


@contextmanager
def world(plan: Plan, directory: Path) -> Iterator[tuple[World, Processes]]:
    """A world that ends with the context, its exchange open and its workers started."""
    with redis.running(directory / "redis") as url, processes(directory / "logs", {"REDIS_URL": url}) as programs:
        exchange = programs.start("exchange", "sandbox.exchanges", *_exchange(plan, directory))
        made = World(plan, directory, exchange, exchange.wait_for_line("routes")["routes"])
        for instance in INSTANCES:
            for shard in SHARDS:
                name = f"{instance}-{shard.replace('/', 'of')}"
                arguments = _worker(plan, made, instance, shard)
                made.workers[name] = programs.start(name, "workers", *arguments)
        yield made, programs


def _exchange(plan: Plan, directory: Path) -> list[str]:
    options = {
        "--exchange": "binance",
        "--markets": ",".join(plan.markets),
        "--seed": str(plan.seed),
        "--speed": str(plan.speed),
        # A worker does not believe a time that is more than a day ahead of its own clock.
        "--start": datetime.now(UTC).isoformat(timespec="seconds"),
        "--rate": str(plan.rate),
        "--levels": str(plan.levels),
        "--ledger": str(ledger_of(directory)),
    }
    routes = [part for instance in INSTANCES for part in ("--route", f"{instance}=0")]
    return [part for option in options.items() for part in option] + routes


def _worker(plan: Plan, made: World, instance: str, shard: str) -> list[str]:
    route = made.routes[instance]
    options = {
        "--exchange": "binance",
        "--markets": "all",
        "--shard": shard,
        "--instance": instance,
        "--storage": storage_of(made.directory, instance),
        "--spool": str(made.directory / "spool"),
        "--websocket-url": route["ws"] + "/stream",
        "--rest-url": route["http"],
        "--connection-lifetime": str(plan.lifetime),
        "--listing-seconds": "60",
    }
    return [part for option in options.items() for part in option]
