"""Where a day's files lie, that they appear whole and always the same, and what is refused."""

import gzip
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import duckdb
import polars
import pytest

from booktape.archive.exports import (
    HIVE,
    ExportFailedError,
    MarketFile,
    MarketNotFoundError,
    NoPublishedFileError,
    write_market_files,
)
from booktape.model.records import Trade
from booktape.store.objects import StorageDeniedError, Store, open_store
from tests.archive.exports.exporting import DAY, MIDNIGHT, World, snapshot, update
from tests.publish.aws_world import BUCKET, aws_world

MARKETS = ("BTC-USDT", "ETH-BTC", "ETH-USDT")


@pytest.fixture
def three(world: World) -> World:
    """A day of three markets, a trade each."""
    for number, market in enumerate(MARKETS):
        world.put(Trade(number, MIDNIGHT + number, "buy", "10.10", "0.5", MIDNIGHT + number + 5), market=market)
    return world


def contents(store: Store) -> dict[str, str]:
    """Everything in a store of exported files, by key, as hashes."""
    found = [found.key for top in store.folders("") for found in store.objects(top)]
    return {key: sha256(store.read(key)).hexdigest() for key in found}


def by_folders(world: World, key: str) -> str:
    """The same day as Athena publishes it: a folder for each market, with parts that only ``position`` orders."""
    folder = "athena.parquet"
    root = world.published.directory
    assert root is not None
    with duckdb.connect() as connection:
        day = f"read_parquet('{root}/{key}')"
        for market in MARKETS:
            (root / folder / f"symbol={market}").mkdir(parents=True)
            for part, parity in (("0000", 1), ("0001", 0)):
                connection.execute(
                    f"COPY (SELECT * EXCLUDE symbol FROM {day} WHERE symbol = '{market}' AND position % 2 = {parity}) "
                    f"TO '{root}/{folder}/symbol={market}/{part}.parquet' (FORMAT parquet)"
                )
    return folder


def test_each_market_has_a_file_under_tardiss_path(three: World) -> None:
    written = three.export("trades")
    keys = [f"binance/trades/2024/08/09/{symbol}.csv.gz" for symbol in ("BTCUSDT", "ETHBTC", "ETHUSDT")]
    assert [(file.market, file.key, file.rows) for file in written] == [
        (market, key, 1) for market, key in zip(MARKETS, keys, strict=True)
    ]
    assert sorted(contents(three.to)) == keys


def test_markets_are_chosen_by_name_and_by_glob(three: World) -> None:
    assert [file.market for file in three.export("trades", markets=["BTC-USDT", "*-BTC"])] == ["BTC-USDT", "ETH-BTC"]


@pytest.mark.parametrize("form", ["tardis", "hive"])
def test_a_second_export_writes_the_same_bytes(three: World, form: str) -> None:
    first = three.export("trades", form=form), contents(three.to)
    assert (three.export("trades", form=form), contents(three.to)) == first


