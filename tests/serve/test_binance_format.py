"""What is sent as Binance's own is what Binance sent: its parser gives the same records again."""

import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from booktape.exchanges.binance.common_frames import parse_rest
from booktape.exchanges.binance.spot_frames import parse
from booktape.exchanges.spec import Message, Output
from booktape.model.book import Book
from booktape.model.records import BOOK_SNAPSHOTS, BookSnapshot, BookUpdate, Level, Quote, Trade, levels
from booktape.serve import binance_format as wire

RECEIVED = 1_723_161_253_937_000
CAPTURE = "binance_spot/hftbacktest_btcusdt_20240808.jsonl.gz"

ids = st.integers(1, 2**53)
times = st.integers(1, 2**41).map(lambda milliseconds: milliseconds * 1_000)
numbers = st.tuples(st.integers(0, 10**9), st.integers(0, 10**8 - 1)).map(lambda parts: f"{parts[0]}.{parts[1]:08}")
sides = st.lists(st.tuples(numbers, numbers), max_size=5)


def raw(side: list[Level]) -> Raw:
    return Raw(json.dumps(side, separators=(",", ":")).encode())


updates = st.builds(
    BookUpdate,
    first_id=ids,
    last_id=ids,
    bids=sides.map(raw),
    asks=sides.map(raw),
    local_timestamp=st.just(RECEIVED),
    sent_timestamp=times,
)
trades = st.builds(Trade, ids, times, st.sampled_from(["buy", "sell"]), numbers, numbers, st.just(RECEIVED))
quotes = st.builds(Quote, ids, st.none(), numbers, numbers, numbers, numbers, st.just(RECEIVED))


def only_record(outputs: Sequence[Output]) -> Message:
    (output,) = outputs
    assert isinstance(output, tuple), "a record, not a signal"
    return output


def parsed(stream: str, payload: str) -> object:
    _, symbol, _, record = only_record(parse(wire.wrap_payload(stream, payload).encode(), RECEIVED))
    assert symbol == "BTCUSDT"
    return record


@given(trades)
def test_trades_come_back_as_they_were(record: Trade) -> None:
    assert parsed("btcusdt@trade", wire.trade_payload("BTCUSDT", record)) == record


@given(updates)
def test_depth_updates_come_back_as_they_were(record: BookUpdate) -> None:
    assert parsed("btcusdt@depth@100ms", wire.depth_payload("BTCUSDT", record)) == record


@given(quotes)
def test_best_quotes_come_back_as_they_were(record: Quote) -> None:
    assert parsed("btcusdt@bookTicker", wire.quote_payload("BTCUSDT", record)) == record


@given(ids, sides, sides)
def test_a_rest_book_comes_back_as_it_was(last_id: int, bids: list[Level], asks: list[Level]) -> None:
    url = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000"
    ((data_type, symbol, _, record),) = parse_rest(url, wire.book_payload(last_id, bids, asks).encode(), RECEIVED, None)
    assert isinstance(record, BookSnapshot)
    assert (data_type, symbol, record.last_id) == (BOOK_SNAPSHOTS, "BTCUSDT", last_id)
    assert (levels(record.bids), levels(record.asks)) == (bids, asks)


def test_times_come_in_the_unit_that_the_client_asked_for() -> None:
    record = Trade(5, 1_723_161_253_937_123, "buy", "1.0", "2.0", RECEIVED)
    assert json.loads(wire.trade_payload("BTCUSDT", record))["T"] == 1_723_161_253_937
    assert json.loads(wire.trade_payload("BTCUSDT", record, wire.MICROSECONDS))["T"] == 1_723_161_253_937_123


@given(st.lists(updates, min_size=1, max_size=6))
def test_a_slow_streams_update_does_to_a_book_what_the_fast_ones_did(some: list[BookUpdate]) -> None:
    fast, slow = Book(), Book()
    for update in some:
        fast.apply(levels(update.bids), levels(update.asks))
    united = wire.combine_updates(some)
    slow.apply(levels(united.bids), levels(united.asks))
    assert (slow.bids.top(), slow.asks.top()) == (fast.bids.top(), fast.asks.top())
    assert (united.first_id, united.last_id) == (some[0].first_id, some[-1].last_id)
    assert united.sent_timestamp == some[-1].sent_timestamp


def test_recorded_frames_are_made_again_byte_for_byte() -> None:
    """But for a trade's ``E``, which is not recorded."""
    folder = Path(os.environ.get("BOOKTAPE_CAPTURES", Path(__file__).parents[3] / "shared/captures"))
    if not (folder / CAPTURE).is_file():
        pytest.skip(f"no capture {CAPTURE}: set BOOKTAPE_CAPTURES to the folder of captures")
    kinds = set()
    with gzip.open(folder / CAPTURE, "rt") as file:
        for _, text in zip(range(3_000), file, strict=False):
            line = json.loads(text)
            if line["kind"] == "http":
                continue
            _, symbol, _, record = only_record(parse(line["data"].encode(), RECEIVED))
            sent = json.loads(line["data"])
            kinds.add(type(record))
            if isinstance(record, Trade):
                sent["data"]["E"] = sent["data"]["T"]
                payload = wire.trade_payload(symbol, record)
            elif isinstance(record, BookUpdate):
                payload = wire.depth_payload(symbol, record)
            else:
                assert isinstance(record, Quote)
                payload = wire.quote_payload(symbol, record)
            assert wire.wrap_payload(sent["stream"], payload) == json.dumps(sent, separators=(",", ":"))
    assert kinds == {Trade, BookUpdate, Quote}
