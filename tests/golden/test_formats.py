"""What the recorder writes: batches of every data type, ledger segments, raw frames, the live cache in Redis."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import redis
from fakeredis import FakeRedis
from msgspec import json

from tests.golden import entry
from tests.golden.comparing import compare, compare_in_two, tree
from tests.golden.conftest import Booktape

NOON = 1_723_204_800_000_000
MINUTE = 60_000_000
BOOK = {"bids": [["100.10", "2"], ["99", "0"]], "asks": [["101.0", "0.00000001"]]}

RECORDS: dict[str, list[dict[str, Any]]] = {
    "trades": [
        {"id": 7, "timestamp": NOON, "side": "buy", "price": "60000.10", "amount": "0.5", "local_timestamp": NOON + 1},
        {"id": "a-8", "timestamp": NOON + 5, "side": "sell", "price": "1e-8", "amount": "1",
         "local_timestamp": NOON + 9, "sequence": 12},
        {"id": 9, "timestamp": NOON + MINUTE, "side": "unknown", "price": "0", "amount": "0",
         "local_timestamp": NOON + MINUTE + 1},
    ],
    "book_updates": [
        {**BOOK, "local_timestamp": NOON + 1},
        {**BOOK, "first_id": 1, "last_id": 3, "local_timestamp": NOON + 2, "sent_timestamp": NOON},
        {**BOOK, "last_id": 5, "previous_id": 3, "timestamp": NOON + 3, "checksum": 4_000_000_000,
         "local_timestamp": NOON + 4},
    ],
    "book_snapshots": [
        {**BOOK, "origin": "stream", "local_timestamp": NOON},
        {**BOOK, "last_id": 5, "timestamp": NOON + 3, "checksum": 7, "origin": "rest", "local_timestamp": NOON + 4,
         "sent_timestamp": NOON + 3},
    ],
    "quotes": [
        {"id": None, "timestamp": None, "bid_price": "99", "bid_amount": "1", "ask_price": "100", "ask_amount": "2",
         "local_timestamp": NOON},
        {"id": 4, "timestamp": NOON + 2, "bid_price": "", "bid_amount": "", "ask_price": "100", "ask_amount": "2",
         "local_timestamp": NOON + 3, "sent_timestamp": NOON + 2},
    ],
    "derivative_ticker": [
        {"mark_price": "5.5", "local_timestamp": NOON},
        {"timestamp": NOON + 1, "funding_timestamp": NOON + MINUTE, "funding_rate": "-0.0001",
         "predicted_funding_rate": "0.0002", "open_interest": "17", "last_price": "5", "index_price": "6",
         "mark_price": "7", "local_timestamp": NOON + 2, "sent_timestamp": NOON + 1},
    ],
    "liquidations": [
        {"side": "sell", "price": "9.5", "amount": "2", "local_timestamp": NOON},
        {"id": 3, "timestamp": NOON + 1, "side": "buy", "price": "9.5", "amount": "2", "local_timestamp": NOON + 2,
         "sent_timestamp": NOON + 1},
        {"id": "x", "timestamp": NOON + 2, "side": "buy", "price": "9.5", "amount": "2", "local_timestamp": NOON + 3},
    ],
    "instruments": [
        {"symbol": "BTCUSDT", "market": "BTC-USDT", "base": "BTC", "quote": "USDT", "kind": "spot", "status": "trading",
         "local_timestamp": NOON},
        {"symbol": "BTC-27DEC24-50000-C", "market": "BTC-USD-20241227-50000-C", "base": "BTC", "quote": "USD",
         "kind": "option", "status": "closed", "price_increment": "0.0005", "amount_increment": "0.1",
         "contract_size": "1", "expiry": NOON + MINUTE, "local_timestamp": NOON},
    ],
}  # fmt: skip

ODD_MARKETS = [
    "BTC-USDT",
    "币安人生-USDT",
    "É-USDT",
    "A\"B'C-USDT",
    "A%2FB-USDT",
    "X#Y~Z-USDT",
    "A B:C|D-USDT",
    "A[1]-T",
]


def record(data_type: str, plain: dict[str, Any]) -> Any:
    return json.decode(json.encode(plain), type=entry.RECORD_TYPES[data_type])


def upload(directory: Path, exchange: str, data_type: str, market: str, records: Iterable[Any]) -> None:
    """The way of live records: a stream, then the uploader."""
    store, spool = (entry.open_store(f"{directory}/{name}") for name in ("tape", "spool"))
    uploader = entry.Uploader(store, spool, exchange, on_error=lambda key, error: pytest.fail(f"{key}: {error}"))
    stream = entry.Stream(data_type, market, uploader.submit, lambda gap: None)
    for one in records:
        stream.append(one, entry.record_time(one))
    stream.close()
    uploader.close()


@pytest.mark.parametrize("data_type", RECORDS)
def test_batches(tmp_path: Path, data_type: str) -> None:
    upload(tmp_path, "binance", data_type, "BTC-USDT", [record(data_type, plain) for plain in RECORDS[data_type]])
    compare(f"formats/batches/{data_type}.txt", tree(tmp_path))


@pytest.mark.parametrize("data_type", RECORDS)
def test_batches_read_back_are_what_was_written(tmp_path: Path, data_type: str) -> None:
    records = [record(data_type, plain) for plain in RECORDS[data_type]]
    upload(tmp_path, "binance", data_type, "BTC-USDT", records)
    found = [
        one
        for path in sorted((tmp_path / "tape").rglob("*.gz"))
        for one in entry.decode_records(data_type, path.read_bytes())
    ]
    assert found == records


def test_keys_of_markets_with_odd_names(tmp_path: Path) -> None:
    for market in ODD_MARKETS:
        upload(tmp_path, "kraken-futures", "trades", market, [record("trades", RECORDS["trades"][0])])
    keys = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.gz"))
    compare("formats/odd_keys.txt", "\n".join(keys) + "\n")
    parsed = [entry.parse_key(key.removeprefix("tape/")) for key in keys]
    assert sorted(key.market for key in parsed) == sorted(ODD_MARKETS)
    assert [f"tape/{key}" for key in parsed] == keys


def segment() -> tuple[str, bytes]:
    """A segment with every state, every kind of gap, and every field that may be left out."""
    states = [
        entry.LedgerState("down", NOON, NOON + 5),
        entry.LedgerState("connected", NOON + 5, NOON + MINUTE),
        entry.LedgerState("silent", NOON + MINUTE, NOON + 2 * MINUTE),
        entry.LedgerState("resyncing", NOON + 2 * MINUTE, NOON + 10 * MINUTE),
    ]
    gaps = [
        entry.LedgerGap(4, 6, "ids", NOON + 8),
        entry.LedgerGap(8, 9, "linked", NOON + 9),
        entry.LedgerGap(NOON, NOON + 5, "time", NOON + 10),
        entry.LedgerGap(NOON, NOON + 5, "time", NOON + 11, received=True),
        entry.LedgerGap(NOON, NOON + 5, "counter", NOON + 12),
    ]
    batches = [entry.LedgerBatch(NOON, 1, 3, 2, "0a1b2c3d4e5f6071"), entry.LedgerBatch(NOON, 7, 7, 1, "f" * 16)]
    end = NOON + 10 * MINUTE
    lines = [
        entry.LedgerLine("trades", "BTC-USDT", "a", NOON, end, states, gaps, batches),
        entry.LedgerLine("quotes", "币安人生-USDT", "a", NOON, end, states, [], [], since=NOON - 7, lag=-5, over=True),
        entry.LedgerLine("liquidations", "*", "a", NOON, end, [], [], batches[:1]),
    ]
    return entry.encode_segment("binance", "a", NOON + 7_000_001, lines)


def test_ledger_segments(tmp_path: Path) -> None:
    key, content = segment()
    (tmp_path / "segment.jsonl.gz").write_bytes(content)
    compare("formats/ledger.txt", f"{key}\n{tree(tmp_path)}")
    assert str(entry.parse_segment_key(key)) == key
    assert entry.encode_segment("binance", "a", NOON + 7_000_001, entry.decode_segment(content)) == (key, content)


def test_raw_frames(tmp_path: Path) -> None:
    """Text and binary frames both ways, every mark, a cut at the minute, two connections, and two REST answers."""

    def keep(key: str, lines: bytearray) -> None:
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.compress(lines))
        assert str(entry.parse_raw_key(key)) == key

    frames = entry.RawFrames("binance", "a", NOON, keep)
    one, other = frames.connection(0, "wss://venue.test/stream?a=1"), frames.connection(3, "wss://other.test")
    one.sent(b'{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}', NOON + 1)
    one.received('{"result":null,"id":1} \u20ac "quoted"', NOON + 2)
    one.mark("subscribed", NOON + 3)
    one.received(b'{"binary":"text"}', NOON + 4)
    one.received(b"\x1f\x8b\x00\xff", NOON + 5)
    other.mark("handover", NOON + 6, [["trade", "btcusdt"]])
    other.mark("finished", NOON + 7, True)
    other.mark("interrupted", NOON + 8, [["trade", "btcusdt"]])
    one.received('{"next":"minute"}', NOON + MINUTE)
    frames.cut(NOON + MINUTE + 5)
    other.mark("given up", NOON + MINUTE + 6)
    other.mark("disconnected", NOON + MINUTE + 7)
    frames.close()
    url = "https://venue.test/depth?symbol=BTCUSDT"
    for body, sent in ((b'{"lastUpdateId":7}', NOON), (b"\xff\xfe", None)):
        key, content = entry.answer_object("binance", url, body, NOON + 9, sent)
        (tmp_path / key).write_bytes(content)
    compare("formats/raw.txt", tree(tmp_path))


def test_the_live_cache(booktape: Booktape, monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeRedis()
    monkeypatch.setattr(redis.Redis, "from_url", lambda *arguments, **options: server)
    trade = record("trades", RECORDS["trades"][0])
    top = entry.Top(NOON + 9, [("60000.1", "1")], [("60001", "2")], NOON + 11)
    first, second = (entry.LiveCache(server, "binance", f"primary-{name}") for name in "ab")
    first.write({"BTC-USDT": entry.Latest(trade, top), "ETH-USDT": entry.Latest(trade)})
    second.write({"币安人生-USDT": entry.Latest(None, top)})
    lines = [
        f"{key.decode()} {field.decode()} {value.decode()}\n"
        for key in sorted(server.keys())
        for field, value in sorted(server.hgetall(key).items())
    ]
    lines += [f"{key.decode()} expires in {server.ttl(key)} s\n" for key in sorted(server.keys())]
    watched = [booktape("watch", *more) for more in (("--once", "--json"), ("kraken", "--once", "--json"))]
    text = "".join([*lines, *(one.structure for one in watched)])
    compare_in_two("formats/live.txt", text, "".join(one.said for one in watched))
