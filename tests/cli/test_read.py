"""``booktape trades``, ``book``, ``replay`` and ``coverage``, over a small archive."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from booktape import Archive
from booktape.archive import Rows
from booktape.cli import read
from booktape.model.records import SECOND
from booktape.store.objects import open_store
from tests.archive.recorded import MARKET, MIDNIGHT, record_minutes
from tests.cli.conftest import Outcome

Booktape = Callable[..., Outcome]
STRETCH = (*MARKET, "--from", "2024-08-09T00:00:01Z", "--to", "2024-08-09T00:00:03Z")
GAP = (*MARKET, "--from", "2024-08-09T00:01:39Z", "--to", "2024-08-09T00:01:51Z")


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive is configured: three minutes without the seconds 100 to 109."""
    record_minutes(open_store(str(tmp_path / "data")), range(1, 181), without=range(100, 110))
    monkeypatch.setenv("BOOKTAPE_STORAGE", str(tmp_path / "data"))


def test_trades_as_csv_have_the_columns_of_the_published_file(booktape: Booktape) -> None:
    told = booktape("trades", *STRETCH, "--csv")
    assert (told.status, told.err) == (0, "")
    assert told.lines == [
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
        f"binance,BTC-USDT,{MIDNIGHT + SECOND},{MIDNIGHT + SECOND + 9},1,buy,60001.10,0.5",
        f"binance,BTC-USDT,{MIDNIGHT + 2 * SECOND},{MIDNIGHT + 2 * SECOND + 9},2,buy,60002.10,0.5",
    ]


def test_trades_as_json_and_parquet_are_the_same(booktape: Booktape, tmp_path: Path) -> None:
    as_json = [json.loads(line) for line in booktape("trades", *STRETCH, "--json").lines]
    told = booktape("trades", *STRETCH, "--output", str(tmp_path / "trades.parquet"))
    assert told.status == 0
    columns = "exchange, symbol, timestamp, local_timestamp, id, side, price, amount"
    rows = duckdb.read_parquet(str(tmp_path / "trades.parquet")).project(columns).fetchall()
    assert rows == [tuple(row.values()) for row in as_json]
    assert len(rows) == 2


def test_a_gap_ends_the_command_with_what_was_read_and_one_line(booktape: Booktape) -> None:
    told = booktape("trades", *GAP, "--csv")
    assert told.status == 1
    assert len(told.lines) == 2
    assert told.err.startswith("error: trades of binance BTC-USDT: the trades 100 to 109 are missing, between")


def test_a_gap_that_is_marked_is_told_on_standard_error(booktape: Booktape) -> None:
    told = booktape("trades", *GAP, "--csv", "--gaps", "mark")
    assert (told.status, len(told.lines)) == (0, 3)
    assert told.err == (
        "missing: trades, 2024-08-09T00:01:39Z to 2024-08-09T00:01:50Z: the trades 100 to 109 are missing\n"
    )


def test_the_book_at_a_time(booktape: Booktape) -> None:
    at = (*MARKET, "--at", "2024-08-09T00:00:30.5Z")
    assert booktape("book", *at, "--csv").lines == [
        "side,price,amount",
        "bid,100.0,30",
        "bid,99.0,1",
        "ask,101.0,2",
    ]
    view = json.loads(booktape("book", *at, "--json", "--depth", "1").out)
    assert view == {
        "exchange": "binance",
        "market": "BTC-USDT",
        "at": MIDNIGHT + 30_500_000,
        "as_of": MIDNIGHT + 30 * SECOND,
        "last_id": 30,
        "sound": True,
        "missing": None,
        "bids": [["100.0", "30"]],
        "asks": [["101.0", "2"]],
    }


def test_a_books_messages_are_whole_in_json_and_levels_in_csv(booktape: Booktape) -> None:
    messages = [json.loads(line) for line in booktape("book", *STRETCH, "--json").lines]
    assert [(one["is_snapshot"], one["last_id"], one["bids"]) for one in messages] == [
        (False, 1, [["100.0", "1"]]),
        (True, 1, [["100.0", "1"], ["99.0", "1"]]),
        (False, 2, [["100.0", "2"]]),
    ]
    rows = list(csv.DictReader(booktape("book", *STRETCH, "--csv").lines))
    assert [(row["is_snapshot"], row["side"], row["price"], row["amount"]) for row in rows] == [
        ("false", "bid", "100.0", "1"),
        ("true", "bid", "100.0", "1"),
        ("true", "bid", "99.0", "1"),
        ("true", "ask", "101.0", "2"),
        ("false", "bid", "100.0", "2"),
    ]


