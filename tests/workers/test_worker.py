"""Whole workers, as processes, against exchanges on real sockets."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from booktape.capture.ingest import ingest_capture
from booktape.exchanges import exchange
from booktape.model import codec
from booktape.model.gap import Gap, GapCause, GapUnit
from booktape.model.records import BOOK_UPDATES, SECOND, TRADES, Trade
from booktape.model.uptime import StreamInterval, StreamUptime, decode_segment
from booktape.store import clock
from booktape.store.layout import UPTIME_LOG, BatchKey, SegmentKey, parse_segment_key
from booktape.store.live_cache import latest
from booktape.store.objects import Store, open_store
from sandbox import redis
from sandbox.aws.server import running as running_aws
from sandbox.demo.world import STREAMS
from sandbox.exchanges.clock import Opening
from tests.waiting import DEADLINE, FOR_EVER, until

REPOSITORY = Path(__file__).parents[2]
MARKETS = {"binance": "BTC-USDT,ETH-USDT", "coinbase": "BTC-USD", "kraken": "BTC-USD"}
PATHS = {"binance": "/stream", "coinbase": "", "kraken": "/v2"}


@dataclass
class Program:
    """A running program and its output."""

    popen: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line.get("event") == name]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(DEADLINE)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts programs that are gone after the test."""
    programs: list[Program] = []

    def run(*arguments: str, **environment: str) -> Program:
        log = tmp_path / f"{len(programs)}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
                env=os.environ | environment,
            )
        programs.append(Program(popen, log))
        return programs[-1]

    yield run
    for program in programs:
        program.popen.kill()
        program.popen.wait()


@pytest.fixture
def work(start: Callable[..., Program], tmp_path: Path) -> Callable[..., Program]:
    """Starts connection workers."""

    def run(venue: str, url: str, instance: str, storage: str, **environment: str) -> Program:
        options = {
            "--exchange": venue,
            "--markets": MARKETS[venue],
            "--storage": storage,
            "--instance": instance,
            "--spool": str(tmp_path / "spool"),
            "--websocket-url": url + PATHS[venue],
        }
        arguments = [part for option in options.items() for part in option]
        return start("workers", *arguments, **environment)

    return run


@dataclass
class Venue:
    """A simulated exchange in a process of its own."""

    http: str
    ws: str
    ledger: Path

    def status(self) -> dict[str, Any]:
        return dict(httpx.get(f"{self.http}/_sandbox/ledger").json())

    def is_read(self) -> bool:
        """Whether the markets have finished, and every client has read what it was sent."""
        status = self.status()
        return bool(status["finished"] and status["unread"] == 0)

    def trades_on(self, more: int = 40) -> None:
        """Wait until so many more trades have been sent."""
        wanted = self.status()["counts"].get("trade", 0) + more
        until(lambda: self.status()["counts"].get("trade", 0) >= wanted)

    def finish(self) -> None:
        """Stop the markets; connections stay open."""
        httpx.post(f"{self.http}/_sandbox/finish").raise_for_status()

    def misbehave(self, **fault: object) -> None:
        httpx.post(f"{self.http}/_sandbox/faults", json=fault).raise_for_status()

    def behave(self) -> None:
        """End all faults."""
        httpx.delete(f"{self.http}/_sandbox/faults").raise_for_status()

    def sent(self, kind: str) -> list[dict[str, Any]]:
        self.status()  # flushes the ledger
        entries = [json.loads(line) for line in self.ledger.read_text().splitlines()]
        return [entry for entry in entries if entry["type"] == kind]


@pytest.fixture
def simulate(start: Callable[..., Program], tmp_path: Path) -> Callable[..., Venue]:
    """Starts simulated exchanges."""

    def run(venue: str, *options: str) -> Venue:
        ledger = tmp_path / f"{venue}.jsonl"
        common = ("--exchange", venue, "--markets", MARKETS[venue], "--ledger", str(ledger), "--levels", "50")
        program = start("sandbox.exchanges", *common, *options)
        (line,) = until(lambda: [line for line in program.lines() if "routes" in line])
        route = line["routes"]["primary"]
        return Venue(route["http"], route["ws"], ledger)

    return run


def keys(store: Store) -> set[str]:
    """The keys of all batches."""
    return {item.key for item in store.objects("") if not item.key.startswith(UPTIME_LOG)}


