"""What single answers of AWS mean: which end the run, which may pass, which say that it is done."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError, NoCredentialsError
from botocore.stub import Stubber

from booktape.model.errors import BooktapeError, TransientError
from booktape.publish import catalog, data_exchange
from booktape.publish.aws import (
    Aws,
    AwsRefusedError,
    AwsUnavailableError,
    ConflictError,
    ResourceNotFoundError,
    aws_errors,
)
from booktape.publish.catalog import ChangeSetFailedError
from booktape.publish.data_exchange import ImportJobFailedError
from booktape.publish.retries import RetryPolicy, WaitingError

DATA_SET, COPY, REVISION, JOB = "d" * 32, "c" * 32, "a" * 32, "b" * 32
NOW = datetime(2024, 8, 10, tzinfo=UTC)


@pytest.fixture
def exchange() -> Iterator[Any]:
    client = boto3.client("dataexchange", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


@pytest.fixture
def marketplace() -> Iterator[Any]:
    client = boto3.client("marketplace-catalog", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ValidationException", AwsRefusedError),
        (400, "ThrottlingException", AwsUnavailableError),
        (402, "ServiceLimitExceededException", AwsUnavailableError),
        (403, "AccessDeniedException", AwsRefusedError),
        (404, "ResourceNotFoundException", ResourceNotFoundError),
        (409, "ConflictException", ConflictError),
        (423, "ResourceInUseException", AwsUnavailableError),
        (429, "ThrottlingException", AwsUnavailableError),
        (500, "InternalServerException", AwsUnavailableError),
        (503, "ServiceUnavailable", AwsUnavailableError),
    ],
)
def test_every_status_is_transient_or_terminal(exchange: Any, status: int, code: str, kind: type) -> None:
    client, stub = exchange
    stub.add_client_error("get_job", code, "why", status)
    with pytest.raises(kind, match=f"GetJob: {code}: why"), aws_errors():
        client.get_job(JobId=JOB)


def test_no_answer_may_pass_and_no_credentials_do_not() -> None:
    with pytest.raises(AwsUnavailableError, match="AWS does not answer"), aws_errors():
        raise ConnectTimeoutError(endpoint_url="https://aws")
    with pytest.raises(AwsRefusedError, match="AWS cannot be called: Unable to locate credentials"), aws_errors():
        raise NoCredentialsError


def test_the_catalog_is_in_virginia_whatever_the_datas_region() -> None:
    aws = Aws("eu-central-1")
    assert aws.data_exchange.meta.region_name == "eu-central-1"
    assert aws.catalog.meta.region_name == "us-east-1"


def job(state: str, *codes: str) -> dict[str, object]:
    errors = [{"Code": code, "Message": "why"} for code in codes]
    return {"Id": JOB, "State": state, "Errors": errors}


@pytest.mark.parametrize(
    ("answer", "may_pass", "text"),
    [
        (job("ERROR", "INTERNAL_SERVER_EXCEPTION"), True, "ended as ERROR: INTERNAL_SERVER_EXCEPTION: why"),
        (job("ERROR", "ACCESS_DENIED_EXCEPTION"), False, "ended as ERROR: ACCESS_DENIED_EXCEPTION: why"),
        (job("ERROR", "MALWARE_DETECTED", "INTERNAL_SERVER_EXCEPTION"), False, "MALWARE_DETECTED: why; INTERNAL"),
        (job("TIMED_OUT"), True, "ended as TIMED_OUT: no reason given"),
        (job("CANCELLED"), False, "ended as CANCELLED: no reason given"),
    ],
)
def test_a_job_that_ended_badly_says_why_and_whether_another_may_do_better(
    exchange: Any, answer: dict[str, object], may_pass: bool, text: str
) -> None:
    client, stub = exchange
    stub.add_response("get_job", answer, {"JobId": JOB})
    with pytest.raises(ImportJobFailedError, match=text) as failure:
        data_exchange.wait_for_job(client, JOB)
    assert failure.value.may_pass is may_pass


def test_a_job_that_nobody_started_is_started(exchange: Any) -> None:
    client, stub = exchange
    stub.add_response("get_job", job("WAITING"), {"JobId": JOB})
    stub.add_client_error("start_job", "ConflictException", "started already", 409)
    with pytest.raises(WaitingError, match="is WAITING"):
        data_exchange.wait_for_job(client, JOB)


@pytest.mark.parametrize(("final", "raises"), [(True, None), (False, WaitingError)])
def test_a_conflict_on_finalising_is_accepted_if_the_revision_is_final(
    exchange: Any, final: bool, raises: type[Exception] | None
) -> None:
    client, stub = exchange
    stub.add_client_error("update_revision", "ConflictException", "not so", 409)
    stub.add_response("get_revision", {"Id": REVISION, "Finalized": final})
    if raises is None:
        data_exchange.finalise_revision(client, DATA_SET, REVISION)
    else:
        with pytest.raises(raises, match="cannot be finalised yet"):
            data_exchange.finalise_revision(client, DATA_SET, REVISION)


def test_a_revoked_revision_is_refused(exchange: Any) -> None:
    client, stub = exchange
    revoked = {"Id": REVISION, "Finalized": True, "Revoked": True, "RevocationComment": "the wrong day"}
    stub.add_response("get_revision", revoked)
    with pytest.raises(data_exchange.WrongAssetError, match="was revoked: the wrong day"):
        data_exchange.is_final(client, DATA_SET, REVISION)


@pytest.mark.parametrize(("source_id", "published"), [(REVISION, True), ("e" * 32, False)])
def test_a_product_shows_a_revision_if_its_copy_of_the_data_set_has_one(
    exchange: Any, source_id: str, published: bool
) -> None:
    client, stub = exchange
    described = {"Arn": "arn", "AssetType": "S3_SNAPSHOT", "CreatedAt": NOW, "UpdatedAt": NOW, "Description": ""}
    copies = [
        {"Id": COPY, "Name": "x", "Origin": "ENTITLED", "SourceId": DATA_SET, "OriginDetails": {"ProductId": product}}
        for product in ("prod-1", "prod-2")
    ]
    stub.add_response("list_data_sets", {"DataSets": [copy | described for copy in copies]}, {"Origin": "ENTITLED"})
    revision = {"Arn": "arn", "CreatedAt": NOW, "UpdatedAt": NOW, "DataSetId": COPY, "Id": "f" * 32}
    stub.add_response(
        "list_data_set_revisions", {"Revisions": [revision | {"SourceId": source_id}]}, {"DataSetId": COPY}
    )
    assert data_exchange.is_published(client, DATA_SET, REVISION, "prod-1") is published


@pytest.mark.parametrize(
    ("status", "code", "may_pass"),
    [("FAILED", "CLIENT_ERROR", False), ("FAILED", "SERVER_FAULT", True), ("CANCELLED", None, False)],
)
def test_a_change_set_that_ended_badly_says_why(
    marketplace: Any, status: str, code: str | None, may_pass: bool
) -> None:
    client, stub = marketplace
    detail = {"ErrorCode": "REVISION_NOT_FINALIZED", "ErrorMessage": "not final"}
    answer = {"Status": status, "ChangeSet": [{"ErrorDetailList": [detail]}]} | ({"FailureCode": code} if code else {})
    stub.add_response("describe_change_set", answer)
    with pytest.raises(ChangeSetFailedError, match="REVISION_NOT_FINALIZED: not final") as failure:
        catalog.wait_for_change_set(client, "change-set")
    assert failure.value.may_pass is may_pass


def test_pauses_grow_to_a_limit_and_differ_by_chance() -> None:
    patience = RetryPolicy(poll=15, first=2, most=300, deadline=1)
    pauses = [patience.delay(TransientError("busy"), tries) for tries in range(2_000)]
    assert 1 <= pauses[0] <= 2
    assert 2 <= pauses[1] <= 4
    assert all(150 <= pause <= 300 for pause in pauses[8:])
    assert len(set(pauses)) > 1_000
    assert patience.delay(WaitingError("under way"), 5) == 15


def test_waiting_may_pass_and_a_failed_job_may_not() -> None:
    assert issubclass(WaitingError, TransientError)
    assert not issubclass(ImportJobFailedError, TransientError)
    assert issubclass(ImportJobFailedError, BooktapeError)
