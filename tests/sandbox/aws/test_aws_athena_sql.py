"""Athena's SQL is really run: what comes out of it, to the byte."""

from collections.abc import Callable
from typing import Any

import pytest
from pyathena.error import OperationalError

BUCKET = "booktape-test"
PutLines = Callable[..., None]


@pytest.fixture
def table(cursor: Any, put_lines: PutLines, s3: Any) -> Callable[..., None]:
    """Create ``tape.<name>`` over the lines given."""

    def create(name: str, columns: str, *lines: Any, serde: str = "'ignore.malformed.json' = 'false'") -> None:
        put_lines(f"{name}/lines.json.gz", *lines)
        cursor.execute(
            f"CREATE EXTERNAL TABLE {name} ({columns}) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' "
            f"WITH SERDEPROPERTIES ({serde}) LOCATION 's3://{BUCKET}/{name}/'"
        )

    return create


def csv(cursor: Any, s3: Any, sql: str) -> bytes:
    """Run a query and return its result file."""
    cursor.execute(sql)
    key = cursor.output_location.removeprefix(f"s3://{BUCKET}/")
    assert "ContentLength" in s3.head_object(Bucket=BUCKET, Key=f"{key}.metadata")
    content: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


def test_values_are_quoted_and_null_is_nothing(cursor: Any, table: Any, s3: Any) -> None:
    table(
        "rows",
        "id bigint, note string, ok boolean, levels array<string>",
        {"id": 2, "note": 'says "hi", twice\nor more', "ok": True, "levels": ["1.10", "2"]},
        {"id": 1, "note": "", "ok": False, "levels": []},
        {"id": 3},
    )

    assert csv(cursor, s3, "SELECT * FROM rows ORDER BY id DESC") == (
        b'"id","note","ok","levels"\n'
        b'"3",,,\n'
        b'"2","says ""hi"", twice\nor more","true","[1.10, 2]"\n'
        b'"1","","false","[]"\n'
    )


def test_numbers_and_times_are_spelled_as_athena_spells_them(cursor: Any, s3: Any) -> None:
    sql = """
        SELECT CAST(1 AS double) AS one, 1e7 AS many, 1.5e-4 AS few, -2.5e22 AS low,
            CAST('1.10' AS decimal(10, 4)) AS d, from_unixtime(1714521600) AS t, DATE '2024-05-01' AS day,
            CAST(NULL AS double) AS nothing
    """

    assert csv(cursor, s3, sql) == (
        b'"one","many","few","low","d","t","day","nothing"\n'
        b'"1.0","1.0E7","1.5E-4","-2.5E22","1.1000","2024-05-01 00:00:00.000 UTC","2024-05-01",\n'
    )


def test_a_result_without_rows_is_a_header(cursor: Any, table: Any, s3: Any) -> None:
    table("none", "id bigint", {"id": 1})

    assert csv(cursor, s3, "SELECT id FROM none WHERE id > 1") == b'"id"\n'


def test_columns_without_a_name_are_numbered(cursor: Any, s3: Any) -> None:
    assert csv(cursor, s3, "SELECT 1, 2 AS two, 1 + 2") == b'"_col0","two","_col2"\n"1","2","3"\n'


def test_a_string_column_keeps_the_text_of_numbers(cursor: Any, table: Any) -> None:
    table(
        "prices",
        "id bigint, price string, size double",
        '{"id": 1, "price": 0.10, "size": 0.10}',
        '{"id": 2, "price": "0.10", "size": 1e3}',
        '{"id": 3, "price": 123456789012345678901234567890.10, "size": "2.5"}',
        '{"id": 4, "price": 1E-8, "size": null}',
        '{"id": 5, "price": 7}',
    )

    assert cursor.execute("SELECT * FROM prices ORDER BY id").fetchall() == [
        (1, "0.10", 0.1),
        (2, "0.10", 1000.0),
        (3, "123456789012345678901234567890.10", 2.5),
        (4, "1E-8", None),
        (5, "7", None),
    ]