def ledger(store: Store) -> list[tuple[SegmentKey, list[StreamUptime]]]:
    """Every segment."""
    found = sorted(item.key for item in store.objects(UPTIME_LOG))
    return [(parse_segment_key(key), decode_segment(store.read(key))) for key in found]


def told(store: Store, instance: str) -> set[str]:
    """The keys of the batches that an instance says it wrote."""
    return {
        str(
            BatchKey(line.data_type, segment.exchange, line.market, batch.minute, batch.first, batch.last, batch.digest)
        )
        for segment, lines in ledger(store)
        for line in lines
        for batch in line.batches
        if line.instance == segment.instance == instance
    }


def trade_ids(store: Store) -> dict[str, list[int]]:
    """Every stored trade's id by market, sorted; doubled ones would show."""
    ids: dict[str, list[int]] = {}
    for item in store.objects(TRADES):
        for trade in codec.decode_records(TRADES, store.read(item.key)):
            assert isinstance(trade, Trade)
            ids.setdefault(item.key.split("/")[2].removeprefix("pair="), []).append(int(trade.id))
    return {market: sorted(numbers) for market, numbers in ids.items()}


def receipts(store: Store) -> dict[int, int]:
    """When (µs) each stored trade was received, by its id."""
    trades = [trade for item in store.objects(TRADES) for trade in codec.decode_records(TRADES, store.read(item.key))]
    return {int(trade.id): trade.local_timestamp for trade in trades if isinstance(trade, Trade)}


def sent_ids(venue: Venue, first: dict[str, list[int]]) -> dict[str, list[int]]:
    """The ids that the exchange sent, by market, from the first stored one on."""
    ids: dict[str, list[int]] = {market: [] for market in first}
    for entry in venue.sent("trade"):
        if entry["id"] >= first[entry["market"]][0]:
            ids[entry["market"]].append(entry["id"])
    return ids


@pytest.mark.parametrize("venue", sorted(MARKETS))
def test_two_instances_write_one_set_of_objects_and_end_cleanly_with_everything_flushed(
    venue: str, simulate: Callable[..., Venue], work: Callable[..., Program], tmp_path: Path
) -> None:
    opening = Opening(tmp_path / "opening")
    until_minute_four = ("--until", "2026-11-20T23:54:00Z")
    simulated = simulate(venue, "--speed", "60", "--rate", "40", "--opening", str(opening.path), *until_minute_four)
    storage = (tmp_path / "store").as_uri()
    workers = [work(venue, simulated.ws, instance, storage) for instance in "ab"]
    for worker in workers:
        until(partial(worker.events, "connected"))
    streams_of_all = len(MARKETS[venue].split(",")) * STREAMS[venue]
    until(lambda: simulated.status()["clients"] == 2 and simulated.status()["fewest"]["primary"] >= streams_of_all)
    opening.set(time.monotonic() + 0.5)
    until(simulated.is_read)
    assert [worker.end() for worker in workers] == [0, 0]
    stored = trade_ids(open_store(storage))
    assert stored == sent_ids(simulated, stored)
    assert [worker.events("gap") for worker in workers] == [[], []]
    objects, collisions = (
        sum(line[name] for worker in workers for line in worker.events("flushed")) for name in ("objects", "collisions")
    )
    assert objects == collisions == len(keys(open_store(storage)))
    for instance in "ab":
        assert told(open_store(storage), instance) == keys(open_store(storage))
    streams: dict[tuple[str, str, str], list[StreamInterval]] = {}
    for _, lines in ledger(open_store(storage)):
        for line in lines:
            streams.setdefault((line.instance, line.data_type, line.market), []).extend(line.states)
            assert line.gaps == []
    assert {market for _, _, market in streams} == set(MARKETS[venue].split(","))
    for states in streams.values():
        assert "connected" in {one.state for one in states}
        assert states[-1].state == "down", "it ended"
        assert all(one.end == following.start for one, following in pairwise(states))


def test_a_killed_instance_loses_nothing_that_the_other_one_saw(
    simulate: Callable[..., Venue], work: Callable[..., Program], tmp_path: Path
) -> None:
    simulated = simulate("kraken", "--speed", "30", "--rate", "40")
    storage = (tmp_path / "store").as_uri()
    survivor, victim = (work("kraken", simulated.ws, instance, storage) for instance in "ab")
    until(lambda: survivor.events("flushed") and victim.events("flushed"))
    victim.end(signal.SIGKILL)
    killed = clock.now()
    simulated.trades_on()
    survivor.end()
    store = open_store(storage)
    for key in keys(store):  # every object is whole
        codec.decode_records(key.partition("/")[0], store.read(key))
    known = {line.instance: line.end for _, lines in ledger(store) for line in lines}
    assert known["a"] > killed
    assert known.get("b", 0) <= killed // (600 * SECOND) * 600 * SECOND, "of what came after, nothing is known"
    stored = sorted(set(trade_ids(store)["BTC-USD"]))
    assert stored == list(range(stored[0], stored[-1] + 1))


