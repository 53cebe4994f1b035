"""Who runs in the demo: collectors, Celery workers, beat and Flower, all real programs of Booktape."""

from dataclasses import dataclass, field

from config.celery import NIGHTLY, snapshot_queue
from sandbox.demo.processes import Process
from sandbox.demo.world import MARKETS, WEBSOCKET_PATHS, Engine, World, storage_url
from sandbox.redis import free_port

SYSTEMS = {"primary": ("a", "b"), "replica": ("a",)}


@dataclass
class Cast:
    """The programs. Collectors by exchange, system and instance; ``former`` ones have ended.

    ``tasks`` are Celery's programs, of which the ``workers`` say when they are ready.
    """

    collectors: dict[tuple[str, str, str], Process] = field(default_factory=dict)
    former: list[tuple[tuple[str, str, str], Process]] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    tasks: list[Process] = field(default_factory=list)
    flower_url: str = ""

    def retire(self, name: tuple[str, str, str]) -> Process:
        """Take a collector off the stage: it is expected to end."""
        process = self.collectors.pop(name)
        self.former.append((name, process))
        return process

    def check(self) -> None:
        """Raise an error if one of them has ended by itself."""
        for process in (*self.collectors.values(), *self.tasks):
            process.check()


def start_collectors(world: World, engine: Engine) -> Cast:
    """Two collectors per exchange on the primary system, one on the replica."""
    cast = Cast()
    for exchange in MARKETS:
        for system, instances in SYSTEMS.items():
            for instance in instances:
                cast.collectors[exchange, system, instance] = start_collector(world, engine, exchange, system, instance)
    return cast


def start_tasks(world: World, cast: Cast) -> None:
    """One Celery worker for the nightly chain and one for each exchange's REST, beat and Flower."""
    for queue in (NIGHTLY, *map(snapshot_queue, MARKETS)):
        worker = ("worker", "-Q", queue, "-n", f"{queue}@demo", *_pool(queue))
        cast.workers.append(_celery(world, f"celery-{queue}", *worker))
    cast.tasks += cast.workers
    schedule = str(world.directory / "celerybeat-schedule")
    cast.tasks.append(_celery(world, "beat", "beat", "-s", schedule))
    port = free_port()
    cast.tasks.append(_celery(world, "flower", "flower", f"--port={port}", "--address=127.0.0.1"))
    cast.flower_url = f"http://127.0.0.1:{port}"


def start_collector(world: World, engine: Engine, exchange: str, system: str, instance: str) -> Process:
    """One connection worker; each system reaches the exchange by a route of its own."""
    url = world.exchanges[exchange][system]["ws"] + WEBSOCKET_PATHS[exchange]
    options = {
        "--exchange": exchange,
        "--markets": ",".join(MARKETS[exchange]),
        "--storage": storage_url(world.directory, engine, system),
        "--system": system,
        "--instance": instance,
        "--spool": str(world.directory / "spool"),
        "--websocket-url": url,
    }
    arguments = [part for option in options.items() for part in option]
    return world.start_fast(f"{exchange}-{system}-{instance}", "workers", *arguments)


def _celery(world: World, name: str, *arguments: str) -> Process:
    return world.start_fast(name, "celery", "-A", "tasks", *arguments)


def _pool(queue: str) -> tuple[str, ...]:
    return ("--concurrency", "2") if queue == NIGHTLY else ("--pool", "solo")
