"""Real frames through ``ingest``: what lies in storage is what is in the file, and cutting a line shows as one gap."""

import gzip
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from booktape.capture.ingest import ingest_capture
from booktape.exchanges import exchange
from booktape.model import codec
from booktape.model.book import Book
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, TRADES, BookSnapshot, BookUpdate, Record, Trade, levels
from booktape.store.layout import parse_batch_key
from booktape.store.objects import Store, open_store
from tests.captures import reading

Capture = Callable[[str], Path]

BINANCE_2024 = "binance_spot/hftbacktest_btcusdt_20240808.jsonl.gz"
BINANCE_2021 = "binance_spot/cryptofeed_20210405.jsonl.gz"
COINBASE_2026 = "coinbase/cryptofeed_20260809_advanced.jsonl.gz"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


def stored(store: Store, data_type: str, market: str) -> list[Record]:
    """Every record of a stream, object by object in the order of their keys' first ids."""
    keys = [item.key for item in store.objects(data_type) if f"/pair={market}/" in item.key]
    keys.sort(key=lambda key: (parse_batch_key(key).first, parse_batch_key(key).last))
    return [record for key in keys for record in codec.decode_records(data_type, store.read(key))]


def rebuilt(store: Store, market: str) -> Book:
    """The book at the end: the one snapshot, then every update after it."""
    (snapshot,) = stored(store, BOOK_SNAPSHOTS, market)
    assert isinstance(snapshot, BookSnapshot)
    book = Book(levels(snapshot.bids), levels(snapshot.asks))
    for update in stored(store, BOOK_UPDATES, market):
        assert isinstance(update, BookUpdate)
        if snapshot.last_id is None or (update.last_id or 0) > snapshot.last_id:
            book.apply(levels(update.bids), levels(update.asks))
        assert not book.is_crossed()
    return book


def sides(book: Book) -> reading.Sides:
    return dict(book.bids.top()), dict(book.asks.top())


def test_every_trade_of_the_binance_capture_is_stored_once_on_two_days(capture: Capture, store: Store) -> None:
    path = capture(BINANCE_2024)
    summary = ingest_capture(path, exchange("binance"), store)
    assert (summary.frames, summary.unknown_frames, summary.gaps, summary.duplicates) == (51_982, {}, [], 0)
    trades = stored(store, TRADES, "BTC-USDT")
    assert len(trades) == 11_693
    sent = [event["t"] for event in reading.binance_events(path) if event.get("e") == "trade"]
    assert [trade.id for trade in trades if isinstance(trade, Trade)] == sent
    days = {item.key.rpartition("/")[0][-20:] for item in store.objects(TRADES)}
    assert days == {"year=2024/month=08/day=08"[-20:], "year=2024/month=08/day=09"[-20:]}


def test_binances_book_ids_are_contiguous_in_storage_and_the_book_is_that_of_a_straight_replay(
    capture: Capture, store: Store
) -> None:
    path = capture(BINANCE_2024)
    ingest_capture(path, exchange("binance"), store)
    updates = [u for u in stored(store, BOOK_UPDATES, "BTC-USDT") if isinstance(u, BookUpdate)]
    assert len(updates) == 4_051
    assert all(after.first_id == (before.last_id or 0) + 1 for before, after in pairwise(updates))
    assert sides(rebuilt(store, "BTC-USDT")) == reading.binance_book(path, "BTCUSDT")


def test_ten_symbols_on_one_connection_of_binance(capture: Capture, store: Store) -> None:
    path = capture(BINANCE_2021)
    summary = ingest_capture(path, exchange("binance"), store)
    assert (summary.frames, summary.unknown_frames, summary.gaps) == (11_367, {}, [])
    assert sum(summary.records[BOOK_UPDATES].values()) == 4_709
    assert sum(summary.records[TRADES].values()) == 1_240
    symbols = [("ZILUSDT", "ZIL-USDT"), ("BTCSTUSDT", "BTCST-USDT"), ("RENBTCETH", "RENBTC-ETH"), ("BTCAUD", "BTC-AUD")]
    for symbol, market in symbols:
        assert sides(rebuilt(store, market)) == reading.binance_book(path, symbol)


