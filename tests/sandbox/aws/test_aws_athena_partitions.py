"""Partitions in Athena: which exist, which a query must name, and which are read."""

from collections.abc import Callable
from typing import Any

import pytest
from pyathena.error import OperationalError

BUCKET = "booktape-test"
PutLines = Callable[..., None]
Create = Callable[..., None]

PROJECTION = {
    "projection.enabled": "true",
    "projection.exchange.type": "enum",
    "projection.exchange.values": "binance,okx",
    "projection.pair.type": "injected",
    "projection.month.type": "integer",
    "projection.month.range": "1,12",
    "projection.month.digits": "2",
}


@pytest.fixture
def create(cursor: Any) -> Create:
    """Create the partitioned table ``tape.trades`` with table properties."""

    def table(properties: dict[str, str], partitions: str = "exchange string, pair string, month string") -> None:
        listed = ", ".join(f"'{name}' = '{value}'" for name, value in {"classification": "json", **properties}.items())
        cursor.execute(
            f"CREATE EXTERNAL TABLE trades (id bigint) PARTITIONED BY ({partitions}) "
            "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' "
            f"LOCATION 's3://{BUCKET}/trades' TBLPROPERTIES ({listed})"
        )

    return table


@pytest.fixture(scope="module", autouse=True)
def stored(put_lines: PutLines) -> None:
    """One trade each in eight partitions, with ids 1 to 8, and one in a partition written without digits."""
    number = 0
    for exchange in ("binance", "okx"):
        for pair in ("BTC-USDT", "ETH-USDT"):
            for month in ("01", "02"):
                number += 1
                key = f"trades/exchange={exchange}/pair={pair}/month={month}/{number}.json.gz"
                put_lines(key, {"id": number})
    put_lines("trades/exchange=okx/pair=BTC-USDT/month=3/9.json.gz", {"id": 9})
    put_lines("trades/exchange=ftx/pair=BTC-USDT/month=01/10.json.gz", {"id": 10})


def ids(cursor: Any, sql: str) -> list[int]:
    return sorted(row[0] for row in cursor.execute(sql).fetchall())


def sizes(s3: Any, *numbers: int) -> int:
    """The bytes of the objects with these ids."""
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="trades/")["Contents"]
    return sum(item["Size"] for item in listed if int(item["Key"].split("/")[-1].split(".")[0]) in numbers)


def test_partition_values_are_text_columns_behind_the_others(cursor: Any, create: Create) -> None:
    create(PROJECTION)
    cursor.execute("SELECT * FROM trades WHERE pair = 'BTC-USDT' AND exchange = 'okx' AND month = '02'")

    assert [column[0] for column in cursor.description] == ["id", "exchange", "pair", "month"]
    assert cursor.fetchall() == [(6, "okx", "BTC-USDT", "02")]


@pytest.mark.parametrize(
    "condition",
    ["1 = 1", "pair > 'A'", "pair LIKE 'BTC%'", "pair = 'BTC-USDT' OR pair = 'ETH-USDT'", "pair <> 'BTC-USDT'"],
)
def test_an_injected_column_needs_its_values_in_the_query(cursor: Any, create: Create, condition: str) -> None:
    create(PROJECTION)

    with pytest.raises(
        OperationalError, match="CONSTRAINT_VIOLATION: For the injected projected partition column pair"
    ):
        cursor.execute(f"SELECT * FROM trades WHERE {condition}")


def test_every_mention_of_a_table_needs_the_injected_values(cursor: Any, create: Create) -> None:
    create(PROJECTION)

    with pytest.raises(OperationalError, match="CONSTRAINT_VIOLATION"):
        cursor.execute("SELECT a.id FROM trades a JOIN trades b ON a.id = b.id WHERE a.pair = 'BTC-USDT'")


@pytest.mark.parametrize(
    ("condition", "read"),
    [
        ("pair = 'BTC-USDT' AND exchange = 'okx'", [5, 6]),
        ("'okx' = exchange AND (pair IN ('BTC-USDT', 'ETH-USDT') AND month = '01')", [5, 7]),
        ("pair IN ('ETH-USDT') AND month BETWEEN '02' AND '12'", [4, 8]),
        ("trades.pair = 'BTC-USDT' AND tape.trades.month >= '02' AND exchange < 'c'", [2]),
        ("pair = 'BTC-USDT' AND month > '02'", []),
        ("pair = 'XRP-USDT'", []),
    ],
)
def test_only_objects_that_can_match_are_read(
    cursor: Any, s3: Any, create: Create, condition: str, read: list[int]
) -> None:
    create(PROJECTION)

    assert ids(cursor, f"SELECT id FROM trades WHERE {condition}") == read
    assert cursor.data_scanned_in_bytes == sizes(s3, *read)


def test_each_side_of_a_join_is_pruned_by_its_own_conditions(cursor: Any, s3: Any, create: Create) -> None:
    create(PROJECTION)
    sql = """
        SELECT a.id FROM trades a LEFT JOIN trades b ON b.pair = 'ETH-USDT' AND b.exchange = 'okx' AND a.month = b.month
        WHERE a.pair = 'BTC-USDT' AND a.exchange = 'binance'
    """

    assert ids(cursor, sql) == [1, 2]
    assert cursor.data_scanned_in_bytes == sizes(s3, 1, 2, 7, 8)


def test_a_condition_in_the_on_of_a_left_join_does_not_narrow_the_left_table(cursor: Any, create: Create) -> None:
    create(PROJECTION)
    sql = """
        SELECT a.id FROM trades a LEFT JOIN (SELECT 1 AS one) b ON a.month = '01'
        WHERE a.pair = 'BTC-USDT' AND a.exchange = 'binance'
    """

    assert ids(cursor, sql) == [1, 2]