def test_the_ledger_tells_of_a_lost_connection_and_of_what_it_cost(
    simulate: Callable[..., Venue], work: Callable[..., Program], tmp_path: Path
) -> None:
    simulated = simulate("kraken", "--speed", "1", "--rate", "40")
    storage = (tmp_path / "store").as_uri()
    worker = work("kraken", simulated.ws, "a", storage)
    until(lambda: worker.events("connected"))
    simulated.trades_on()
    simulated.misbehave(fault="refuse", seconds=FOR_EVER)
    simulated.misbehave(fault="drop")
    until(lambda: worker.events("disconnected"))
    noticed = clock.now()
    until(lambda: len(worker.events("disconnected")) >= 3)  # twice it was not let in
    assert len(worker.events("connected")) == 1
    until_then = clock.now()
    simulated.behave()
    until(lambda: len(worker.events("connected")) == 2)
    simulated.trades_on()
    simulated.finish()
    until(simulated.is_read)
    assert worker.end() == 0
    states: dict[str, list[StreamInterval]] = {}
    gaps: dict[str, list[Gap]] = {}
    for _, lines in ledger(open_store(storage)):
        for line in lines:
            states.setdefault(line.data_type, []).extend(line.states)
            gaps.setdefault(line.data_type, []).extend(line.gaps)
    assert "resyncing" in {one.state for one in states[BOOK_UPDATES][2:]}, "a book waits for its snapshot"
    (lost,) = gaps[TRADES]
    ids = trade_ids(open_store(storage))["BTC-USD"]
    received = receipts(open_store(storage))
    seen = [state for state, _ in groupby(states[TRADES], key=lambda one: one.state)]
    assert seen == ["down", "connected", "down", "connected", "down"], "it was down once, but for its start and its end"
    down = [one for one in states[TRADES] if one.state == "down" and one.start > received[ids[0]]][:-1]
    assert down[0].start <= noticed < until_then <= down[-1].end
    assert lost.unit is GapUnit.ID
    assert sorted({*range(ids[0], ids[-1] + 1)} - {*ids}) == list(range(lost.first, lost.last + 1))
    assert {(gap.unit, gap.cause) for gap in gaps[BOOK_UPDATES]} == {(GapUnit.TIME, GapCause.INTERRUPTED)}