def test_the_coinbase_capture_is_understood_and_its_books_are_those_of_a_straight_replay(
    capture: Capture, store: Store
) -> None:
    path = capture(COINBASE_2026)
    summary = ingest_capture(path, exchange("coinbase"), store)
    assert (summary.unknown_frames, summary.refused, summary.gaps, summary.duplicates) == ({}, {}, [], 0)
    assert summary.records[TRADES] == {"BTC-USD": 147, "ETH-USD": 132}
    assert summary.records[BOOK_UPDATES] == {"BTC-USD": 399, "ETH-USD": 374}
    ids = [trade.id for trade in stored(store, TRADES, "BTC-USD") if isinstance(trade, Trade)]
    assert ids == list(range(1068571991, 1068572137 + 1))
    for product in ("BTC-USD", "ETH-USD"):
        assert sides(rebuilt(store, product)) == reading.coinbase_book(path, product)


def test_ingesting_the_same_file_again_writes_nothing_new(capture: Capture, store: Store) -> None:
    path = capture(BINANCE_2024)
    first = ingest_capture(path, exchange("binance"), store)
    again = ingest_capture(path, exchange("binance"), store)
    assert (first.objects, first.created) == (25, 25)
    assert (again.objects, again.created) == (25, 0)


def cut(path: Path, to: Path, marker: str, which: int) -> dict[str, Any]:
    """Write a copy without the ``which``-th line that holds a marker; returns the frame that was removed."""
    removed = None
    with gzip.open(path, "rt") as source, gzip.open(to, "wt", compresslevel=1) as copy:
        for line in source:
            if marker in line and removed is None:
                which -= 1
                if which == 0:
                    removed = line
                    continue
            copy.write(line)
    assert removed is not None
    frame = json.loads(json.loads(removed)["data"])
    assert isinstance(frame, dict)
    return frame


def test_removing_a_trade_is_one_gap_that_names_it(capture: Capture, store: Store, tmp_path: Path) -> None:
    frame = cut(capture(BINANCE_2024), tmp_path / "cut.gz", "btcusdt@trade", 5_000)
    summary = ingest_capture(tmp_path / "cut.gz", exchange("binance"), store)
    missing = frame["data"]["t"]
    assert summary.to_json()["gaps"] == [{"data_type": "trades", "market": "BTC-USDT", "from": missing, "to": missing}]


def test_removing_a_book_update_is_one_gap_that_names_its_ids(capture: Capture, store: Store, tmp_path: Path) -> None:
    frame = cut(capture(BINANCE_2024), tmp_path / "cut.gz", "btcusdt@depth", 2_000)
    summary = ingest_capture(tmp_path / "cut.gz", exchange("binance"), store)
    event = frame["data"]
    assert summary.to_json()["gaps"] == [
        {"data_type": "book_updates", "market": "BTC-USDT", "from": event["U"], "to": event["u"]}
    ]


def test_removing_a_frame_of_coinbase_is_one_gap_in_the_connections_counter(
    capture: Capture, store: Store, tmp_path: Path
) -> None:
    frame = cut(capture(COINBASE_2026), tmp_path / "cut.gz", "l2_data", 400)
    summary = ingest_capture(tmp_path / "cut.gz", exchange("coinbase"), store)
    number = frame["sequence_num"]
    assert summary.to_json()["gaps"] == [{"data_type": "*", "market": "*", "from": number, "to": number}]


def test_a_file_that_is_cut_off_is_named_and_what_came_before_is_not_lost(
    capture: Capture, store: Store, tmp_path: Path
) -> None:
    from booktape.capture.ingest import InvalidCaptureError

    whole = capture(COINBASE_2026).read_bytes()
    (tmp_path / "half.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidCaptureError, match=r"half\.gz cannot be read after line \d+"):
        ingest_capture(tmp_path / "half.gz", exchange("coinbase"), store)
    assert stored(store, TRADES, "BTC-USD")
