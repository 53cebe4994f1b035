"""What is read is what was recorded: half-open ranges, tables and files, and clear errors."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape import Archive
from booktape.archive import FramesMissingError, Gap, InvalidRequestError, NotRecordedError, UnknownMarketError, rows
from booktape.archive.follow import follow
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.errors import BooktapeError
from booktape.model.records import BOOK_UPDATES, MINUTE, QUOTES, SECOND, TRADES, BookSnapshot, BookUpdate, Trade
from booktape.model.timestamps import InvalidTimestampError
from booktape.publish.sources import DataSource
from booktape.store.layout import parquet_key
from booktape.store.objects import StorageDeniedError, open_store
from sandbox.aws.server import running
from tests.archive.nights import publish
from tests.archive.recorded import MARKET, MIDNIGHT, quote, record, record_minutes, trade, update
from tests.archive.uptime_logs import listened
from tests.merge.systems import put_batch

NEXT = MIDNIGHT + 24 * 60 * MINUTE


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five minutes after midnight, and around the next midnight."""
    url = str(tmp_path_factory.mktemp("archive"))
    store = open_store(url)
    record_minutes(store, range(1, 301))
    record(store, *map(quote, range(1, 301)))
    late = range(24 * 3600 - 60, 24 * 3600 + 60)
    record(store, *(trade(number) for number in late))
    astray = range(24 * 3600 - 3, 24 * 3600 + 3)  # as clocks have it, on either side of midnight
    record(store, *(quote(number) for number in late if number not in astray))
    for number in astray:
        minute = NEXT - MINUTE * (number % 2)
        put_batch(
            store,
            "binance",
            Batch(QUOTES, "BTC-USDT", minute, number, number, 1, codec.encode_records([quote(number)])),
        )
    for day in (MIDNIGHT, NEXT):
        listened(store, "binance", day)
    return url


@pytest.fixture(scope="module")
def archive(url: str) -> Iterator[Archive]:
    with Archive(url) as archive:
        yield archive


def second(number: float) -> int:
    return MIDNIGHT + round(number * SECOND)


def test_records_come_back_as_they_were_recorded(archive: Archive) -> None:
    assert list(archive.trades(*MARKET, "2024-08-09", second(301))) == [trade(number) for number in range(1, 301)]


def test_a_record_without_the_exchanges_time_has_the_one_that_is_published(archive: Archive) -> None:
    (first, message) = archive.book_updates(*MARKET, second(1), second(2))
    assert isinstance(message, BookSnapshot)
    assert isinstance(first, BookUpdate)
    assert (update(1).timestamp, first.timestamp, message.timestamp) == (None, second(1), second(1))
    (told,) = archive.quotes(*MARKET, second(1), second(2))
    assert (quote(1).timestamp, told.timestamp) == (None, second(1) + 9)


@pytest.mark.parametrize("data_type", [TRADES, BOOK_UPDATES, QUOTES])
@given(cuts=st.lists(st.integers(0, 305 * SECOND), min_size=3, max_size=3, unique=True).map(sorted))
def test_ranges_that_touch_give_together_what_the_whole_gives(
    archive: Archive, data_type: str, cuts: list[int]
) -> None:
    start, middle, end = (MIDNIGHT + cut for cut in cuts)

    def read(since: int, until: int) -> list[Any]:
        found = archive.rows(data_type, *MARKET, since, until, gaps="mark")
        return [one for one in found if not isinstance(one, Gap)]

    assert read(start, middle) + read(middle, end) == read(start, end)
    assert all(start <= one.timestamp < end for one in read(start, end))


@given(cut=st.integers(-70 * SECOND, 70 * SECOND))
def test_a_range_goes_on_over_midnight(archive: Archive, cut: int) -> None:
    """Quotes of Binance have the time of their receipt, by which one may lie beyond its day."""
    start, end = NEXT - 59 * SECOND, NEXT + 59 * SECOND
    for data_type in (TRADES, QUOTES):
        whole = list(archive.rows(data_type, *MARKET, start, end, gaps="mark"))
        times = [one.timestamp for one in whole if not isinstance(one, Gap)]
        assert len(times) == 118
        assert times == sorted(times)
        middle = min(max(NEXT + cut, start + 1), end - 1)
        parts = [archive.rows(data_type, *MARKET, *part, gaps="mark") for part in ((start, middle), (middle, end))]
        assert [one.timestamp for part in parts for one in part if not isinstance(one, Gap)] == times


def test_nothing_is_read_before_it_is_asked_for_and_reading_can_stop(archive: Archive) -> None:
    rows = archive.trades(*MARKET, second(1), second(301))
    assert repr(rows) == "<trades of binance BTC-USDT, 2024-08-09T00:00:01Z to 2024-08-09T00:05:01Z>"
    assert next(iter(rows)).id == 1
    assert [one.id for one in rows][-1] == 300


