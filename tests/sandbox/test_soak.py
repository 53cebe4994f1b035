"""The soak, a short one; and its judge, which must find every kind of fault, or the soak proves nothing."""

from collections.abc import Iterable
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from msgspec import Raw, json

from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import BOOK_UPDATES, MINUTE, QUOTES, TRADES, BookUpdate, Quote, Record, Trade
from booktape.store.layout import batch_key
from booktape.store.objects import Store, open_store
from sandbox.demo.processes import Process
from sandbox.soak.gauges import Gauge
from sandbox.soak.judge import Instance, Verdict, gaps_of, judge
from sandbox.soak.plan import Plan
from sandbox.soak.run import soak
from sandbox.soak.sent import Stream, read_ledger

START = 29_000_000 * MINUTE


def test_a_short_soak_finds_the_archive_equal_to_what_was_sent(tmp_path: Path) -> None:
    plan = Plan(streams=240, minutes=0.25, rate=8, cuts=4, lifetime=5, least_cuts=2, least_handovers=2)
    outcome = soak(plan, tmp_path)
    assert outcome.verdict.examples == []
    assert outcome.verdict.missing == 0
    assert outcome.errors == {}
    assert outcome.statuses == {"a-1of2": 0, "a-2of2": 0, "b-1of2": 0, "b-2of2": 0}
    assert outcome.good
    # It has proven something: there were records, cuts that cost something, and connections that took over.
    assert outcome.verdict.due > 5_000
    assert sum(found.missing for found in outcome.verdict.instances.values()) > 0
    assert outcome.cuts.total() >= 2
    assert outcome.counts["Handovers"] >= 2


def trade(number: int, price: str = "1.0") -> Trade:
    return Trade(number, START + number, "buy", price, "2", START + 10 * number)


def update(number: int, amount: str = "2") -> BookUpdate:
    bids = Raw(json.encode([["1.0", amount]]))
    ids = {"first_id": 3 * number, "last_id": 3 * number + 2}
    return BookUpdate(bids=bids, asks=Raw(b"[]"), local_timestamp=START + 10 * number, **ids)


def quote(number: int, bid: str = "1.0") -> Quote:
    return Quote(7 * number, None, bid, "2", "1.1", "2", START + 10 * number)


KINDS: dict[str, Any] = {TRADES: trade, BOOK_UPDATES: update, QUOTES: quote}


def entry(data_type: str, number: int) -> dict[str, Any]:
    """What the ledger says of the n-th record of a stream."""
    if data_type == TRADES:
        said = {"type": "trade", "id": number, "timestamp": START + number, "side": "buy"}
        return {**said, "market": "A-B", "price": "1.0", "amount": "2"}
    if data_type == BOOK_UPDATES:
        ids = {"first_id": 3 * number, "last_id": 3 * number + 2}
        return {"type": "book", "market": "A-B", "timestamp": 0, "bids": [["1.0", "2"]], "asks": [], **ids}
    bid = {"bid_price": "1.0", "bid_amount": "2"}
    return {"type": "quote", "market": "A-B", "id": 7 * number, **bid, "ask_price": "1.1", "ask_amount": "2"}


class Archive:
    """A ledger of records 1 to 9, of which those from 3 on are due, and what two instances have of them."""

    def __init__(self, directory: Path, data_type: str) -> None:
        self.directory = directory
        self.data_type = data_type
        self.stream = Stream(data_type, "A-B")
        lines = [json.encode(entry(data_type, number)) + b"\n" for number in range(1, 10)]
        self.start = sum(map(len, lines[:2]))
        (directory / "ledger.jsonl").write_bytes(b"".join(lines))

    def records(self, *numbers: int) -> list[Record]:
        return [KINDS[self.data_type](number) for number in numbers]

    def store(self, name: str, batches: Iterable[list[Record]]) -> Store:
        store = open_store((self.directory / name).as_uri())
        for number, records in enumerate(batches):
            batch = Batch(self.data_type, "A-B", START, number, number, len(records), codec.encode_records(records))
            store.create(str(batch_key(batch, "binance")), codec.compress(batch.lines))
        return store

    def verdict(
        self, *one: list[Record], gaps: Iterable[tuple[int, int]] = (), other: list[Record] | None = None
    ) -> Verdict:
        """Of two instances; the other one has everything, if nothing else is said."""
        stores = {"a": self.store("a", one), "b": self.store("b", [other or self.records(*range(1, 10))])}
        line = {"event": "gap", "data_type": self.data_type, "market": "A-B"}
        told = gaps_of({**line, "first": first, "last": last} for first, last in gaps)
        return judge(read_ledger(self.directory / "ledger.jsonl", self.start), stores, {"a": told, "b": {}})