def test_while_the_store_refuses_batches_wait_in_the_spool_and_nothing_is_lost(
    simulate: Callable[..., Venue], work: Callable[..., Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = simulate("binance", "--speed", "60", "--rate", "40")
    with running_aws() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "booktape")
        httpx.put(f"{aws.url}/tape").raise_for_status()
        worker = work("binance", simulated.ws, "a", "s3://tape/primary")
        until(lambda: worker.events("flushed"))
        refusal = {"service": "s3", "status": 503}
        httpx.post(f"{aws.url}/_sandbox/faults", json=refusal).raise_for_status()
        until(lambda: any(line["spooled"] for line in worker.events("flushed")))
        httpx.delete(f"{aws.url}/_sandbox/faults").raise_for_status()
        assert worker.events("store_refused")
        until(lambda: worker.events("drained"))
        assert worker.end() == 0
        assert worker.events("stopped")[0]["left_in_spool"] == 0
        store = open_store("s3://tape/primary")
        stored = trade_ids(store)
        assert stored == sent_ids(simulated, stored) | {
            market: list(range(ids[0], ids[-1] + 1)) for market, ids in stored.items()
        }
        assert sum(line["dropped"] for line in worker.events("flushed")) == 0
        assert told(store, "a") == keys(store), "what went through the spool is told too"


def test_recording_goes_on_while_redis_is_down_and_snapshots_are_asked_for_when_it_is_back(
    simulate: Callable[..., Venue], work: Callable[..., Program], tmp_path: Path
) -> None:
    simulated = simulate("binance", "--speed", "60", "--rate", "40")
    port = redis.free_port()
    storage = (tmp_path / "store").as_uri()
    worker = work("binance", simulated.ws, "a", storage, REDIS_URL=f"redis://127.0.0.1:{port}/0")
    until(lambda: worker.events("redis_unavailable"))
    until(lambda: len(worker.events("flushed")) >= 3)
    with redis.running(tmp_path / "redis", port) as url:
        from redis import Redis

        with Redis.from_url(url) as client:
            until(lambda: client.llen("snapshots.binance") == 2)
    worker.end()
    stored = trade_ids(open_store(storage))
    assert len(stored) == 2
    for ids in stored.values():
        assert ids == list(range(ids[0], ids[-1] + 1))


def test_a_worker_keeps_the_newest_of_its_markets_in_redis_if_asked_to(
    simulate: Callable[..., Venue], start: Callable[..., Program], tmp_path: Path
) -> None:
    from redis import Redis

    simulated = simulate("binance", "--speed", "60", "--rate", "40")
    with redis.running(tmp_path / "redis", redis.free_port()) as url, Redis.from_url(url) as client:
        options = ["--exchange", "binance", "--markets", MARKETS["binance"], "--storage", (tmp_path / "store").as_uri()]
        more = ["--spool", str(tmp_path / "spool"), "--websocket-url", simulated.ws + PATHS["binance"], "--live"]
        worker = start("workers", *options, *more, REDIS_URL=url)

        def whole() -> dict[str, int]:
            """The id of each market's newest trade, as soon as both markets have a trade and a book."""
            found = latest(client, "binance")
            ids = {market: int(one.trade.id) for market, one in found.items() if one.trade and one.top}
            return ids if len(found) == len(ids) == 2 else {}

        first = until(whole)
        until(lambda: all(number > first[market] for market, number in whole().items()) and whole())
        assert worker.end() == 0
        sent = sent_ids(simulated, trade_ids(open_store((tmp_path / "store").as_uri())))
        for market, one in latest(client, "binance").items():
            assert one.trade is not None
            assert one.trade.id in sent[market]


def test_a_played_capture_is_recorded_by_two_instances_as_one_set_of_objects(
    start: Callable[..., Program], work: Callable[..., Program], tmp_path: Path
) -> None:
    folder = Path(os.environ.get("BOOKTAPE_CAPTURES", REPOSITORY / "../shared/captures"))
    path = folder / "binance_spot/hftbacktest_btcusdt_20240808.jsonl.gz"
    if not path.is_file():
        pytest.skip("no captures: set BOOKTAPE_CAPTURES")
    player = start("sandbox.exchanges", "play", str(path), "--clients", "2")
    (line,) = until(lambda: [line for line in player.lines() if "routes" in line])
    route = line["routes"]["primary"]
    storage = (tmp_path / "played").as_uri()
    workers = [work("binance", route["ws"], instance, storage) for instance in "ab"]
    until(lambda: httpx.get(f"{route['http']}/_sandbox/ledger").json()["finished"])  # and all is read
    assert [worker.end() for worker in workers] == [0, 0]
    ingested = open_store((tmp_path / "ingested").as_uri())
    ingest_capture(path, exchange("binance"), ingested)
    streamed = {key for key in keys(ingested) if not key.startswith("book_snapshots/")}
    assert keys(open_store(storage)) == streamed
    assert told(open_store(storage), "a") == told(open_store(storage), "b") == streamed


@contextmanager
def refused(program: Program) -> Iterator[str]:
    assert program.popen.wait(DEADLINE) == 1
    yield program.log.read_text()


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--exchange", "mtgox", "unknown exchange 'mtgox'; there are: binance"),
        ("--storage", "ftp://x", "'ftp://x' is not a storage URL; use file:///directory or s3://bucket/prefix"),
        ("--markets", ",", "expected a list such as BTC-USDT,ETH-USDT"),
        ("--data-types", "candles", "kraken has no 'candles'; it has: book_snapshots, book_updates, trades"),
        ("--websocket-url", "http://x", "'http://x' is not a WebSocket URL"),
        ("--instance", "a/b", "'a/b' is not an instance's name"),
    ],
)
def test_orders_that_make_no_sense_end_in_one_line(
    start: Callable[..., Program], tmp_path: Path, option: str, value: str, complaint: str
) -> None:
    orders = {
        "--exchange": "kraken",
        "--markets": "BTC-USD",
        "--storage": tmp_path.as_uri(),
        "--spool": str(tmp_path),
        option: value,
    }
    with refused(start("workers", *(part for item in orders.items() for part in item))) as output:
        assert complaint in output
        assert "Traceback" not in output