def test_tables_have_numbers_or_the_exchanges_text(archive: Archive) -> None:
    rows = archive.trades(*MARKET, second(1), second(3))
    table = rows.to_arrow()
    assert table.column_names[:8] == [
        "exchange", "timestamp", "local_timestamp", "id", "sequence", "side", "price", "amount",
    ]  # fmt: skip
    assert rows.to_polars()["price"].to_list() == [60_001.1, 60_002.1]
    assert rows.to_pandas(exact=True)["price"].tolist() == ["60001.10", "60002.10"]
    book = archive.book_updates(*MARKET, second(2), second(3))
    assert book.to_polars()["bids"].to_list() == [[{"price": 100.0, "amount": 2.0}]]
    assert book.to_polars(exact=True)["bids"].to_list() == [[{"price": "100.0", "amount": "2"}]]


@pytest.mark.parametrize("data_type", [TRADES, BOOK_UPDATES, QUOTES])
def test_a_table_of_nothing_has_the_columns_too(archive: Archive, tmp_path: Path, data_type: str) -> None:
    """Hours after the last record, on a day of which something is recorded."""
    nothing = archive.rows(data_type, *MARKET, second(8 * 3600), second(9 * 3600))
    something = archive.rows(data_type, *MARKET, second(1), second(3), gaps="mark")
    assert (nothing.to_arrow().num_rows, nothing.to_arrow().schema) == (0, something.to_arrow().schema)
    assert nothing.to_polars(exact=True).schema == something.to_polars(exact=True).schema
    nothing.to_parquet(tmp_path / "nothing.parquet")
    assert polars.read_parquet(tmp_path / "nothing.parquet").height == 0


def test_a_market_that_is_asked_for_twice_is_replayed_once(archive: Archive) -> None:
    one = list(archive.replay(["binance:BTC-USDT"], second(1), second(5)))
    assert list(archive.replay(["binance:BTC-USDT"] * 2, second(1), second(5))) == one
    assert list(archive.replay("binance:BTC-USDT", second(1), second(5))) == one
    trades = archive.replay("binance:BTC-USDT", second(1), second(3), data_types="trades")
    assert [event.time for event in trades] == [second(1), second(2)]


def test_a_table_over_midnight_is_in_the_order_of_time(archive: Archive) -> None:
    for data_type in (TRADES, QUOTES):
        table = archive.rows(data_type, *MARKET, NEXT - 3 * SECOND, NEXT + 3 * SECOND).to_polars()
        assert table["timestamp"].is_sorted()
        assert table.height == 6


def test_files_hold_the_rows(archive: Archive, tmp_path: Path) -> None:
    rows = archive.trades(*MARKET, second(1), second(3))
    rows.to_csv(tmp_path / "trades.csv")
    rows.to_json(tmp_path / "trades.json")
    rows.to_parquet(tmp_path / "trades.parquet")
    told = list(csv.DictReader((tmp_path / "trades.csv").read_text().splitlines()))
    assert [(row["id"], row["price"], row["symbol"]) for row in told] == [
        ("1", "60001.10", "BTC-USDT"),
        ("2", "60002.10", "BTC-USDT"),
    ]
    first = json.loads((tmp_path / "trades.json").read_text().splitlines()[0])
    assert first["price"] == "60001.10"
    assert polars.read_parquet(tmp_path / "trades.parquet")["amount"].to_list() == ["0.5", "0.5"]


def test_without_the_package_a_table_says_what_to_install(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "find_spec", lambda name: None)
    with pytest.raises(FramesMissingError, match="polars is not installed: install Booktape with the extra 'frames'"):
        archive.trades(*MARKET, second(1), second(3)).to_polars()


@pytest.mark.parametrize(
    ("ask", "error", "why"),
    [
        (
            ("binanse", "BTC-USDT", "2024-08-09", "2024-08-10"),
            BooktapeError,
            "unknown exchange 'binanse'; did you mean",
        ),
        (("binance", "BTC-USD", "2024-08-09", "2024-08-10"), UnknownMarketError, "BTC-USD; did you mean BTC-USDT?"),
        (
            (*MARKET, "2023-08-09", "2023-08-10"),
            NotRecordedError,
            "between 2023-08-09T00:00:00Z and 2023-08-10T00:00:00Z; there are recordings from 2024-08-09 to 2024-08-10",
        ),
        ((*MARKET, "2024-08-10", "2024-08-09"), InvalidTimestampError, "is not after its start"),
        ((*MARKET, "2024-08-10", "noon"), InvalidTimestampError, "'noon' is not a time"),
        ((*MARKET, datetime(2024, 8, 9), date(2024, 8, 10)), InvalidTimestampError, "has no time zone"),  # the fault
    ],
)
def test_what_cannot_be_answered_is_told_at_once(archive: Archive, ask: Any, error: type[Exception], why: str) -> None:
    with pytest.raises(error) as raised:
        archive.trades(*ask)
    assert why in str(raised.value)


