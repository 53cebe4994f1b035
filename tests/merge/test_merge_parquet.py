"""The Parquet file beside the CSV: the CSV's rows can be had from it, its order, and how it is stored."""

import csv
from datetime import date
from pathlib import Path

import duckdb
import pytest

from booktape.merge import Merge, MergeFailedError, open_engine
from booktape.model.csv import PUBLISHED
from booktape.model.records import Trade
from tests.merge.days import record_a_day
from tests.merge.systems import Systems, at, path_of, put, read_result

DAY = date(2024, 8, 31)
TRADES = Merge("binance", "trades", DAY)

AS_CSV = {
    "trades": """
        SELECT exchange, symbol, timestamp, local_timestamp, id, side, price, amount
        FROM whole ORDER BY timestamp, symbol, position""",
    "book_updates": """
        SELECT exchange, symbol, timestamp, local_timestamp, is_snapshot, side, level.price, level.amount
        FROM (
            SELECT *, 'bid' AS side, unnest(bids) AS level, generate_subscripts(bids, 1) AS place FROM whole
            UNION ALL BY NAME
            SELECT *, 'ask' AS side, unnest(asks) AS level, generate_subscripts(asks, 1) AS place FROM whole
        )
        ORDER BY timestamp, symbol, position, side DESC, place""",
    "quotes": """
        SELECT exchange, symbol, timestamp, local_timestamp, ask_amount, ask_price, bid_price, bid_amount
        FROM whole ORDER BY timestamp, symbol, position""",
    "derivative_ticker": """
        SELECT exchange, symbol, timestamp, local_timestamp, funding_timestamp, funding_rate, predicted_funding_rate,
            open_interest, last_price, index_price, mark_price
        FROM whole ORDER BY timestamp, symbol, position""",
    "liquidations": """
        SELECT exchange, symbol, timestamp, local_timestamp, id, side, price, amount
        FROM whole ORDER BY timestamp, symbol, position""",
}
"""How a reader gets the CSV of each data type back."""


@pytest.mark.parametrize("data_type", PUBLISHED)
def test_the_csv_can_be_had_from_the_parquet_file(systems: Systems, data_type: str, tmp_path: Path) -> None:
    record_a_day(systems)
    merged = systems.merged(Merge("binance", data_type, DAY))
    made = tmp_path / "made.csv"
    with duckdb.connect() as connection:
        connection.read_parquet(path_of(merged.parquet[""])).create_view("whole")
        connection.execute(f"COPY ({AS_CSV[data_type]}) TO '{made}' (FORMAT csv, HEADER, FORCE_QUOTE *)")
    assert made.read_text() == read_result(merged)


@pytest.mark.parametrize("data_type", PUBLISHED)
def test_its_rows_stand_by_market_and_in_the_order_of_the_csv(systems: Systems, data_type: str) -> None:
    record_a_day(systems)
    rows = systems.merge_full(Merge("binance", data_type, DAY))
    places = [(row["symbol"], row["position"]) for row in rows]
    counts = [sum(1 for symbol, _ in places if symbol == market) for market in ("BTC-USDT", "ETH-USDT")]
    expected = [("BTC-USDT", n + 1) for n in range(counts[0])] + [("ETH-USDT", n + 1) for n in range(counts[1])]
    assert places == expected
    assert min(counts) > 20


def test_it_is_compressed_by_zstd_and_its_times_and_texts_have_the_types_that_they_should(systems: Systems) -> None:
    put(systems.primary, Trade(1, at(DAY), "buy", "10.10", "1", at(DAY, 5)))
    path = path_of(systems.merged(TRADES).parquet[""])
    with duckdb.connect() as connection:
        metadata = connection.execute("SELECT DISTINCT compression FROM parquet_metadata($1)", [path]).fetchall()
        types = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE FROM '{path}'").fetchall()}
    assert metadata == [("ZSTD",)]
    assert {types[name] for name in ("timestamp", "local_timestamp", "sequence", "position")} == {"BIGINT"}
    assert {types[name] for name in ("id", "price", "amount", "provenance", "symbol")} == {"VARCHAR"}


def test_levels_are_lists_of_price_and_amount(systems: Systems) -> None:
    record_a_day(systems)
    path = path_of(systems.merged(Merge("binance", "book_updates", DAY)).parquet[""])
    with duckdb.connect() as connection:
        types = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE FROM '{path}'").fetchall()}
    assert types["bids"] == types["asks"] == "STRUCT(price VARCHAR, amount VARCHAR)[]"


def test_one_market_is_read_without_most_of_the_others(systems: Systems) -> None:
    """Row groups are small, and each says which markets are in it."""
    for number, market in enumerate(("A-B", "C-D", "E-F")):
        trades = [Trade(10**6 * number + i, at(DAY, i), "buy", "1", "1", at(DAY, i)) for i in range(30_000)]
        put(systems.primary, *trades, market=market)
    path = path_of(systems.merged(TRADES).parquet[""])
    with duckdb.connect() as connection:
        groups = connection.execute(
            "SELECT stats_min_value, stats_max_value, row_group_num_rows FROM parquet_metadata($1) "
            "WHERE path_in_schema = 'symbol' ORDER BY row_group_id",
            [path],
        ).fetchall()
    assert groups == [
        ("A-B", "A-B", 20_480),
        ("A-B", "C-D", 20_480),
        ("C-D", "E-F", 20_480),
        ("E-F", "E-F", 20_480),
        ("E-F", "E-F", 8_080),
    ]


def test_of_a_merge_that_failed_neither_file_is_left(systems: Systems) -> None:
    put(systems.primary, *(Trade(i, at(DAY, i), "buy", "1", "1", at(DAY, i)) for i in range(100_000)))
    engine = open_engine(
        "duckdb", primary=systems.primary.url, replica=None, results=systems.results, memory="1MB", threads=1
    )
    with pytest.raises(MergeFailedError, match="DuckDB needs more than 1MB"):
        engine.start(TRADES, "first")
    assert list(Path(systems.results).iterdir()) == []


def test_a_healed_trade_stands_in_the_csv_as_any_other(systems: Systems) -> None:
    assert systems.rest is not None
    put(systems.primary, Trade(1, at(DAY), "buy", "10.10", "1", at(DAY, 5)))
    put(systems.rest, Trade(2, at(DAY, 7), "sell", "10.20", "2", at(DAY, 900)))
    assert list(csv.reader(systems.merge_text(TRADES).splitlines()))[1:] == [
        ["binance", "BTC-USDT", str(at(DAY)), str(at(DAY, 5)), "1", "buy", "10.10", "1"],
        ["binance", "BTC-USDT", str(at(DAY, 7)), str(at(DAY, 900)), "2", "sell", "10.20", "2"],
    ]
