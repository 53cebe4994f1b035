"""One row's processes: a simulated venue with a route for each system, and the workers."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from math import ceil
from pathlib import Path
from typing import Any, Final

import httpx

from booktape.model.records import SECOND
from sandbox.demo.processes import LAST_RESORT_SECONDS, Process, Processes, ProcessFailedError, processes
from sandbox.demo.world import MARKETS, STREAMS, WEBSOCKET_PATHS
from sandbox.matrix.rows import LISTED, PRIMARY, REPLICA, WORKERS, Fault, Kill, List, Row, Start, Step

DAY: Final = date(2024, 8, 9)
"""A day that is over; the rows are played around its noon."""

NOON: Final = int(datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC).timestamp()) * SECOND
NOWHERE: Final = "redis://127.0.0.1:1/0"
"""There is no Redis: workers and healing do without."""

_RATE: Final = "60"


@dataclass
class World:
    """What runs. ``origin`` is the monotonic reading at which the market's clock shows noon less ``lead`` seconds.

    The row begins at noon, or in a later minute if not all are connected by then: ``begins`` (seconds after noon).
    """

    row: Row
    venue: str
    directory: Path
    lead: float
    origin: float
    programs: Processes
    routes: dict[str, dict[str, str]] = field(default_factory=dict)
    workers: dict[str, Process] = field(default_factory=dict)
    markets: int = len(MARKETS["binance"])
    begins: float = 0.0

    @property
    def ledger(self) -> Path:
        """Where the venue keeps what it sent."""
        return self.directory / "ledger.jsonl"

    def storage(self, system: str) -> str:
        """Where a system records."""
        return (self.directory.absolute() / "data" / system).as_uri()

    @property
    def now(self) -> float:
        """The market's time, in seconds after the row's beginning."""
        return time.monotonic() - self.origin - self.lead - self.begins

    def market_time(self, now: float) -> int:
        """The market's time (µs) so many seconds after the row's beginning."""
        return NOON + int((self.begins + now) * SECOND)

    def begin(self) -> None:
        """Let the row begin with the next minute, all being connected."""
        self.begins += 60.0 * max(0, ceil(self.now / 60))

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
                self._kill([self.workers.pop(name) for name in step.workers])
            case Start():
                for name in step.workers:
                    self.start(name)
            case List():
                quote = MARKETS[self.venue][0].partition("-")[2]
                self._ask("PUT", f"markets/{LISTED}-{quote}")
                self.markets += 1

    def _kill(self, workers: Sequence[Process]) -> None:
        """Kill workers, and wait until the venue knows that they are gone."""
        for worker in workers:
            worker.kill(signal.SIGKILL)
        for worker in workers:
            worker.popen.wait()
        self._wait(lambda: self._ask("GET", "ledger")["clients"] <= len(self.workers), "connections of dead workers")

    def finish(self) -> None:
        """Stop the markets, and wait until everybody has read what was sent; connections stay open."""
        self._ask("POST", "finish")
        self._wait(lambda: self._ask("GET", "ledger")["unread"] == 0, "not all is read")

    def wait_until_whole(self) -> None:
        """Wait until every worker that runs is subscribed to everything. Raises ProcessFailed."""
        self._wait(self._is_whole, "not all connected")

    def _wait(self, condition: Callable[[], bool], why: str) -> None:
        deadline = time.monotonic() + LAST_RESORT_SECONDS
        while not condition():
            for worker in self.workers.values():
                worker.check()
            if time.monotonic() > deadline:
                raise ProcessFailedError(f"{why}; see {self.directory / 'logs'}")
            time.sleep(0.05)

    def _is_whole(self) -> bool:
        status = self._ask("GET", "ledger")
        systems = {WORKERS[name] for name in self.workers}
        wanted = self.markets * STREAMS[self.venue]
        streams = all(status["streams"][system] >= wanted for system in systems)
        return streams and status["clients"] == len(self.workers)

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        url = f"{self.routes[PRIMARY]['http']}/_sandbox/{path}"
        return httpx.request(method, url, json=content, timeout=LAST_RESORT_SECONDS).raise_for_status().json()

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
    """A world that ends with the context, all connected. Its clock shows noon ``lead`` seconds after it was made."""
    with processes(directory / "logs", {"REDIS_URL": NOWHERE}) as programs:
        made = World(row, venue, directory, lead, time.monotonic(), programs)
        made.open()
        made.wait_until_whole()
        yield made
