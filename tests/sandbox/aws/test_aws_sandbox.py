"""What no AWS has: faults, counts, the view behind the scenes, and the server itself."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError
from obstore.store import S3Store

from sandbox.aws.faults import Faults
from sandbox.aws.server import Sandbox, running
from tests.sandbox.aws.conftest import CLOCK, JOB_SECONDS
from tests.waiting import DEADLINE, until

BUCKET = "booktape-test"
Refusal = Callable[..., tuple[str, int]]
Order = Callable[..., None]


def call(method: str, url: str, document: Any = None) -> Any:
    """Call ``/_sandbox/…`` and return the JSON that it answers."""
    body = None if document is None else json.dumps(document).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, method=method)) as answer:
        return json.loads(answer.read() or b"null")


@pytest.fixture
def order(aws: Sandbox) -> Iterator[Order]:
    """Order a fault; all are cleared afterwards."""
    yield lambda **fault: call("POST", f"{aws.url}/_sandbox/faults", fault)
    call("DELETE", f"{aws.url}/_sandbox/faults")


@pytest.fixture
def import_job(dx: Any, s3: Any, revision: dict[str, str]) -> str:
    """A job that waits to import one object."""
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"1")
    details = {"ImportAssetsFromS3": {**revision, "AssetSources": [{"Bucket": BUCKET, "Key": "k"}]}}
    return str(dx.create_job(Type="IMPORT_ASSETS_FROM_S3", Details=details)["Id"])


def test_s3_can_be_out_for_a_while(
    aws: Sandbox, s3: Any, refusal: Refusal, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(service="s3", status=503, seconds=JOB_SECONDS)
    during = refusal(s3.put_object, Bucket=BUCKET, Key="k", Body=b"1")
    store = S3Store(BUCKET, client_options={"allow_http": True}, retry_config={"max_retries": 0})
    with pytest.raises(GenericError, match="503"):
        obstore.put(store, "k", b"1")
    monkeypatch.setattr(aws.state.faults, "_clock", lambda: time.monotonic() + JOB_SECONDS)
    obstore.put(store, "k", b"2")

    assert during == ("SlowDown", 503)
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"2"


def test_obstore_gets_through_a_short_outage_by_its_own_retries(aws: Sandbox, s3: Any, order: Order) -> None:
    order(service="s3", operation="PutObject", status=503, times=2)
    store = S3Store(BUCKET, client_options={"allow_http": True})
    obstore.put(store, "through", b"1", mode="create")

    assert s3.get_object(Bucket=BUCKET, Key="through")["Body"].read() == b"1"


def test_an_operation_can_fail_before_it_does_anything(
    dx: Any, data_set: dict[str, Any], refusal: Refusal, order: Order
) -> None:
    order(service="dataexchange", operation="CreateRevision", status=500, times=1)
    lost = refusal(dx.create_revision, DataSetId=data_set["Id"])

    assert lost == ("InternalServerException", 500)
    assert dx.list_data_set_revisions(DataSetId=data_set["Id"])["Revisions"] == []
    assert "Id" in dx.create_revision(DataSetId=data_set["Id"])


def test_an_answer_can_be_lost_after_the_effect(
    dx: Any, data_set: dict[str, Any], refusal: Refusal, order: Order
) -> None:
    order(service="dataexchange", operation="CreateRevision", status=500, times=1, after=True)
    lost = refusal(dx.create_revision, DataSetId=data_set["Id"], Comment="2024-05-01")
    (made,) = dx.list_data_set_revisions(DataSetId=data_set["Id"])["Revisions"]

    assert (lost, made["Comment"]) == (("InternalServerException", 500), "2024-05-01")


def test_a_put_whose_answer_is_lost_finds_itself_there_when_repeated(s3: Any, refusal: Refusal, order: Order) -> None:
    put = {"Bucket": BUCKET, "Key": "lost-answer", "Body": b"1", "IfNoneMatch": "*"}
    order(service="s3", operation="PutObject", status=500, times=1, after=True)

    assert refusal(s3.put_object, **put) == ("InternalError", 500)
    assert refusal(s3.put_object, **put) == ("PreconditionFailed", 412)


def test_a_fault_can_be_called_by_another_name(athena: Any, refusal: Refusal, order: Order) -> None:
    order(service="athena", operation="ListWorkGroups", status=400, code="TooManyRequestsException", times=1)

    assert refusal(athena.list_work_groups) == ("TooManyRequestsException", 400)


@pytest.mark.parametrize("state", ["ERROR", "TIMED_OUT"])
def test_the_next_job_can_be_made_to_fail(dx: Any, import_job: str, order: Order, state: str) -> None:
    order(service="dataexchange", job=state, times=1)
    dx.start_job(JobId=import_job)
    CLOCK.put_forward()
    job = dx.get_job(JobId=import_job)

    assert job["State"] == state
    assert [error["Code"] for error in job.get("Errors", [])] == {
        "ERROR": ["INTERNAL_SERVER_EXCEPTION"],
        "TIMED_OUT": [],
    }[state]


def test_the_next_query_can_be_made_to_fail(athena: Any, order: Order) -> None:
    order(service="athena", query="FAILED", times=1)
    output = {"OutputLocation": f"s3://{BUCKET}/results/"}
    query_id = athena.start_query_execution(QueryString="SELECT 1", ResultConfiguration=output)["QueryExecutionId"]

    def ended() -> Any:
        status = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]
        return status if status["State"] not in {"QUEUED", "RUNNING"} else None

    status = until(ended)

    assert (status["State"], status["AthenaError"]["Retryable"]) == ("FAILED", True)


def test_the_next_change_set_can_be_made_to_fail(aws: Sandbox, catalog: Any, data_set: Any, order: Order) -> None:
    order(service="marketplace-catalog", change_set="FAILED", times=1)
    aws.state.add_product("prod-fault", data_set["Arn"])
    change = {
        "ChangeType": "AddRevisions",
        "Entity": {"Type": "DataProduct@1.0", "Identifier": "prod-fault@1"},
        "Details": json.dumps({"DataSetArn": data_set["Arn"], "RevisionArns": ["arn"]}),
    }
    started = catalog.start_change_set(Catalog="AWSMarketplace", ChangeSet=[change])
    CLOCK.put_forward()
    ended = catalog.describe_change_set(Catalog="AWSMarketplace", ChangeSetId=started["ChangeSetId"])

    assert (ended["Status"], ended["FailureCode"]) == ("FAILED", "SERVER_FAULT")


@pytest.mark.parametrize(
    "fault", [{}, {"service": "s3"}, {"service": "s3", "status": 503, "job": "ERROR"}, {"service": "s3", "colour": 1}]
)
def test_what_is_no_fault_is_refused(aws: Sandbox, fault: dict[str, Any]) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        call("POST", f"{aws.url}/_sandbox/faults", fault)
    assert caught.value.code == 400


def test_faults_end_by_count_by_time_or_when_cleared() -> None:
    now = [0.0]
    faults = Faults(clock=lambda: now[0])
    faults.add({"service": "s3", "status": 503, "times": 1})
    faults.add({"service": "s3", "status": 500, "seconds": 5})
    faults.add({"service": "s3", "status": 403})

    def met() -> int | None:
        fault = faults.take_status("s3", "PutObject")
        return fault.status if fault else None

    first, second = met(), met()
    now[0] = 6.0
    third = met()
    faults.clear()
    assert (first, second, third, met()) == (503, 500, 403, None)


def test_every_request_is_counted(aws: Sandbox, s3: Any, dx: Any, athena: Any, connect: Any) -> None:
    before = call("GET", f"{aws.url}/_sandbox/state")["requests"]
    s3.put_object(Bucket=BUCKET, Key="counted", Body=b"1")
    s3.copy_object(Bucket=BUCKET, Key="copied", CopySource=f"{BUCKET}/counted")
    s3.list_objects_v2(Bucket=BUCKET)
    dx.list_data_sets()
    athena.list_work_groups()
    connect("sts").get_caller_identity()
    after = call("GET", f"{aws.url}/_sandbox/state")["requests"]

    def increase(service: str, operation: str) -> int:
        return int(after[service][operation] - before.get(service, {}).get(operation, 0))

    assert [
        increase("s3", "PutObject"),
        increase("s3", "CopyObject"),
        increase("s3", "ListObjectsV2"),
        increase("dataexchange", "ListDataSets"),
        increase("athena", "ListWorkGroups"),
        increase("sts", "GetCallerIdentity"),
    ] == [1, 1, 1, 1, 1, 1]


def test_the_state_shows_everything(aws: Sandbox, dx: Any, revision: Any, import_job: str) -> None:
    dx.start_job(JobId=import_job)
    CLOCK.put_forward()
    state = call("GET", f"{aws.url}/_sandbox/state")
    job = next(job for job in state["jobs"] if job["id"] == import_job)
    asset = next(asset for asset in state["assets"] if asset["revision_id"] == revision["RevisionId"])

    assert (job["state"], job["sources"]) == ("COMPLETED", [{"bucket": BUCKET, "key": "k"}])
    assert (asset["name"], asset["size"]) == ("k", 1)
    assert set(state) == {
        "requests",
        "data_sets",
        "revisions",
        "assets",
        "jobs",
        "products",
        "change_sets",
        "published_revisions",
        "queries",
        "faults",
    }


def test_an_operation_that_the_sandbox_lacks_answers_501(dx: Any, refusal: Refusal) -> None:
    assert refusal(dx.list_event_actions) == ("NotImplemented", 501)


def test_a_product_needs_a_data_set_that_exists(aws: Sandbox) -> None:
    with pytest.raises(ValueError, match="no data set arn"):
        aws.state.add_product("prod-x", "arn")


def test_one_process_has_one_sandbox(aws: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="a sandbox runs in this process already"), running():
        pass


def test_the_command_says_where_it_listens_and_stops_when_terminated() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.aws", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    state = call("GET", f"{url}/_sandbox/state")
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=DEADLINE)

    assert url.startswith("http://127.0.0.1:")
    assert state["requests"] == {}
    assert (process.returncode, rest, errors) == (0, "", "")