def test_what_projection_does_not_yield_is_not_there(cursor: Any, create: Create) -> None:
    """``exchange=ftx`` is no enum value, and ``month=3`` has too few digits: zero rows, and no error."""
    create(PROJECTION)

    assert ids(cursor, "SELECT id FROM trades WHERE pair = 'BTC-USDT' AND exchange = 'ftx'") == []
    assert ids(cursor, "SELECT id FROM trades WHERE pair = 'BTC-USDT' AND month IN ('3', '03')") == []


def test_digits_decide_how_an_integer_stands_in_the_path(cursor: Any, create: Create) -> None:
    create({**PROJECTION, "projection.month.digits": "1"}, "exchange string, pair string, month int")

    assert ids(cursor, "SELECT id FROM trades WHERE pair = 'BTC-USDT' AND month = 3") == [9]
    assert ids(cursor, "SELECT id FROM trades WHERE pair = 'BTC-USDT' AND month = 1") == []


def test_text_is_not_compared_with_numbers(cursor: Any, create: Create) -> None:
    create(PROJECTION)

    with pytest.raises(OperationalError, match="TYPE_MISMATCH: Cannot apply operator: varchar = integer"):
        cursor.execute("SELECT id FROM trades WHERE pair = 'BTC-USDT' AND month = 1")


def test_a_template_places_partitions_anywhere(cursor: Any, create: Create, put_lines: PutLines) -> None:
    put_lines("by-day/2024/05/01/okx.json.gz", {"id": 11})
    put_lines("by-day/2024/05/02/okx.json.gz", {"id": 12})
    put_lines("by-day/2031/05/02/okx.json.gz", {"id": 13})
    properties = {
        "projection.enabled": "true",
        "projection.day.type": "date",
        "projection.day.format": "yyyy/MM/dd",
        "projection.day.range": "2024/01/01,2030/12/31",
        "storage.location.template": f"s3://{BUCKET}/by-day/${{day}}",
    }
    create(properties, "day string")

    assert ids(cursor, "SELECT id FROM trades") == [11, 12]
    assert ids(cursor, "SELECT id FROM trades WHERE day = '2024/05/01'") == [11]


def test_date_ranges_reach_to_now(cursor: Any, create: Create, put_lines: PutLines) -> None:
    put_lines("dated/2024-05-01/okx.json.gz", {"id": 1})
    put_lines("dated/2999-05-01/okx.json.gz", {"id": 2})
    properties = {
        "projection.enabled": "true",
        "projection.day.type": "date",
        "projection.day.format": "yyyy-MM-dd",
        "projection.day.range": "NOW-300YEARS,NOW+1DAYS",
        "storage.location.template": f"s3://{BUCKET}/dated/${{day}}/",
    }
    create(properties, "day string")

    assert ids(cursor, "SELECT id FROM trades") == [1]


def test_a_table_rooted_above_a_column_reads_everything_below(cursor: Any, create: Create) -> None:
    properties = {name: value for name, value in PROJECTION.items() if ".pair." not in name and ".month." not in name}
    create(properties, "exchange string")

    assert ids(cursor, "SELECT id FROM trades WHERE exchange = 'okx'") == [5, 6, 7, 8, 9]


def test_without_projection_a_partition_must_be_registered(cursor: Any, create: Create) -> None:
    create({})
    before = ids(cursor, "SELECT id FROM trades")
    cursor.execute("ALTER TABLE trades ADD PARTITION (exchange = 'okx', pair = 'BTC-USDT', month = '3')")
    added = ids(cursor, "SELECT id FROM trades")
    cursor.execute("MSCK REPAIR TABLE tape.trades")

    assert (before, added) == ([], [9])
    assert ids(cursor, "SELECT id FROM trades") == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_a_registered_partition_may_lie_elsewhere(cursor: Any, create: Create, put_lines: PutLines) -> None:
    put_lines("elsewhere/okx.json.gz", {"id": 99})
    create({}, "day string")
    cursor.execute(f"ALTER TABLE trades ADD IF NOT EXISTS PARTITION (day = 'x') LOCATION 's3://{BUCKET}/elsewhere'")

    assert cursor.execute("SELECT id, day FROM trades").fetchall() == [(99, "x")]


def test_a_projection_without_its_properties_fails(cursor: Any, create: Create) -> None:
    create({"projection.enabled": "true", "projection.exchange.type": "enum"}, "exchange string")

    with pytest.raises(OperationalError, match=r"INVALID_TABLE_PROPERTY.*no projection\.exchange\.values"):
        cursor.execute("SELECT * FROM trades")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("CREATE DATABASE tape", "Database tape already exists"),
        ("DROP TABLE nothing", "Table not found nothing"),
        ("DROP DATABASE nothing", "Database nothing does not exist"),
        ("CREATE EXTERNAL TABLE t (id bigint) ROW FORMAT SERDE 'x' LOCATION 's3://b/'", "JSON SerDes only"),
        ("CREATE TABLE t (id bigint)", "only CREATE EXTERNAL TABLE"),
    ],
)
def test_wrong_ddl_fails_with_its_reason(cursor: Any, sql: str, reason: str) -> None:
    with pytest.raises(OperationalError, match=reason):
        cursor.execute(sql)


def test_ddl_that_says_if_exists_or_if_not_exists_can_be_repeated(cursor: Any, create: Create) -> None:
    create(PROJECTION)

    for sql in ("CREATE DATABASE IF NOT EXISTS tape", "DROP TABLE IF EXISTS trades", "DROP TABLE IF EXISTS trades"):
        cursor.execute(sql)