@pytest.fixture(params=sorted(KINDS))
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    return Archive(tmp_path, request.param)


GAPS = {TRADES: (4, 5), BOOK_UPDATES: (12, 17), QUOTES: (START + 30, START + 60)}
"""The gap to be reported where records 4 and 5 are missing."""


def test_what_is_equal_is_found_equal(archive: Archive) -> None:
    found = archive.verdict(archive.records(*range(2, 10)))
    assert found.good
    assert (found.due, found.missing, found.examples) == (7, 0, [])
    assert found.instances == {"a": Instance(records=8), "b": Instance(records=9)}


def test_a_loss_that_was_reported_is_good_as_long_as_the_other_one_has_it(archive: Archive) -> None:
    found = archive.verdict(archive.records(1, 2, 3), archive.records(6, 7, 8, 9), gaps=[GAPS[archive.data_type]])
    assert found.good
    assert found.instances["a"] == Instance(records=7, missing=2, gaps=1)


def test_what_both_lack_is_missing(archive: Archive) -> None:
    found = archive.verdict(archive.records(1, 2, 3, 5, 6, 7, 8, 9), other=archive.records(1, 2, 3, 5, 6, 7, 8, 9))
    assert (found.missing, found.good) == (1, False)


def test_a_loss_that_was_not_reported_is_found(archive: Archive) -> None:
    found = archive.verdict(archive.records(1, 2, 3, 6, 7, 8, 9))
    assert (found.instances["a"].unreported, found.good) == (1, False)


def test_a_gap_that_is_not_there_is_found_but_of_quotes_it_may_be(archive: Archive) -> None:
    found = archive.verdict(archive.records(*range(1, 10)), gaps=[GAPS[archive.data_type]])
    of_quotes = archive.data_type == QUOTES
    assert found.instances["a"] == Instance(records=9, gaps=1, unfounded=not of_quotes, unfounded_quotes=of_quotes)
    assert found.good == of_quotes


def test_what_is_missing_at_the_end_of_a_stream_needs_no_gap(archive: Archive) -> None:
    found = archive.verdict(archive.records(1, 2, 3, 4, 5, 6, 7))
    assert found.good
    assert found.instances["a"] == Instance(records=7, missing=2, at_end=2)


def test_what_is_there_twice_is_found(archive: Archive) -> None:
    found = archive.verdict(archive.records(*range(1, 6)), archive.records(*range(5, 10)))
    assert (found.instances["a"].duplicated, found.good) == (1, False)


def test_what_is_wrong_is_found(archive: Archive) -> None:
    records = archive.records(*range(1, 10))
    records[4] = KINDS[archive.data_type](5, "1.5")
    found = archive.verdict(records)
    assert (found.instances["a"].wrong, found.good) == (1, False)
    records[4] = KINDS[archive.data_type](99)
    assert archive.verdict(records).instances["a"].wrong == 2  # both are in the store by now


def test_memory_is_told_by_quarters(tmp_path: Path) -> None:
    with Popen(["sleep", "60"]) as sleeping:
        gauge = Gauge(Process("sleep", sleeping, tmp_path / "log"))
        gauge.sample()
        sleeping.kill()
    assert 0 < gauge.samples[0] <= gauge.peak < 100
    assert gauge.processor == 0
    gauge.samples = [1.0, 1.0, 2.0, 4.0, 5.0, 5.0, 6.0, 8.0]
    assert [gauge.quarter(number) for number in (1, 2, 3, 4)] == [1.0, 3.0, 5.0, 7.0]
    assert gauge.growth == 4.0
