"""Whole workers that follow what a venue lists, against a simulated exchange."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from booktape.store.layout import UPTIME_LOG, parse_batch_key
from booktape.store.objects import open_store
from sandbox import redis
from sandbox.demo.processes import Process, Processes, processes
from tests.waiting import FOR_EVER, until

MARKETS = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT", "BTC-EUR")
CHANNELS = 3


class World:
    """One simulated exchange and the workers that record it."""

    def __init__(self, programs: Processes, directory: Path) -> None:
        self._programs = programs
        self._directory = directory
        self.storage = (directory / "store").as_uri()
        options = ("--markets", ",".join(MARKETS), "--levels", "20", "--speed", "60", "--rate", "20")
        ready = programs.start("exchange", "sandbox.exchanges", *options).wait_for_line("routes")
        self._route = ready["routes"]["primary"]

    def work(self, shard: str, markets: str = "*-USDT") -> Process:
        """Start a worker."""
        options = {
            "--exchange": "binance",
            "--markets": markets,
            "--listing-seconds": "1",
            "--shard": shard,
            "--storage": self.storage,
            "--spool": str(self._directory / "spool"),
            "--websocket-url": self._route["ws"] + "/stream",
            "--rest-url": self._route["http"],
        }
        arguments = [part for option in options.items() for part in option]
        return self._programs.start(f"worker-{shard.replace('/', 'of')}", "workers", *arguments)

    def control(self, method: str, path: str, **content: object) -> Any:
        """Ask the exchange's control paths."""
        url = f"{self._route['http']}/_sandbox/{path}"
        return httpx.request(method, url, json=content or None).raise_for_status().json()

    def subscribed(self) -> int:
        """How many streams are subscribed to at the exchange."""
        return int(self.control("GET", "ledger")["streams"]["primary"])

    def end(self, *workers: Process) -> list[int | None]:
        """Ask workers to end; their exit statuses."""
        self._programs.stop(workers)
        return [worker.popen.returncode for worker in workers]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with redis.running(tmp_path / "redis") as url, processes(tmp_path / "logs", {"REDIS_URL": url}) as programs:
        yield World(programs, tmp_path)


def events(worker: Process, name: str) -> list[dict[str, Any]]:
    return [line for line in worker.lines() if line.get("event") == name]


def lost(worker: Process) -> list[dict[str, Any]]:
    """The connections that were lost. That the venue took long to let a worker in at first is no loss."""
    return [line for line in events(worker, "disconnected") if "does not answer" not in line["reason"]]


def changes(*workers: Process) -> list[tuple[str, str]]:
    """What workers said of their markets: ``("listed", "BTCUSDT")``, sorted."""
    return sorted(
        (kind, symbol)
        for worker in workers
        for line in events(worker, "markets")
        for kind in ("listed", "delisted")
        for symbol in line[kind]
    )


def test_two_shards_record_each_market_once_and_follow_what_is_listed_and_delisted(world: World) -> None:
    workers = [world.work("1/2"), world.work("2/2")]
    until(lambda: world.subscribed() == 4 * CHANNELS)
    world.control("PUT", "markets/ADA-USDT")
    until(lambda: world.subscribed() == 5 * CHANNELS)
    world.control("DELETE", "markets/ETH-USDT")
    until(lambda: world.subscribed() == 4 * CHANNELS)
    sent = world.control("GET", "ledger")["counts"]["trade"]
    until(lambda: world.control("GET", "ledger")["counts"]["trade"] > sent + 100)
    assert world.end(*workers) == [0, 0]
    listed = ["ADAUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]
    assert changes(*workers) == [("delisted", "ETHUSDT"), *(("listed", symbol) for symbol in listed)]
    assert all(changes(worker) for worker in workers), "one of the two has had no market at all"
    stored = [item.key for item in open_store(world.storage).objects("")]
    keys = [parse_batch_key(key) for key in stored if not key.startswith(UPTIME_LOG)]
    assert sorted({(key.data_type, key.market) for key in keys}) == [
        (kind, f"{base}-USDT")
        for kind in ("book_updates", "quotes", "trades")
        for base in ("ADA", "BTC", "ETH", "SOL", "XRP")
    ]
    collisions = sum(line["collisions"] for worker in workers for line in events(worker, "flushed"))
    assert collisions == 0, "both have recorded the same"
    assert [events(worker, "gap") + lost(worker) for worker in workers] == [[], []]


def test_a_rest_api_that_is_away_at_the_start_is_waited_for(world: World) -> None:
    world.control("POST", "faults", fault="refuse", seconds=FOR_EVER)
    worker = world.work("1/1")
    until(lambda: events(worker, "instruments_unavailable"))
    assert world.subscribed() == 0
    world.control("DELETE", "faults")
    until(lambda: world.subscribed() == 4 * CHANNELS)
    assert world.end(worker) == [0]
