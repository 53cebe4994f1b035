"""Real frames, lost on purpose: the certificate names every loss, and invents none."""

import csv
import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

from booktape.capture.ingest import ingest_capture
from booktape.exchanges import exchange
from booktape.integrity import parquet_check, verify
from booktape.integrity.certificate_reader import parse_certificate
from booktape.merge import open_engine
from booktape.publish import certify_step, lifecycle
from booktape.publish.aws import Aws
from booktape.publish.context import Context
from booktape.publish.executor import run_steps
from booktape.publish.sources import DataSource
from booktape.store.layout import published_key
from booktape.store.objects import open_store
from tests.captures import reading

Capture = Callable[[str], Path]
Plain = dict[str, Any]

BINANCE = "binance_spot/hftbacktest_btcusdt_20240808.jsonl.gz"
KRAKEN = "kraken/cryptofeed_20260809_v2.jsonl.gz"
DAY = date(2024, 8, 8)
MIDNIGHT = 1723161600_000_000
MARKET = "BTC-USDT"


@dataclass(frozen=True)
class Day:
    """A published day, of which nothing was refused for being incomplete."""

    certificate: Plain
    content: bytes
    csv: bytes

    @property
    def market(self) -> Plain:
        (market,) = self.certificate["markets"].values()
        assert isinstance(market, dict)
        return market


def without(path: Path, to: Path, lost: set[int]) -> Path:
    """A copy of a capture without the lines of these numbers."""
    with gzip.open(path, "rt") as source, gzip.open(to, "wt", compresslevel=1) as copy:
        copy.writelines(line for number, line in enumerate(source) if number not in lost)
    return to


def lines_with(path: Path, marker: str) -> list[int]:
    with gzip.open(path, "rt") as source:
        return [number for number, line in enumerate(source) if marker in line]


def frames(path: Path, numbers: Iterable[int]) -> list[Plain]:
    """The payloads of some lines of a Binance capture."""
    wanted = set(numbers)
    with gzip.open(path, "rt") as source:
        return [json.loads(json.loads(line)["data"])["data"] for n, line in enumerate(source) if n in wanted]


def publish(directory: Path, copies: Iterable[Path], data_type: Any, venue: str = "binance", day: date = DAY) -> Day:
    """Ingest each copy into a system of its own, and publish the day, whatever is missing."""
    systems = [str(directory / name) for name in ("primary", "replica")]
    for copy, system in zip(copies, systems, strict=True):
        ingest_capture(copy, exchange(venue), open_store(system))
    store = open_store(systems[0])
    engine = open_engine("duckdb", primary=systems[0], replica=systems[1], results=str(directory / "results"))
    source = DataSource("capture", venue, data_type, threshold=0)
    context = Context(store, store, engine, {"capture": source}, Aws())
    run = lifecycle.claim_run(store, "capture", day, "nightly", "test")
    run_steps(context, run)
    content = certify_step.read_certificate(context, run)
    assert parquet_check.parquet_differences(parse_certificate(content), store, published_key(run)) == []
    return Day(json.loads(content), content, store.read(published_key(run)))


def told(day: Day) -> list[list[str]]:
    """The rows, without the time of receipt: that moves by a µs where lines were cut."""
    return [[*row[:3], *row[4:]] for row in csv.reader(day.csv.decode().splitlines())]


def of_the_day(event: Plain) -> bool:
    return bool(event["T"] * 1000 < MIDNIGHT)