def test_replay_tells_all_in_the_order_of_time(booktape: Booktape, tmp_path: Path) -> None:
    span = ("--from", "2024-08-09T00:00:02Z", "--to", "2024-08-09T00:00:03Z")
    told = booktape("replay", "binance:BTC-USDT", *span)
    events = [json.loads(line) for line in told.lines]
    assert [(event["time"] - MIDNIGHT, event["type"]) for event in events] == [
        (2 * SECOND, "book_snapshots"),
        (2 * SECOND, "trades"),
        (2 * SECOND, "book_updates"),
    ]
    assert events[1]["record"]["id"] == 2
    booktape("replay", "binance:BTC-USDT", *span, "--output", str(tmp_path / "events.jsonl"))
    assert (tmp_path / "events.jsonl").read_text() == told.out
    nowhere = booktape("replay", "binance:BTC-USDT", *span, "--output", str(tmp_path / "no" / "events.jsonl"))
    assert (nowhere.status, nowhere.err.count("\n")) == (1, 1)
    assert "events.jsonl cannot be written" in nowhere.err
    spaced = booktape("replay", "binance:BTC-USDT", *span, "--types", "trades, book_updates")
    assert spaced.out == told.out


def test_coverage(booktape: Booktape) -> None:
    asked = (*MARKET, "--from", "2024-08-09T00:01:00Z", "--to", "2024-08-09T00:02:00Z")
    found = [json.loads(line) for line in booktape("coverage", *asked, "--json").lines]
    assert [(row["state"], row["from"] - MIDNIGHT, row["to"] - MIDNIGHT, row["first"]) for row in found] == [
        ("recorded", 60 * SECOND, 99 * SECOND, None),
        ("missing", 99 * SECOND, 110 * SECOND, 100),
        ("recorded", 110 * SECOND, 120 * SECOND, None),
    ]
    assert "the trades 100 to 109 are missing" in booktape("coverage", *asked).out


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((*MARKET, "--from", "2024-08-09"), "give a time range"),
        ((*STRETCH, "--follow"), "--follow prints without an end"),
        ((*MARKET, "--at", "2024-08-09", "--from", "2024-08-08"), "--at names one time"),
        ((*STRETCH, "--parquet"), "say where to write it with --output FILE"),
        (("binance", "BTC-USD", *STRETCH[2:]), "did you mean BTC-USDT?"),
        ((*MARKET, "--at", "yesterday"), "'yesterday' is not a time; write it as 2019-10-25"),
        ((*MARKET, "--from", "2024-08-10", "--to", "2024-08-09"), "is not after its start"),
    ],
)
def test_what_does_not_go_together_is_told_in_one_line(booktape: Booktape, options: tuple[str, ...], why: str) -> None:
    told = booktape("book", *options)
    assert (told.status, told.out, told.err.count("\n")) == (1, "", 1)
    assert why in told.err


def test_following_prints_what_comes_and_says_how_late(booktape: Booktape, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(archive: Archive, data_type: str, *market: str) -> list[Rows[object]]:
        ends = [(MIDNIGHT + first * SECOND, MIDNIGHT + last * SECOND) for first, last in ((1, 2), (2, 4))]
        return [archive.rows(data_type, *MARKET, *stretch, gaps="mark") for stretch in ends]

    monkeypatch.setattr(read, "follow", twice)
    told = booktape("trades", *MARKET, "--follow", "--from", "2024-08-09")
    assert told.err.startswith("up to a minute behind")
    assert [row["id"] for row in csv.DictReader(told.lines)] == ["1", "2", "3"]


@pytest.mark.parametrize(("reader", "lines"), [("head -n 1", 1), ("true", 0)])
def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path, reader: str, lines: int) -> None:
    asked = (*MARKET, "--from", "2024-08-09T00:00:01Z", "--to", "2024-08-09T00:01:39Z", "--json", "--gaps", "mark")
    command = f"{sys.executable} -m booktape.cli.main book {' '.join(asked)} --storage {tmp_path / 'data'} | {reader}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (len(done.stdout.splitlines()), done.stderr) == (lines, "")
