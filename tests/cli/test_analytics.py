"""``booktape bars``, ``snapshots`` and ``liquidity``, over a small archive."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from msgspec import Raw

from booktape.model.records import SECOND, BookSnapshot, BookUpdate, Trade
from booktape.store.objects import Store, open_store
from tests.cli.conftest import Outcome
from tests.merge.systems import put

START = 1_723_161_600 * SECOND
"""2024-08-09"""

STRETCH = ("binance", "BTC-USDT", "--from", "2024-08-09", "--to", "2024-08-09T00:03")


def time(seconds: float) -> int:
    return START + round(seconds * SECOND)


def trade(number: int, seconds: float, price: str, amount: str, side: str = "buy") -> Trade:
    return Trade(number, time(seconds), side, price, amount, time(seconds) + 1_000)


def update(number: int, seconds: float, bids: str = "[]", asks: str = "[]") -> BookUpdate:
    """As Binance sends them: without an engine time."""
    return BookUpdate(
        first_id=number,
        last_id=number,
        bids=Raw(bids.encode()),
        asks=Raw(asks.encode()),
        local_timestamp=time(seconds) + 1_000,
        sent_timestamp=time(seconds),
    )


def record(store: Store, *, lost: int | None = None) -> None:
    """Three minutes of trades and of a book, with one number that is lost."""
    trades = [
        trade(101, 1, "100.0", "1"),
        trade(102, 2, "102.0", "0.5", "sell"),
        trade(103, 61, "101", "2"),
        trade(104, 62, "99.50", "0.5", "sell"),
        trade(105, 121, "101", "1"),
        trade(106, 185, "103", "1"),
    ]
    put(store, trade(100, -1, "100", "1"))  # the evening before, so that midnight is known to be whole
    put(store, *(one for one in trades if one.id != lost))
    snapshot = BookSnapshot(
        last_id=10,
        bids=Raw(b'[["99","1"],["98","2"]]'),
        asks=Raw(b'[["101","1"],["102","2"]]'),
        origin="rest",
        local_timestamp=time(0.5),
        sent_timestamp=time(0.4),
    )
    put(store, snapshot)
    updates = [
        update(10, 0.3),
        update(11, 0.6, bids='[["99","5"]]'),
        update(12, 61, asks='[["101","0"]]'),
        update(13, 90),
        update(14, 125, bids='[["100","1"]]'),
        update(15, 185),
    ]
    put(store, *(one for one in updates if one.first_id != lost))


@pytest.fixture(scope="module")
def tapes(tmp_path_factory: pytest.TempPathFactory) -> dict[int | None, str]:
    """Three archives: whole, without a trade, and without a book message."""
    places = {lost: tmp_path_factory.mktemp("tape") for lost in (None, 104, 13)}
    for lost, place in places.items():
        record(open_store(str(place)), lost=lost)
    return {lost: str(place) for lost, place in places.items()}


@pytest.fixture(autouse=True)
def at_the_tape(monkeypatch: pytest.MonkeyPatch, tapes: dict[int | None, str]) -> None:
    monkeypatch.setenv("BOOKTAPE_STORAGE", tapes[None])


def rows(outcome: Outcome) -> list[dict[str, str]]:
    assert outcome.status == 0, outcome.err
    return list(csv.DictReader(outcome.lines))


def some(found: list[dict[str, str]], *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in found]


def test_bars_of_a_minute_as_csv(booktape: Callable[..., Outcome]) -> None:
    outcome = booktape("bars", *STRETCH, "--every", "60", "--csv")
    assert outcome.lines == [
        "exchange,symbol,start,end,open,high,low,close,volume,quote_volume,buy_volume,vwap,trades,first_time,last_time,"
        "sound,complete",
        f"binance,BTC-USDT,{time(0)},{time(60)},100.0,102.0,100.0,102.0,1.5,151,1,100.6666666666666666666666667,2,"
        f"{time(1)},{time(2)},true,true",
        f"binance,BTC-USDT,{time(60)},{time(120)},101,101,99.50,99.50,2.5,251.75,2,100.7,2,{time(61)},{time(62)},"
        "true,true",
        f"binance,BTC-USDT,{time(120)},{time(180)},101,101,101,101,1,101,1,101,1,{time(121)},{time(121)},true,true",
    ]
    assert outcome.status == 0


def test_bars_of_a_number_of_trades_and_of_a_volume(booktape: Callable[..., Outcome]) -> None:
    found = rows(booktape("bars", *STRETCH, "--ticks", "2", "--csv"))
    assert some(found, "volume", "trades", "complete") == [
        ("1.5", "2", "true"),
        ("2.5", "2", "true"),
        ("1", "1", "false"),
    ]
    found = rows(booktape("bars", *STRETCH, "--volume", "1.2", "--csv"))
    assert some(found, "volume", "complete") == [("1.5", "true"), ("2", "true"), ("1.5", "true")]


def test_bars_with_something_missing_say_so_in_the_row_and_on_standard_error(
    booktape: Callable[..., Outcome], tapes: dict[int | None, str]
) -> None:
    lost = ("--storage", tapes[104])
    outcome = booktape("bars", *STRETCH, *lost, "--every", "60", "--csv")
    assert some(rows(outcome), "start", "trades", "sound") == [
        (str(time(0)), "2", "true"),
        (str(time(60)), "1", "false"),
        (str(time(120)), "1", "false"),
    ]
    assert "missing: trades" in outcome.err
    assert "the trade 104 is missing" in outcome.err
    strict = booktape("bars", *STRETCH, *lost, "--every", "60", "--csv", "--gaps", "raise")
    assert strict.status == 1
    assert "the trade 104 is missing" in strict.err


def test_empty_bars_are_filled_when_asked_for(booktape: Callable[..., Outcome]) -> None:
    found = rows(booktape("bars", *STRETCH, "--every", "30", "--fill", "--csv"))
    assert some(found, "close", "trades") == [
        ("102.0", "2"),
        ("102.0", "0"),
        ("99.50", "2"),
        ("99.50", "0"),
        ("101", "1"),
        ("101", "0"),
    ]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "give one of --every SECONDS, --ticks NUMBER and --volume AMOUNT"),
        (["--every", "60", "--ticks", "2"], "give one of --every SECONDS, --ticks NUMBER and --volume AMOUNT"),
        (["--ticks", "2", "--fill"], "--fill goes with --every"),
        (["--every", "0"], "0.0 seconds is not a valid interval"),
        (["--every", "1e20"], "1e+20 seconds is not a valid interval"),
        (["--ticks", "0"], "bars cannot have 0 trades"),
        (["--volume", "much"], "'much' is not a number"),
    ],
)
def test_bars_that_cannot_be_are_refused_in_one_line(
    booktape: Callable[..., Outcome], options: list[str], why: str
) -> None:
    outcome = booktape("bars", *STRETCH, *options)
    assert (outcome.status, outcome.out) == (1, "")
    assert why in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_snapshots_have_tardis_columns(booktape: Callable[..., Outcome]) -> None:
    outcome = booktape("snapshots", *STRETCH, "--depth", "1", "--every", "60", "--gaps", "mark", "--csv")
    names = ("timestamp", "asks[0].price", "asks[0].amount", "bids[0].price", "bids[0].amount")
    assert outcome.lines[0] == f"exchange,symbol,timestamp,local_timestamp,{','.join(names[1:])}"
    assert some(rows(outcome), *names) == [
        (str(time(60)), "101", "1", "99", "5"),
        (str(time(120)), "102", "2", "99", "5"),
    ]


def test_snapshots_whenever_the_levels_changed(booktape: Callable[..., Outcome]) -> None:
    stretch = (*STRETCH[:3], "2024-08-09T00:00:30Z", *STRETCH[4:])
    found = rows(booktape("snapshots", *stretch, "--depth", "1", "--csv"))
    assert some(found, "timestamp", "asks[0].price", "bids[0].price") == [
        (str(time(30)), "101", "99"),
        (str(time(61)), "102", "99"),
        (str(time(125)), "102", "100"),
    ]


def test_snapshots_stop_at_a_gap_unless_it_is_to_be_marked(
    booktape: Callable[..., Outcome], tapes: dict[int | None, str]
) -> None:
    lost = ("--storage", tapes[13])
    stretch = (*STRETCH[:3], "2024-08-09T00:00:30Z", *STRETCH[4:])
    options = ("--depth", "1", "--every", "30", "--csv")
    strict = booktape("snapshots", *stretch, *lost, *options)
    assert strict.status == 1
    assert "13" in strict.err
    marked = booktape("snapshots", *stretch, *lost, *options, "--gaps", "mark")
    assert some(rows(marked), "timestamp") == [(str(time(30)),), (str(time(60)),)]
    assert "missing: book_updates" in marked.err


def test_liquidity_has_a_row_for_each_instant_side_and_size(booktape: Callable[..., Outcome]) -> None:
    stretch = (*STRETCH[:3], "2024-08-09T00:00:30Z", *STRETCH[4:])
    outcome = booktape("liquidity", *stretch, "--every", "60", "--size", "1", "--size", "9", "--csv")
    names = ("time", "side", "size", "sound", "spread", "depth", "filled", "worst")
    assert some(rows(outcome), *names)[:4] == [
        (str(time(30)), "buy", "1", "true", "2", "3", "1", "101"),
        (str(time(30)), "buy", "9", "true", "2", "3", "3", "102"),
        (str(time(30)), "sell", "1", "true", "2", "7", "1", "99"),
        (str(time(30)), "sell", "9", "true", "2", "7", "7", "98"),
    ]
    assert len(outcome.lines) == 1 + 3 * 4


def test_liquidity_of_a_book_that_is_not_known_is_not_told(
    booktape: Callable[..., Outcome], tapes: dict[int | None, str]
) -> None:
    stretch = (*STRETCH[:3], "2024-08-09T00:00:30Z", *STRETCH[4:])
    lost = ("--storage", tapes[13])
    outcome = booktape("liquidity", *stretch, *lost, "--every", "30", "--size", "1", "--csv")
    assert some(rows(outcome), "time", "side", "sound", "price")[::2] == [
        (str(time(30)), "buy", "true", "101"),
        (str(time(60)), "buy", "true", "101"),
        (str(time(90)), "buy", "false", ""),
        (str(time(120)), "buy", "false", ""),
        (str(time(150)), "buy", "false", ""),
    ]
    assert outcome.err.count("missing: book_updates") == 1


def test_one_json_object_a_line(booktape: Callable[..., Outcome]) -> None:
    outcome = booktape("bars", *STRETCH, "--ticks", "5", "--json")
    (bar,) = [json.loads(line) for line in outcome.lines]
    assert (bar["symbol"], bar["open"], bar["trades"], bar["sound"]) == ("BTC-USDT", "100.0", 5, True)


def test_parquet_has_types_and_a_file_that_fails_leaves_nothing(
    booktape: Callable[..., Outcome], tapes: dict[int | None, str], tmp_path: Path
) -> None:
    lost = ("--storage", tapes[104])
    place = tmp_path / "bars.parquet"
    outcome = booktape("bars", *STRETCH, *lost, "--every", "60", "--gaps", "raise", "--output", str(place))
    assert outcome.status == 1
    assert list(tmp_path.iterdir()) == []
    assert booktape("bars", *STRETCH, *lost, "--every", "60", "--output", str(place)).status == 0
    with duckdb.connect() as connection:
        found: list[Any] = connection.execute(
            "SELECT typeof(start), typeof(open), typeof(sound), trades FROM read_parquet($path) LIMIT 1",
            {"path": str(place)},
        ).fetchall()
    assert found == [("BIGINT", "VARCHAR", "BOOLEAN", 2)]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--csv", "--json"], "exclude each other"),
        (["--parquet"], "cannot be printed"),
        (["--output", "bars.txt"], "has no suffix of a known format"),
        (["--csv", "--output", "no/such/place.csv"], "cannot be written"),
    ],
)
def test_outputs_that_cannot_be_are_refused(
    booktape: Callable[..., Outcome], options: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = booktape("bars", *STRETCH, "--every", "60", *options)
    assert (outcome.status, outcome.out) == (1, "")
    assert why in outcome.err


def test_a_market_that_is_not_there_is_told_with_its_neighbours(booktape: Callable[..., Outcome]) -> None:
    outcome = booktape("bars", "binance", "BTC-USD", *STRETCH[2:], "--every", "60")
    assert outcome.status == 1
    assert "BTC-USDT" in outcome.err


def test_what_is_no_file_is_not_replaced_by_one(booktape: Callable[..., Outcome], tmp_path: Path) -> None:
    """Such as /dev/null, where root may write."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    outcome = booktape("bars", *STRETCH, "--every", "60", "--csv", "--output", str(pipe))
    assert outcome.status == 1
    assert "is no file that could be replaced" in outcome.err
    assert pipe.is_fifo()


def test_an_order_of_absurd_size_is_refused_in_one_line(booktape: Callable[..., Outcome]) -> None:
    outcome = booktape("liquidity", *STRETCH, "--every", "60", "--size", "1e999999")
    assert (outcome.status, outcome.out) == (1, "")
    assert "has more than 100 digits" in outcome.err


def test_snapshots_have_no_more_levels_than_memory_holds(booktape: Callable[..., Outcome]) -> None:
    outcome = booktape("snapshots", *STRETCH, "--depth", "2000000000")
    assert (outcome.status, outcome.out) == (2, "")
    assert "less than or equal to 10000" in outcome.err