def test_a_whole_capture_is_certified_whole(capture: Capture, tmp_path: Path) -> None:
    path = capture(BINANCE)
    day = publish(tmp_path, [path, path], "trades")
    ids = [e["t"] for e in reading.binance_events(path) if e.get("e") == "trade" and of_the_day(e)]
    assert day.market["sequence"] == {
        "first": ids[0],
        "last": ids[-1],
        "expected": 9_738,
        "present": 9_738,
        "missing": 0,
        "missing_ids": [],
        "broken_links": [],
        "resumed_ids": [],
        "other_day_ids": [],
        "epochs": [],
        "unnumbered": 0,
    }
    assert day.market["agreement"] == {
        "both": 9_738, "primary_only": 0, "replica_only": 0, "variants": 0, "variant_ids": [], "incomparable": 0,
    }  # fmt: skip
    assert day.market["edges"] == {"start": None, "end": {"missing": 0, "missing_ids": [], "broken_links": []}}
    assert (day.market["share_present"], day.market["share_verified"]) == ("1.000000", "1.000000")
    assert verify.csv_differences(parse_certificate(day.content), lambda: [day.csv]) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_trades_that_only_one_copy_lost_are_all_there_and_told_of_either_side(
    capture: Capture, tmp_path: Path, seed: int
) -> None:
    path, random = capture(BINANCE), Random(seed)
    chosen = random.sample(lines_with(path, "btcusdt@trade"), 800)
    one, other = set(chosen[:500]), set(chosen[500:])
    whole = publish(tmp_path / "whole", [path, path], "trades")
    day = publish(
        tmp_path / "cut",
        [without(path, tmp_path / "one.gz", one), without(path, tmp_path / "other.gz", other)],
        "trades",
    )
    lost_by_primary = sum(map(of_the_day, frames(path, one)))
    lost_by_replica = sum(map(of_the_day, frames(path, other)))
    assert (day.market["sequence"]["missing"], day.market["sequence"]["missing_ids"]) == (0, [])
    assert day.market["agreement"]["replica_only"] == day.market["recovered"]["replica"] == lost_by_primary
    assert day.market["agreement"]["primary_only"] == lost_by_replica
    assert day.market["agreement"]["both"] == 9_738 - lost_by_primary - lost_by_replica
    assert told(day) == told(whole)
    assert verify.csv_differences(parse_certificate(day.content), lambda: [day.csv]) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_trades_that_both_copies_lost_are_named_and_no_others(capture: Capture, tmp_path: Path, seed: int) -> None:
    path, random = capture(BINANCE), Random(seed)
    chosen = random.sample(lines_with(path, "btcusdt@trade")[100:9_000], 450)
    both, one, other = set(chosen[:150]), set(chosen[150:300]), set(chosen[300:])
    day = publish(
        tmp_path,
        [without(path, tmp_path / "one.gz", both | one), without(path, tmp_path / "other.gz", both | other)],
        "trades",
    )
    lost = sorted(frame["t"] for frame in frames(path, both))
    ranges = day.market["sequence"]["missing_ids"]
    assert [number for first, last in ranges for number in range(first, last + 1)] == lost
    assert (day.market["sequence"]["expected"], day.market["sequence"]["missing"]) == (9_738, 150)
    assert day.market["share_present"] == "0.984596"  # 9,588 of 9,738
    assert verify.csv_differences(parse_certificate(day.content), lambda: [day.csv]) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_book_updates_that_both_copies_lost_are_named_by_their_ids(capture: Capture, tmp_path: Path, seed: int) -> None:
    path, random = capture(BINANCE), Random(seed)
    chosen = random.sample(lines_with(path, "btcusdt@depth")[100:3_000], 90)
    both, one, other = set(chosen[:30]), set(chosen[30:60]), set(chosen[60:])
    day = publish(
        tmp_path,
        [without(path, tmp_path / "one.gz", both | one), without(path, tmp_path / "other.gz", both | other)],
        "book_updates",
    )
    lost = [(frame["U"], frame["u"]) for frame in frames(path, both)]
    ranges = day.market["sequence"]["missing_ids"]
    assert [n for first, last in ranges for n in range(first, last + 1)] == [
        n for first, last in sorted(lost) for n in range(first, last + 1)
    ]
    assert (day.market["agreement"]["replica_only"], day.market["agreement"]["primary_only"]) == (30, 30)
    assert verify.csv_differences(parse_certificate(day.content), lambda: [day.csv]) == []


def test_a_book_that_two_copies_lost_different_parts_of_is_whole(capture: Capture, tmp_path: Path) -> None:
    path, random = capture(BINANCE), Random(4)
    chosen = random.sample(lines_with(path, "btcusdt@depth"), 400)
    whole = publish(tmp_path / "whole", [path, path], "book_updates")
    day = publish(
        tmp_path / "cut",
        [
            without(path, tmp_path / "one.gz", set(chosen[:200])),
            without(path, tmp_path / "other.gz", set(chosen[200:])),
        ],
        "book_updates",
    )
    assert told(day) == told(whole)
    assert (day.market["sequence"]["missing"], day.market["book"]["crossed"]) == (0, 0)


def test_a_second_run_over_the_same_recordings_gives_the_same_bytes(capture: Capture, tmp_path: Path) -> None:
    path = capture(BINANCE)
    first = publish(tmp_path / "first", [path, path], "book_updates")
    second = publish(tmp_path / "second", [path, path], "book_updates")
    assert first.content == second.content


def test_what_no_number_shows_is_called_unverifiable(capture: Capture, tmp_path: Path) -> None:
    path = capture(BINANCE)
    day = publish(tmp_path, [path, path], "quotes")
    assert (day.market["unverifiable"], day.market["share_verified"]) == ("monotonic only", "0.000000")
    assert (day.market["sequence"], day.market["share_present"]) == (None, None)
    assert verify.csv_differences(parse_certificate(day.content), lambda: [day.csv]) == []
