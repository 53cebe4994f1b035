"""Athena's API around the SQL: tokens, states, pages of results, work groups."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.waiting import until

BUCKET = "booktape-test"
OUTPUT = {"ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/results/"}}
INVALID = ("InvalidRequestException", 400)
Refusal = Callable[..., tuple[str, int]]

# Long enough never to end by itself within a test.
ENDLESS = """
    SELECT count(*) FROM UNNEST(sequence(1, 1000000)) AS a (x) CROSS JOIN UNNEST(sequence(1, 1000000)) AS b (y)
    WHERE x * y % 7 = 3
"""


def ended(athena: Any, query_id: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        execution: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        return None if execution["Status"]["State"] in {"QUEUED", "RUNNING"} else execution

    execution = until(found, lambda: "the query does not end")
    assert execution is not None
    return execution


def run(athena: Any, sql: str, **params: Any) -> dict[str, Any]:
    started = athena.start_query_execution(**{"QueryString": sql, **OUTPUT, **params})
    return ended(athena, started["QueryExecutionId"])


def test_an_execution_tells_where_its_result_lies(athena: Any) -> None:
    execution = run(athena, "SELECT 1 AS one")
    query_id = execution["QueryExecutionId"]

    assert execution["Status"]["State"] == "SUCCEEDED"
    assert execution["ResultConfiguration"]["OutputLocation"] == f"s3://{BUCKET}/results/{query_id}.csv"
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "SELECT")
    assert execution["Statistics"]["DataScannedInBytes"] == 0
    assert execution["Statistics"]["EngineExecutionTimeInMillis"] >= 0
    assert execution["Status"]["CompletionDateTime"] >= execution["Status"]["SubmissionDateTime"]


def test_the_same_token_with_the_same_text_is_the_same_query(athena: Any) -> None:
    request = {"QueryString": "SELECT 1", "ClientRequestToken": "t" * 32, **OUTPUT}

    first = athena.start_query_execution(**request)["QueryExecutionId"]
    assert athena.start_query_execution(**request)["QueryExecutionId"] == first


def test_the_same_token_with_another_text_is_refused(athena: Any, refusal: Refusal) -> None:
    request = {"ClientRequestToken": "u" * 32, **OUTPUT}
    athena.start_query_execution(**request, QueryString="SELECT 1")

    assert refusal(athena.start_query_execution, **request, QueryString="SELECT 2") == INVALID


def test_a_token_has_32_to_128_characters(athena: Any, refusal: Refusal) -> None:
    request = {"QueryString": "SELECT 1", **OUTPUT}

    assert refusal(athena.start_query_execution, **request, ClientRequestToken="x" * 129) == INVALID
    assert "QueryExecutionId" in athena.start_query_execution(**request, ClientRequestToken="x" * 128)


def test_a_query_has_at_most_262144_bytes(athena: Any, refusal: Refusal) -> None:
    def commented(letter: str, count: int) -> str:
        return f"SELECT 1 -- {letter * count}"

    fits = athena.start_query_execution(QueryString=commented("x", 262144 - 12), **OUTPUT)
    assert "QueryExecutionId" in fits
    assert refusal(athena.start_query_execution, QueryString=commented("x", 262144), **OUTPUT) == INVALID
    assert refusal(athena.start_query_execution, QueryString=commented("é", 140000), **OUTPUT) == INVALID


@pytest.mark.parametrize(
    "sql", ["SELEC 1", "SELECT 1; SELECT 2", "SHOW TABLES", "INSERT INTO t SELECT 1", "CREATE VIEW v AS SELECT 1"]
)
def test_what_the_sandbox_cannot_run_is_refused_at_once(athena: Any, refusal: Refusal, sql: str) -> None:
    assert refusal(athena.start_query_execution, QueryString=sql, **OUTPUT) == INVALID


def test_a_query_needs_an_output_location_in_a_bucket_that_exists(athena: Any, refusal: Refusal) -> None:
    nowhere = {"ResultConfiguration": {"OutputLocation": "s3://no-such-bucket/x/"}}

    assert refusal(athena.start_query_execution, QueryString="SELECT 1") == INVALID
    assert refusal(athena.start_query_execution, QueryString="SELECT 1", **nowhere) == INVALID


def test_a_failed_query_says_why_and_whose_fault_it_is(athena: Any) -> None:
    status = run(athena, "SELECT * FROM nowhere")["Status"]
    reason = "TABLE_NOT_FOUND: Table 'awsdatacatalog.default.nowhere' does not exist"

    assert (status["State"], status["StateChangeReason"]) == ("FAILED", reason)
    assert status["AthenaError"] == {
        "ErrorCategory": 2,
        "ErrorType": 1000,
        "Retryable": False,
        "ErrorMessage": reason,
    }


def test_a_running_query_can_be_stopped(athena: Any, s3: Any, refusal: Refusal) -> None:
    query_id = athena.start_query_execution(QueryString=ENDLESS, **OUTPUT)["QueryExecutionId"]

    def state() -> str:
        return str(athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]["State"])

    until(lambda: state() != "QUEUED")
    running = refusal(athena.get_query_results, QueryExecutionId=query_id)
    athena.stop_query_execution(QueryExecutionId=query_id)

    assert running == INVALID
    assert ended(athena, query_id)["Status"]["State"] == "CANCELLED"
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=f"results/{query_id}")["KeyCount"] == 0
    athena.stop_query_execution(QueryExecutionId=query_id)


def test_results_come_in_pages_with_the_header_as_the_first_row(athena: Any) -> None:
    execution = run(athena, "SELECT x, CAST(NULL AS varchar) AS n FROM UNNEST(sequence(1, 4)) AS t (x) ORDER BY x")
    pages = athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=execution["QueryExecutionId"], PaginationConfig={"PageSize": 2}
    )
    rows = [[row["Data"] for row in page["ResultSet"]["Rows"]] for page in pages]

    assert rows == [
        [[{"VarCharValue": "x"}, {"VarCharValue": "n"}], [{"VarCharValue": "1"}, {}]],
        [[{"VarCharValue": "2"}, {}], [{"VarCharValue": "3"}, {}]],
        [[{"VarCharValue": "4"}, {}]],
    ]


def test_columns_have_athenas_types(athena: Any) -> None:
    sql = (
        "SELECT 'a' AS v, 1.5e0 AS d, true AS b, ARRAY['x'] AS a, CAST(1 AS bigint) AS n, CAST(1 AS decimal(9, 2)) AS m"
    )
    execution = run(athena, sql)
    found = athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    columns = found["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]

    assert [(column["Name"], column["Type"], column["Precision"], column["Scale"]) for column in columns] == [
        ("v", "varchar", 2147483647, 0),
        ("d", "double", 17, 0),
        ("b", "boolean", 0, 0),
        ("a", "array", 0, 0),
        ("n", "bigint", 19, 0),
        ("m", "decimal", 9, 2),
    ]


def test_ddl_has_a_text_file_and_no_rows(athena: Any) -> None:
    execution = run(athena, "CREATE DATABASE IF NOT EXISTS elsewhere")
    found = athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])

    assert execution["ResultConfiguration"]["OutputLocation"].endswith(".txt")
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DDL", "CREATE_DATABASE")
    assert found["ResultSet"] == {"Rows": [], "ResultSetMetadata": {"ColumnInfo": []}}


def test_a_work_group_may_override_where_results_go(athena: Any, refusal: Refusal) -> None:
    athena.create_work_group(
        Name="nightly",
        Configuration={
            "ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/nightly/"},
            "EnforceWorkGroupConfiguration": True,
        },
    )
    execution = run(athena, "SELECT 1", WorkGroup="nightly")

    assert execution["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{BUCKET}/nightly/")
    assert athena.get_work_group(WorkGroup="nightly")["WorkGroup"]["State"] == "ENABLED"
    assert [group["Name"] for group in athena.list_work_groups()["WorkGroups"]] == ["primary", "nightly"]
    assert refusal(athena.get_work_group, WorkGroup="none") == INVALID


def test_an_unknown_query_is_refused(athena: Any, refusal: Refusal) -> None:
    assert refusal(athena.get_query_execution, QueryExecutionId="nothing") == INVALID
