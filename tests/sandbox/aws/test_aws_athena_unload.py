"""UNLOAD in the emulation (Athena User Guide, "UNLOAD"): what it writes, what it tells, and what it refuses."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.sandbox.aws.test_aws_athena_api import BUCKET, run

TWO = "SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (3, 'a')) AS rows (number, kind) ORDER BY number"


def unload(athena: Any, place: str, properties: str, sql: str = TWO) -> dict[str, Any]:
    return run(athena, f"UNLOAD ({sql}) TO 's3://{BUCKET}/{place}/' WITH ({properties})")


def keys(s3: Any, prefix: str) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def rows(s3: Any, key: str, path: Path) -> list[tuple[Any, ...]]:
    path.write_bytes(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    return duckdb.read_parquet(str(path)).fetchall()


def test_each_partition_has_files_of_its_own_without_the_column(athena: Any, s3: Any, tmp_path: Path) -> None:
    unload(athena, "by-kind", "format = 'PARQUET', compression = 'ZSTD', partitioned_by = ARRAY['kind']")
    first, second = keys(s3, "by-kind/")
    assert first.startswith("by-kind/kind=a/")
    assert second.startswith("by-kind/kind=b/")
    assert rows(s3, first, tmp_path / "a") == [(1,), (3,)]
    assert rows(s3, second, tmp_path / "b") == [(2,)]


def test_the_manifest_lists_the_files(athena: Any, s3: Any) -> None:
    execution = unload(athena, "listed", "format = 'PARQUET', partitioned_by = ARRAY['kind']")
    query = execution["QueryExecutionId"]
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "UNLOAD")
    assert execution["Statistics"]["DataManifestLocation"] == f"s3://{BUCKET}/results/{query}-manifest.csv"
    manifest = s3.get_object(Bucket=BUCKET, Key=f"results/{query}-manifest.csv")["Body"].read().decode()
    assert manifest.splitlines() == [f"s3://{BUCKET}/{key}" for key in keys(s3, "listed/")]


def test_a_larger_partition_is_several_files_each_in_the_querys_order(athena: Any, s3: Any, tmp_path: Path) -> None:
    unload(athena, "many", "format = 'PARQUET'", "SELECT n FROM UNNEST(sequence(1, 40)) AS t (n) ORDER BY n DESC")
    written = [[n for (n,) in rows(s3, key, tmp_path / "x")] for key in keys(s3, "many/")]
    assert len(written) == 2
    assert [part == sorted(part, reverse=True) for part in written] == [True, True]
    assert sorted(written[0] + written[1]) == list(range(1, 41))


@pytest.mark.parametrize(
    ("properties", "sql", "reason"),
    [
        ("format = 'AVRO'", TWO, "INVALID_TABLE_PROPERTY: the sandbox unloads PARQUET only"),
        ("format = 'PARQUET', compression = 'BROTLI'", TWO, "INVALID_TABLE_PROPERTY: PARQUET has no compression"),
        ("format = 'PARQUET', partitioned_by = ARRAY['number']", TWO, "HIVE_COLUMN_ORDER_MISMATCH"),
        (
            "format = 'PARQUET', partitioned_by = ARRAY['kind']",
            "SELECT 1 AS x, n AS kind FROM UNNEST(sequence(1, 101)) AS t (n)",
            "HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100",
        ),
    ],
)
def test_what_fails(athena: Any, s3: Any, properties: str, sql: str, reason: str) -> None:
    execution = unload(athena, "failed", properties, sql)
    assert execution["Status"]["State"] == "FAILED"
    assert execution["Status"]["StateChangeReason"].startswith(reason)
    assert keys(s3, "failed/") == []


def test_without_partitions_the_place_must_be_empty(athena: Any) -> None:
    assert unload(athena, "twice", "format = 'PARQUET'")["Status"]["State"] == "SUCCEEDED"
    again = unload(athena, "twice", "format = 'PARQUET'")
    assert again["Status"]["StateChangeReason"].startswith("HIVE_PATH_ALREADY_EXISTS")


@pytest.mark.parametrize("sql", ["UNLOAD SELECT 1", "UNLOAD (SELECT 1) TO 's3://x/y' WITH (colour = 'red')"])
def test_what_cannot_be_parsed(athena: Any, refusal: Any, sql: str) -> None:
    place = {"ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/results/"}}
    assert refusal(athena.start_query_execution, QueryString=sql, **place) == ("InvalidRequestException", 400)
