"""Real frames, recorded by both systems and merged: what is published is what the files hold.

Binance's file goes from 2024-08-08 23:54 to 2024-08-09 00:01, Coinbase's has half a minute of 2026-08-09.
"""

import csv
import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from booktape.capture.ingest import ingest_capture
from booktape.exchanges import exchange
from booktape.merge import Merge
from tests.captures import reading
from tests.merge.replaying import Sides, replay
from tests.merge.systems import Systems, at, open_systems

CAPTURES = Path(os.environ.get("BOOKTAPE_CAPTURES", Path(__file__).parents[2] / "../shared/captures"))
BINANCE = CAPTURES / "binance_spot/hftbacktest_btcusdt_20240808.jsonl.gz"
COINBASE = CAPTURES / "coinbase/cryptofeed_20260809_advanced.jsonl.gz"
BEFORE, AFTER = date(2024, 8, 8), date(2024, 8, 9)
COINBASE_DAY = date(2026, 8, 9)


def recorded(root: Path, capture: Path, exchange_id: str) -> Systems:
    """Both systems, which saw the same."""
    if not capture.is_file():
        pytest.skip(f"no capture {capture}: set BOOKTAPE_CAPTURES to the folder of captures")
    systems = open_systems(root)
    for store in (systems.primary, systems.replica):
        ingest_capture(capture, exchange(exchange_id), store)
    return systems


@pytest.fixture(scope="module")
def binance(tmp_path_factory: pytest.TempPathFactory) -> Systems:
    return recorded(tmp_path_factory.mktemp("binance"), BINANCE, "binance")


@pytest.fixture(scope="module")
def coinbase(tmp_path_factory: pytest.TempPathFactory) -> Systems:
    return recorded(tmp_path_factory.mktemp("coinbase"), COINBASE, "coinbase")


def merged(systems: Systems, merge: Merge) -> str:
    text = systems.merge_text(merge)
    assert text == systems.reference_text(merge)
    return text


def column(text: str, name: str) -> list[str]:
    return [row[name] for row in csv.DictReader(text.splitlines())]


def events(kind: str) -> Iterator[dict[str, Any]]:
    return (event for event in reading.binance_events(BINANCE) if event.get("e", "bookTicker") == kind)


@pytest.mark.parametrize(("day", "count"), [(BEFORE, 9_738), (AFTER, 1_955)])
def test_binance_trade_ids_are_those_of_the_file(binance: Systems, day: date, count: int) -> None:
    first, last = at(day) // 1_000, at(day, 86_400_000_000) // 1_000
    sent = [str(event["t"]) for event in events("trade") if first <= event["T"] < last]
    assert column(merged(binance, Merge("binance", "trades", day)), "id") == sent
    assert len(sent) == count


def test_binance_quotes_of_both_days_are_those_of_the_file(binance: Systems) -> None:
    published = [merged(binance, Merge("binance", "quotes", day)) for day in (BEFORE, AFTER)]
    columns = ("bid_price", "bid_amount", "ask_price", "ask_amount")
    rows = [row for text in published for row in zip(*(column(text, name) for name in columns), strict=True)]
    assert rows == [(event["b"], event["B"], event["a"], event["A"]) for event in events("bookTicker")]


def test_binance_books_of_both_days_replay_to_the_files_book_and_time_never_goes_back(binance: Systems) -> None:
    before, after = (merged(binance, Merge("binance", "book_updates", day)) for day in (BEFORE, AFTER))
    both_days = before + after.partition("\n")[2]
    times = [int(time) for time in column(both_days, "timestamp")]
    assert replay(both_days) == {"BTC-USDT": Sides(*reading.binance_book(BINANCE, "BTCUSDT"))}
    assert times == sorted(times)


def test_coinbase_books_replay_to_the_files_books(coinbase: Systems) -> None:
    assert replay(merged(coinbase, Merge("coinbase", "book_updates", COINBASE_DAY))) == {
        market: Sides(*reading.coinbase_book(COINBASE, market)) for market in ("BTC-USD", "ETH-USD")
    }


def test_coinbase_trade_ids_are_those_of_the_file(coinbase: Systems) -> None:
    text = merged(coinbase, Merge("coinbase", "trades", COINBASE_DAY))
    frames = [json.loads(line["data"]) for line in reading.lines(COINBASE) if line["kind"] == "ws"]
    sent = {
        (trade["product_id"], trade["trade_id"])
        for frame in frames
        if frame.get("channel") == "market_trades"
        for event in frame["events"]
        for trade in event["trades"]
        if trade["time"].startswith("2026-08-09")
    }
    published = list(zip(column(text, "symbol"), column(text, "id"), strict=True))
    assert set(published) == sent
    assert len(published) == len(sent)
