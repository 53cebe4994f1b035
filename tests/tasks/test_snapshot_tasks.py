"""Snapshots by real workers: one task per market, on the exchange's own queue, within one budget."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from redis import Redis

from booktape.model import codec
from booktape.model.records import BOOK_SNAPSHOTS, INSTRUMENTS, Instrument
from booktape.store.layout import parse_batch_key
from tests.tasks.conftest import Installation, eventually

BOOK = b'{"lastUpdateId":52,"bids":[["60000.10","0.5"]],"asks":[["60000.20","1.0"]]}'


STATUSES = {"BTCUSDT": "TRADING", "ETHUSDT": "TRADING", "ETHEUR": "TRADING", "LUNUSDT": "BREAK"}
LISTED = json.dumps(
    {
        "symbols": [
            {"symbol": symbol, "status": status, "baseAsset": symbol[:3], "quoteAsset": symbol[3:], "filters": []}
            for symbol, status in STATUSES.items()
        ]
    }
).encode()


class Venue(BaseHTTPRequestHandler):
    """Answers a book, or what it was told to answer first. ``asked`` lists the symbols, ``times`` when that was."""

    asked: ClassVar[list[str]] = []
    times: ClassVar[list[float]] = []
    first: ClassVar[list[tuple[int, dict[str, str]]]] = []

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.times.append(time.monotonic())
        self.asked.append(parse_qs(parts.query)["symbol"][0] if parts.query else parts.path)
        status, headers = self.first.pop(0) if self.first else (200, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(BOOK if parts.query else LISTED)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def venue() -> Iterator[str]:
    Venue.asked.clear()
    Venue.times.clear()
    Venue.first.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Venue) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def recording(installation: Installation, venue: str, tmp_path: Path) -> Installation:
    """Two markets of Binance are recorded."""
    venues = tmp_path / "venues.yaml"
    binance = {"markets": ["BTC-USDT", "ETH-USDT"], "snapshot_seconds": 30, "rest_url": venue}
    venues.write_text(yaml.safe_dump({"binance": binance}))
    installation.environment["BOOKTAPE_VENUES"] = str(venues)
    return installation


def fetched(installation: Installation) -> set[str]:
    return {parse_batch_key(found.key).market for found in installation.store.objects(BOOK_SNAPSHOTS)}


def send(installation: Installation, task: str, *arguments: str) -> None:
    installation.send(f"snapshots.{task}", *arguments, queue="snapshots.binance")


def test_a_round_fetches_every_recorded_market(recording: Installation) -> None:
    recording.start_worker(queues="snapshots.binance")
    send(recording, "fetch_all", "binance")
    eventually(lambda: fetched(recording) == {"BTC-USDT", "ETH-USDT"}, recording.log)
    assert sorted(Venue.asked) == ["BTCUSDT", "ETHUSDT"]


def test_a_single_market_can_be_asked_for_even_if_the_file_does_not_name_it(recording: Installation) -> None:
    recording.start_worker(queues="snapshots.binance")
    send(recording, "fetch", "binance", "SOL-USDT")
    eventually(lambda: fetched(recording) == {"SOL-USDT"}, recording.log)


def test_one_retry_after_silences_every_worker_until_it_is_over(recording: Installation) -> None:
    Venue.first.append((429, {"Retry-After": "2"}))
    for _ in range(2):
        recording.start_worker(queues="snapshots.binance")
    send(recording, "fetch", "binance", "BTC-USDT")
    eventually(lambda: bool(Venue.asked), recording.log)
    send(recording, "fetch_all", "binance")
    eventually(lambda: fetched(recording) == {"BTC-USDT", "ETH-USDT"}, recording.log)
    assert Venue.times[1] - Venue.times[0] >= 2
    assert '"RequestsDelayed": 1' in recording.log()


def test_a_backlog_of_old_rounds_is_dropped(recording: Installation, redis: "Redis[bytes]") -> None:
    for _ in range(5):
        recording.send("snapshots.fetch", "binance", "BTC-USDT", queue="snapshots.binance", expires=0.01)
    send(recording, "fetch", "binance", "ETH-USDT")
    time.sleep(0.02)  # until those have expired
    recording.start_worker(queues="snapshots.binance")
    eventually(lambda: fetched(recording) == {"ETH-USDT"}, recording.log)
    assert Venue.asked == ["ETHUSDT"]


def test_an_exchange_that_is_not_recorded_is_refused(recording: Installation) -> None:
    recording.start_worker(queues="snapshots.binance")
    send(recording, "fetch_all", "kraken")
    error = "kraken is not recorded; the venues file has: binance"
    eventually(lambda: error in recording.log(), recording.log)


def test_globs_in_the_venues_file_are_looked_up_in_the_venues_list(recording: Installation) -> None:
    venues = Path(recording.environment["BOOKTAPE_VENUES"])
    venues.write_text(venues.read_text().replace("BTC-USDT", "'*-USDT'").replace("ETH-USDT", "SOL-USDT"))
    recording.start_worker(queues="snapshots.binance")
    send(recording, "fetch_all", "binance")
    eventually(lambda: fetched(recording) == {"BTC-USDT", "ETH-USDT", "SOL-USDT"}, recording.log)


def test_the_list_of_instruments_is_kept_with_those_that_are_not_trading(recording: Installation) -> None:
    recording.start_worker(queues="snapshots.binance")
    recording.send("instruments.keep", "binance", queue="snapshots.binance")
    eventually(lambda: any(recording.store.objects(INSTRUMENTS)), recording.log)
    (kept,) = recording.store.objects(INSTRUMENTS)
    found = codec.decode_records(INSTRUMENTS, recording.store.read(kept.key))
    assert [(record.symbol, record.status) for record in found if isinstance(record, Instrument)] == [
        ("BTCUSDT", "trading"),
        ("ETHEUR", "trading"),
        ("ETHUSDT", "trading"),
        ("LUNUSDT", "break"),
    ]
