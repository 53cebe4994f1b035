"""One row's processes: a simulated venue with a route for each system, and the workers."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from booktape.core.records import SECOND
from sandbox.demo.processes import Process, Processes, ProcessFailed, processes
from sandbox.demo.world import MARKETS, STREAMS, WEBSOCKET_PATHS
from sandbox.matrix.rows import LISTED, PRIMARY, REPLICA, WORKERS, Fault, Kill, List, Row, Start, Step

DAY: Final = date(2024, 8, 9)
"""A day that is over; the rows are played around its noon."""

NOON: Final = int(datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC).timestamp()) * SECOND
NOWHERE: Final = "redis://127.0.0.1:1/0"
"""There is no Redis: workers and healing do without."""

_UP_SECONDS: Final = 45.0
_RATE: Final = "60"


@dataclass
class World:
    """What runs. ``origin`` is the monotonic reading at which the market's clock shows noon less ``lead`` seconds."""

    row: Row
    venue: str
    directory: Path
    lead: float
    origin: float
    programs: Processes
    routes: dict[str, dict[str, str]] = field(default_factory=dict)
    workers: dict[str, Process] = field(default_factory=dict)
    markets: int = len(MARKETS["binance"])

    @property
    def ledger(self) -> Path:
        """Where the venue keeps what it sent."""
        return self.directory / "ledger.jsonl"

    def storage(self, system: str) -> str:
        """Where a system records."""
        return (self.directory.absolute() / "data" / system).as_uri()

    @property
    def now(self) -> float:
        """The market's time, in seconds after noon."""
        return time.monotonic() - self.origin - self.lead

    def open(self) -> None:
        """Start the venue, and the workers that are not late."""
        exchange = self.programs.start("exchange", "sandbox.exchanges", *self._exchange())
        self.routes = exchange.wait_for_line("routes")["routes"]
        for name in WORKERS:
            if name not in self.row.late:
                self.start(name)

    def start(self, name: str) -> None:
        """Start a worker, by its own clock."""
        start = NOON - int(self.lead * SECOND) + int(self.row.clocks.get(name, 0) * SECOND)
        clock = [str(start), "1", str(self.origin), ""]
        self.workers[name] = self.programs.start(name, "sandbox.fast_clock", *clock, "workers", *self._worker(name))

    def do(self, step: Step) -> None:
        """Let a step happen."""
        match step:
            case Fault():
                self._ask("POST", "faults", step.order)
            case Kill():
                for name in step.workers:
                    self.workers.pop(name).kill(signal.SIGKILL)
            case Start():
                for name in step.workers:
                    self.start(name)
            case List():
                quote = MARKETS[self.venue][0].partition("-")[2]
                self._ask("PUT", f"markets/{LISTED}-{quote}")
                self.markets += 1

    def finish(self) -> None:
        """Stop the markets; all is sent, connections stay open."""
        self._ask("POST", "finish")

    def wait_until_whole(self) -> None:
        """Wait until every worker that runs is subscribed to everything. Raises ProcessFailed."""
        deadline = time.monotonic() + _UP_SECONDS
        while not self._is_whole():
            for worker in self.workers.values():
                worker.check()
            if time.monotonic() > deadline:
                raise ProcessFailed(f"not all connected; see {self.directory / 'logs'}")
            time.sleep(0.05)

    def _is_whole(self) -> bool:
        status = self._ask("GET", "ledger")
        systems = {WORKERS[name] for name in self.workers}
        wanted = self.markets * STREAMS[self.venue]
        streams = all(status["streams"][system] >= wanted for system in systems)
        return streams and status["clients"] == len(self.workers)

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        url = f"{self.routes[PRIMARY]['http']}/_sandbox/{path}"
        return httpx.request(method, url, json=content, timeout=30).raise_for_status().json()

    def _exchange(self) -> list[str]:
        start = datetime.fromtimestamp(NOON / SECOND - self.lead, UTC)
        options = {
            "--exchange": self.venue,
            "--markets": ",".join(MARKETS[self.venue]),
            "--seed": "7",
            "--start": start.isoformat(),
            "--origin": str(self.origin),
            "--rate": _RATE,
            "--levels": "100",
            "--ledger": str(self.ledger),
        }
        routes = ["--route", f"{PRIMARY}=0", "--route", f"{REPLICA}=0"]
        return [part for option in options.items() for part in option] + routes

    def _worker(self, name: str) -> list[str]:
        system = WORKERS[name]
        route = self.routes[system]
        options = {
            "--exchange": self.venue,
            "--markets": "all" if self.row.all_markets else ",".join(MARKETS[self.venue]),
            "--system": system,
            "--instance": name.rpartition("-")[2],
            "--storage": self.storage(system),
            "--spool": str(self.directory / "spool"),
            "--websocket-url": route["ws"] + WEBSOCKET_PATHS[self.venue],
            "--rest-url": route["http"],
            "--listing-seconds": "1",
        }
        return [part for option in options.items() for part in option]


@contextmanager
def world(row: Row, venue: str, directory: Path, lead: float) -> Iterator[World]:
    """A world that ends with the context, all connected. Noon comes ``lead`` seconds after the beginning."""
    with processes(directory / "logs", {"REDIS_URL": NOWHERE}) as programs:
        made = World(row, venue, directory, lead, time.monotonic(), programs)
        made.open()
        made.wait_until_whole()
        yield made