def test_a_csv_is_one_gzip_member_that_tells_neither_time_nor_name(three: World) -> None:
    """Some readers stop at a second member; a time would make each export another file."""
    (file,) = three.export("trades", markets=["BTC-USDT"])
    assert file.key is not None
    content = three.to.read(file.key)
    assert content[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    assert content.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00") == 1
    assert gzip.decompress(content).count(b"\n") == 2


def test_a_day_that_athena_published_gives_the_same_files(world: World) -> None:
    for market in MARKETS:
        world.put(*(Trade(n, MIDNIGHT + n, "buy", "10", "1", MIDNIGHT + 2 * n) for n in range(9)), market=market)
    key = world.publish("trades")
    folder = by_folders(world, key)
    of_one_file = write_market_files(world.published, key, "binance", "trades", DAY, world.to)
    again = open_store(f"{world.to.url}-again")
    assert write_market_files(world.published, folder, "binance", "trades", DAY, again) == of_one_file
    assert contents(again) == contents(world.to)


def test_a_day_that_athena_published_gives_the_same_rows_in_hives_folders(world: World) -> None:
    for market in MARKETS:
        world.put(*(Trade(n, MIDNIGHT + n, "buy", "10", "1", MIDNIGHT + 2 * n) for n in range(9)), market=market)
    key = world.publish("trades")
    rows = []
    for number, published in enumerate((key, by_folders(world, key))):
        to = open_store(f"{world.to.url}-{number}")
        assert len(write_market_files(world.published, published, "binance", "trades", DAY, to, form=HIVE)) == 3
        rows.append(duckdb.read_parquet(f"{to.directory}/**/*.parquet", hive_partitioning=True).fetchall())
    assert rows[0] == rows[1]
    assert len(rows[0]) == 27


def test_in_hives_folders_stand_the_published_rows_in_full(world: World) -> None:
    world.put(snapshot(1, bids=[("10", "1")], asks=[("11", "1")]), update(2, bids=[("10", "0")]))
    (file,) = world.export("book_updates", form=HIVE)
    key = "book_updates/exchange=binance/symbol=BTC-USDT/date=2024-08-09/part.parquet"
    assert file == MarketFile("BTC-USDT", key, 2, world.path(file).stat().st_size)
    rows = duckdb.read_parquet(str(world.path(file)), hive_partitioning=False)
    assert rows.columns[0] == "position"
    assert not {"exchange", "symbol", "date"} & set(rows.columns)
    assert rows.project("position, is_snapshot, last_id, bids, provenance").fetchall() == [
        (1, True, 1, [{"price": "10", "amount": "1"}], "primary"),
        (2, False, 2, [{"price": "10", "amount": "0"}], "primary"),
    ]


def test_duckdb_and_polars_read_hives_folders_by_their_partitions(three: World) -> None:
    three.export("trades", form=HIVE)
    folder = f"{three.to.directory}/trades"
    sql = f"SELECT symbol, price FROM read_parquet('{folder}/**/*.parquet') WHERE date = '2024-08-09' ORDER BY symbol"
    rows = duckdb.sql(sql)
    assert rows is not None, "a query has rows"
    assert rows.fetchall() == [(market, "10.10") for market in MARKETS]
    lazy = polars.scan_parquet(folder, hive_partitioning=True).filter(polars.col("symbol") == "ETH-BTC")
    assert lazy.select("exchange", "id", "price").collect().rows() == [("binance", "1", "10.10")]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with aws_world(monkeypatch):
        yield f"s3://{BUCKET}"


def test_what_lies_in_a_bucket_is_exported_into_a_bucket(world: World, bucket: str) -> None:
    for market in MARKETS:
        world.put(*(Trade(n, MIDNIGHT + n, "buy", "10", "1", MIDNIGHT + 2 * n) for n in range(9)), market=market)
    key = world.publish("trades")
    expected = write_market_files(world.published, key, "binance", "trades", DAY, world.to)
    folder = by_folders(world, key)
    published, to = open_store(f"{bucket}/published"), open_store(f"{bucket}/exported")
    root = world.published.directory
    assert root is not None
    for path in (root / key, *(root / folder).rglob("*.parquet")):
        published.upload(str(path.relative_to(root)), path)
    for there in (key, folder):
        assert write_market_files(published, there, "binance", "trades", DAY, to) == expected
        assert contents(to) == contents(world.to)


def test_a_day_that_is_not_published_is_refused(world: World) -> None:
    with pytest.raises(NoPublishedFileError, match=r"no published Parquet at 'nothing\.parquet'"):
        write_market_files(world.published, "nothing.parquet", "binance", "trades", DAY, world.to)


def test_a_market_without_records_is_refused_before_anything_is_written(three: World) -> None:
    with pytest.raises(
        MarketNotFoundError, match="no records of 'DOGE-USDT' on that day; there are: BTC-USDT, ETH-BTC, "
    ):
        three.export("trades", markets=["BTC-USDT", "DOGE-USDT"])
    assert contents(three.to) == {}


def test_a_file_that_is_no_parquet_is_told_in_one_line(world: World) -> None:
    world.published.create("broken.parquet", b"no Parquet at all")
    with pytest.raises(ExportFailedError, match=r"broken\.parquet: ") as refused:
        write_market_files(world.published, "broken.parquet", "binance", "trades", DAY, world.to)
    assert "\n" not in str(refused.value)


def test_an_export_that_breaks_leaves_no_half_file(
    three: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The disk is full in the middle of the second market."""
    upload, seen = Store.upload, []

    def once(self: Store, key: str, path: Path) -> None:
        seen.append(key)
        if len(seen) == 2:
            raise StorageDeniedError("no space left")
        upload(self, key, path)

    monkeypatch.setattr(Store, "upload", once)
    with pytest.raises(StorageDeniedError):
        three.export("trades")
    assert list(contents(three.to)) == ["binance/trades/2024/08/09/BTCUSDT.csv.gz"]
    assert len(three.export("trades")) == 3
    assert len(contents(three.to)) == 3
