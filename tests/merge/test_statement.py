"""The SQL and its tables: parameters are quoted, partitions are named, columns are the records' fields."""

from datetime import date

import pytest

from booktape.merge import Merge
from booktape.merge.athena_ddl import statements
from booktape.merge.statement import statement
from booktape.merge.tables import COLUMNS
from booktape.model.records import INSTRUMENTS, RECORD_TYPES

DDL = """\
CREATE EXTERNAL TABLE `booktape`.`trades_replica` (
  `id` string,
  `timestamp` bigint,
  `side` string,
  `price` string,
  `amount` string,
  `local_timestamp` bigint,
  `sequence` bigint
)
PARTITIONED BY (`exchange` string, `pair` string, `year` string, `month` string, `day` string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'false')
LOCATION 's3://second/tape/trades/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.exchange.type' = 'enum',
  'projection.exchange.values' = 'binance,kraken',
  'projection.pair.type' = 'injected',
  'projection.year.type' = 'integer',
  'projection.year.range' = '2009,2099',
  'projection.year.digits' = '4',
  'projection.month.type' = 'integer',
  'projection.month.range' = '1,12',
  'projection.month.digits' = '2',
  'projection.day.type' = 'integer',
  'projection.day.range' = '1,31',
  'projection.day.digits' = '2',
  'storage.location.template' = '{template}'
)"""
TEMPLATE = "s3://second/tape/trades/exchange=${exchange}/pair=${pair}/year=${year}/month=${month}/day=${day}/"


def test_every_table_is_read_with_its_markets_and_both_days() -> None:
    sql = statement(Merge("binance", "book_updates", date(2024, 12, 31)), ["BTC-USDT", "ETH-USDT"]).csv_query
    partitions = (
        "WHERE exchange = 'binance' AND pair IN ('BTC-USDT', 'ETH-USDT') AND year IN ('2024', '2025') "
        "AND month IN ('12', '01') AND day IN ('31', '01') AND concat(year, month, day) IN ('20241231', '20250101')\n"
    )
    assert sql.count(partitions) == 4


def test_a_day_is_its_microseconds_in_utc() -> None:
    sql = statement(Merge("binance", "trades", date(2024, 8, 8)), ["BTC-USDT"]).csv_query
    assert sql.count("AND timestamp BETWEEN 1723075200000000 AND 1723161599999999\n") == 3


def test_all_but_instruments_can_be_merged() -> None:
    assert RECORD_TYPES.keys() - COLUMNS.keys() == {INSTRUMENTS}


@pytest.mark.parametrize("data_type", COLUMNS)
def test_the_columns_of_a_table_are_the_fields_of_its_records(data_type: str) -> None:
    assert tuple(COLUMNS[data_type]) == RECORD_TYPES[data_type].__struct_fields__


def test_a_table_in_athena() -> None:
    made = list(statements("booktape", "s3://first", "s3://second/tape/", ["binance", "kraken"]))
    assert made[0] == "CREATE DATABASE IF NOT EXISTS `booktape`"
    assert DDL.format(template=TEMPLATE) in made
    assert len(made) == 1 + 2 * (2 * len(COLUMNS) + 1)


def test_what_was_fetched_over_rest_lies_below_the_primarys_storage() -> None:
    made = [sql for sql in statements("booktape", "s3://first/tape/", "s3://second", ["binance"]) if "_rest`" in sql]
    assert made[0] == "DROP TABLE IF EXISTS `booktape`.`trades_rest`"
    assert "LOCATION 's3://first/tape/rest/trades/'" in made[1]
    assert len(made) == 2


def test_both_files_are_made_from_the_same_records() -> None:
    sql = statement(Merge("binance", "trades", date(2024, 8, 8)), ["BTC-USDT"])
    assert sql.csv_query == sql.merged + sql.csv
    assert sql.parquet_query == sql.merged + sql.parquet
    assert sql.csv.startswith(
        "SELECT exchange, symbol, timestamp, local_timestamp, id, side, price, amount\nFROM merged"
    )
    assert sql.merged.endswith(")\n")


def test_without_a_replica_its_tables_lie_over_an_empty_place() -> None:
    made = "\n".join(statements("booktape", "s3://first/", None, ["binance"]))
    assert "LOCATION 's3://first/no-replica/quotes/'" in made