def test_nested_levels_are_unnested_with_their_position(cursor: Any, table: Any) -> None:
    table(
        "book",
        "last_id bigint, bids array<array<string>>",
        {"last_id": 7, "bids": [["64000.10", "0.5"], ["63999.00", "0"]]},
        {"last_id": 8, "bids": []},
        {"last_id": 9, "bids": [["63998.5", "1.25"]]},
    )
    sql = """
        SELECT last_id, n, level[1] AS price, level[2] AS amount
        FROM book CROSS JOIN UNNEST(bids) WITH ORDINALITY AS t (level, n)
        ORDER BY last_id, n
    """

    assert cursor.execute(sql).fetchall() == [
        (7, 1, "64000.10", "0.5"),
        (7, 2, "63999.00", "0"),
        (9, 1, "63998.5", "1.25"),
    ]


def test_a_merge_fills_the_gaps_of_either_side(cursor: Any, table: Any) -> None:
    """The shape of the nightly statement: distinct inside each system, then a full outer join of the two."""
    table("primary_trades", "id bigint, price string", {"id": 1, "price": "10"}, {"id": 1, "price": "10"}, {"id": 3})
    table("replica_trades", "id bigint, price string", {"id": 2, "price": "20"}, {"id": 3, "price": "30"})
    sql = """
        WITH p AS (SELECT id, max(price) AS price FROM primary_trades GROUP BY id),
             r AS (SELECT id, max(price) AS price FROM tape.replica_trades GROUP BY id)
        SELECT coalesce(p.id, r.id) AS id, coalesce(p.price, r.price) AS price
        FROM p FULL OUTER JOIN r ON p.id = r.id
        ORDER BY 1
    """

    assert cursor.execute(sql).fetchall() == [(1, "10"), (2, "20"), (3, "30")]


def test_a_window_keeps_the_first_of_each(cursor: Any, table: Any) -> None:
    table("seen", "id bigint, at bigint", {"id": 1, "at": 5}, {"id": 1, "at": 4}, {"id": 2, "at": 9})
    sql = """
        SELECT id, at FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY at) AS place FROM seen)
        WHERE place = 1 ORDER BY id
    """

    assert cursor.execute(sql).fetchall() == [(1, 4), (2, 9)]


def test_the_path_of_each_row_can_be_asked_for(cursor: Any, table: Any) -> None:
    table("located", "id bigint", {"id": 1})

    assert cursor.execute('SELECT id, "$path" FROM located').fetchall() == [(1, f"s3://{BUCKET}/located/lines.json.gz")]


def test_a_malformed_line_fails_the_query(cursor: Any, table: Any) -> None:
    table("broken", "id bigint", {"id": 1}, '{"id": 2', {"id": 3})

    with pytest.raises(OperationalError, match="HIVE_CURSOR_ERROR: Row is not a valid JSON Object"):
        cursor.execute("SELECT * FROM broken")


def test_a_malformed_line_is_a_row_of_nulls_where_the_table_says_so(cursor: Any, table: Any) -> None:
    table("lenient", "id bigint", {"id": 1}, "{broken", serde="'ignore.malformed.json' = 'true'")

    assert cursor.execute("SELECT id FROM lenient ORDER BY id").fetchall() == [(1,), (None,)]


def test_a_value_of_the_wrong_type_fails_the_query(cursor: Any, table: Any) -> None:
    table("mistyped", "id bigint", {"id": "many"})

    with pytest.raises(OperationalError, match="HIVE_BAD_DATA"):
        cursor.execute("SELECT * FROM mistyped")


def test_a_truncated_object_fails_the_query(cursor: Any, table: Any, s3: Any) -> None:
    table("truncated", "id bigint", {"id": 1})
    whole = s3.get_object(Bucket=BUCKET, Key="truncated/lines.json.gz")["Body"].read()
    s3.put_object(Bucket=BUCKET, Key="truncated/lines.json.gz", Body=whole[:-4])

    with pytest.raises(OperationalError, match=r"HIVE_CURSOR_ERROR: s3://booktape-test/truncated/lines\.json\.gz"):
        cursor.execute("SELECT * FROM truncated")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT * FROM nowhere", "TABLE_NOT_FOUND: Table 'awsdatacatalog.tape.nowhere' does not exist"),
        ("SELECT missing FROM (SELECT 1 AS one)", "COLUMN_NOT_FOUND"),
        ("SELECT CAST('x' AS bigint)", "INVALID_CAST_ARGUMENT"),
    ],
)
def test_a_wrong_query_fails_with_its_reason(cursor: Any, sql: str, reason: str) -> None:
    with pytest.raises(OperationalError, match=reason):
        cursor.execute(sql)