def test_other_wrong_questions(archive: Archive) -> None:
    with pytest.raises(InvalidRequestError, match="'candles' is no data type; there are: trades, book_updates"):
        archive.rows("candles", *MARKET, second(1), second(2))
    with pytest.raises(InvalidRequestError, match='gaps=\'ignore\': "raise" or "mark"'):
        archive.trades(*MARKET, second(1), second(2), gaps="ignore")  # type: ignore[call-overload]  # the fault
    with pytest.raises(InvalidRequestError, match="write it as binance:BTC-USDT"):
        archive.replay(["BTC-USDT"], second(1), second(2))
    with pytest.raises(InvalidRequestError, match="every 0 s is no interval"):
        archive.books(*MARKET, second(1), second(2), 0)
    with pytest.raises(InvalidRequestError, match="every nan s is no interval"):
        archive.books(*MARKET, second(1), second(2), float("nan"))
    with pytest.raises(UnknownMarketError, match=r"has no trades of binance \.\./BTC-USDT"):
        archive.trades("binance", "../BTC-USDT", second(1), second(2))
    with pytest.raises(StorageDeniedError, match="does not exist"):
        Archive("/no/such/directory")


def test_all_ways_to_write_a_time(archive: Archive) -> None:
    asked = [
        ("2024-08-09T00:00:01", "2024-08-09 00:00:03Z"),
        (second(1), second(3)),
        (datetime(2024, 8, 9, 0, 0, 1, tzinfo=UTC), "2024-08-09T02:00:03+02:00"),
        tuple(polars.Series([second(1), second(3)]).to_numpy()),
    ]
    assert [[one.id for one in archive.trades(*MARKET, *times)] for times in asked] == [[1, 2]] * 4


def test_books_at_an_interval(archive: Archive) -> None:
    views = list(archive.books(*MARKET, second(1), second(3), 0.5))
    assert [(view.at, view.as_of, view.bids[0]) for view in views] == [
        (second(1), second(1), ("100.0", "1")),
        (second(1.5), second(1), ("100.0", "1")),
        (second(2), second(2), ("100.0", "2")),
        (second(2.5), second(2), ("100.0", "2")),
    ]
    assert [view.spread for view in views] == [1] * 4


def test_markets_that_are_stored(archive: Archive) -> None:
    assert archive.markets() == [(*MARKET, name) for name in (BOOK_UPDATES, QUOTES, TRADES)]
    assert archive.markets("coinbase") == []


def test_following_goes_on_as_minutes_are_stored(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    record(store, *map(trade, range(1, 60)))
    coming = iter([range(60, 120), (), range(120, 180)])

    def sleep(seconds: float) -> None:
        numbers = list(next(coming))
        if numbers:
            record(store, *map(trade, numbers))

    found: list[int | str] = []
    with Archive(str(tmp_path)) as archive:
        followed = follow(archive, TRADES, *MARKET, second(0), sleep=sleep)
        for _ in range(3):
            found += [one.id for one in next(followed) if isinstance(one, Trade)]
    assert found == list(range(1, 180))


def test_a_bucket_is_read_as_a_directory_is(url: str, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "booktape")
        httpx.put(f"{aws.url}/archive").raise_for_status()
        there, here = open_store("s3://archive/tape"), open_store(url)
        for item in here.objects(""):
            there.create(item.key, here.read(item.key))
        with Archive("s3://archive/tape") as bucket:
            for data_type in (TRADES, BOOK_UPDATES):
                ask = (data_type, *MARKET, second(1), second(300))
                assert list(bucket.rows(*ask)) == list(archive.rows(*ask))
                before = bucket.book(*MARKET, second(200))
                source = DataSource(f"binance-{data_type}", "binance", data_type, threshold=0)
                publish("s3://archive/tape", source, date(2024, 8, 9))
                assert list(bucket.rows(*ask)) == list(archive.rows(*ask))
                assert bucket.book(*MARKET, second(200)) == before


def test_what_was_copied_and_merged_is_gone_with_the_archive(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Archive(url) as archive:
        assert len(list(archive.trades(*MARKET, second(1), second(10)))) == 9
        assert list(tmp_path.rglob("*.parquet"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_as_athena_leaves_it_is_read_in_the_order_of_positions(tmp_path: Path) -> None:
    """The market stands in the folder's name; its files are each in order, and not among each other."""
    store = open_store(str(tmp_path))
    record_minutes(store, range(1, 121))
    (run,) = publish(store.url, DataSource("binance-trades", "binance", TRADES, threshold=0), date(2024, 8, 9))
    whole = tmp_path / parquet_key(run)
    whole.with_name(f"{whole.name}.sha256").unlink()  # of the one file
    aside = whole.rename(tmp_path / "whole.parquet")
    (whole / "symbol=BTC-USDT").mkdir(parents=True)
    for part in (0, 1):
        rows = duckdb.read_parquet(str(aside)).filter(f"position % 2 = {part}").project("* EXCLUDE (symbol)")
        rows.write_parquet(str(whole / f"symbol=BTC-USDT/{part:04}.parquet"))
    with Archive(str(tmp_path)) as archive:
        trades = archive.trades(*MARKET, second(1), second(120))
        assert list(trades) == [trade(number) for number in range(1, 120)]
        assert trades.to_polars()["symbol"].unique().to_list() == ["BTC-USDT"]
        assert trades.to_polars()["id"].to_list() == [str(number) for number in range(1, 120)]
