"""Requests and responses are held to botocore's models, so the emulation cannot drift from the real shapes."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.model import ListShape, Shape, StructureShape

from sandbox.aws.errors import ContractError, ServiceError
from sandbox.aws.protocol import Request, find_operation, parse, serialise, serialise_error, service_model
from sandbox.aws.services import SERVICES
from sandbox.aws.validation import problems

NOW = datetime(2024, 5, 1, 12, 30, 15, 250000, tzinfo=UTC)
ID = "a" * 32
ENTRY = {"Arn": "arn", "CreatedAt": NOW, "UpdatedAt": NOW, "Id": ID}
DATA_SET = {**ENTRY, "AssetType": "S3_SNAPSHOT", "Description": "d", "Name": "n", "Origin": "OWNED"}
REVISION = {**ENTRY, "DataSetId": ID, "Comment": "c", "Finalized": False, "Revoked": False}
ASSET = {
    **ENTRY,
    "AssetDetails": {"S3SnapshotAsset": {"Size": 9.0}},
    "AssetType": "S3_SNAPSHOT",
    "DataSetId": ID,
    "Name": "n",
    "RevisionId": ID,
}
SOURCES = [{"Bucket": "b", "Key": "k"}]
JOB = {
    **ENTRY,
    "Details": {"ImportAssetsFromS3": {"AssetSources": SOURCES, "DataSetId": ID, "RevisionId": ID}},
    "State": "ERROR",
    "Type": "IMPORT_ASSETS_FROM_S3",
    "Errors": [{"Code": "RESOURCE_NOT_FOUND_EXCEPTION", "Message": "m"}],
}
CHANGE_SET = {"ChangeSetId": "c", "ChangeSetArn": "arn"}
CHANGE = {"ChangeType": "AddRevisions", "Entity": {"Type": "DataProduct@1.0", "Identifier": "p@1"}, "Details": "{}"}
GROUP = {"Name": "primary", "State": "ENABLED", "CreationTime": NOW}
COLUMN = {"Name": "id", "Type": "bigint", "Precision": 19, "Scale": 0, "Nullable": "UNKNOWN"}
EXECUTION = {
    "QueryExecutionId": "q",
    "Query": "SELECT 1",
    "Status": {"State": "SUCCEEDED", "SubmissionDateTime": NOW},
    "ResultConfiguration": {"OutputLocation": "s3://b/q.csv"},
}

# What each operation may answer.
VALID: dict[tuple[str, str], dict[str, Any]] = {
    ("athena", "StartQueryExecution"): {"QueryExecutionId": "q"},
    ("athena", "GetQueryExecution"): {"QueryExecution": EXECUTION},
    ("athena", "GetQueryResults"): {
        "ResultSet": {"Rows": [{"Data": [{"VarCharValue": "1"}, {}]}], "ResultSetMetadata": {"ColumnInfo": [COLUMN]}}
    },
    ("athena", "StopQueryExecution"): {},
    ("athena", "CreateWorkGroup"): {},
    ("athena", "GetWorkGroup"): {"WorkGroup": GROUP},
    ("athena", "ListWorkGroups"): {"WorkGroups": [GROUP]},
    ("dataexchange", "CreateDataSet"): {**DATA_SET, "Tags": {"k": "v"}},
    ("dataexchange", "GetDataSet"): DATA_SET,
    ("dataexchange", "ListDataSets"): {"DataSets": [DATA_SET], "NextToken": "1"},
    ("dataexchange", "CreateRevision"): REVISION,
    ("dataexchange", "GetRevision"): REVISION,
    ("dataexchange", "ListDataSetRevisions"): {"Revisions": [REVISION]},
    ("dataexchange", "UpdateRevision"): REVISION,
    ("dataexchange", "RevokeRevision"): {**REVISION, "RevocationComment": "x" * 10, "RevokedAt": NOW},
    ("dataexchange", "DeleteRevision"): {},
    ("dataexchange", "ListRevisionAssets"): {"Assets": [ASSET]},
    ("dataexchange", "GetAsset"): ASSET,
    ("dataexchange", "UpdateAsset"): ASSET,
    ("dataexchange", "DeleteAsset"): {},
    ("dataexchange", "CreateJob"): JOB,
    ("dataexchange", "StartJob"): {},
    ("dataexchange", "GetJob"): JOB,
    ("dataexchange", "ListJobs"): {"Jobs": [JOB]},
    ("dataexchange", "CancelJob"): {},
    ("marketplace-catalog", "DescribeEntity"): {"EntityType": "DataProduct@1.0", "EntityIdentifier": "p@1"},
    ("marketplace-catalog", "StartChangeSet"): CHANGE_SET,
    ("marketplace-catalog", "DescribeChangeSet"): {**CHANGE_SET, "Status": "FAILED", "ChangeSet": [CHANGE]},
    ("marketplace-catalog", "ListChangeSets"): {"ChangeSetSummaryList": [{**CHANGE_SET, "Status": "APPLYING"}]},
}


def required_members(value: Any, shape: Shape | None, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all members in a value that its shape requires."""
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            if name in shape.required_members:
                yield (*path, name)
            yield from required_members(member, shape.members[name], (*path, name))
    elif isinstance(shape, ListShape):
        for index, item in enumerate(value):
            yield from required_members(item, shape.member, (*path, index))


REQUIRED = [
    (service, name, path)
    for (service, name), result in VALID.items()
    for path in required_members(result, service_model(service).operation_model(name).output_shape)
]


def test_the_table_of_valid_answers_has_every_operation() -> None:
    assert set(VALID) == {(service, name) for service, found in SERVICES.items() for name in found.operations}


@pytest.mark.parametrize(("service", "name"), VALID)
def test_a_valid_answer_passes_and_one_with_an_unknown_member_is_refused(service: str, name: str) -> None:
    operation = service_model(service).operation_model(name)

    assert serialise(operation, VALID[service, name]).status == int(operation.http.get("responseCode", 200))
    with pytest.raises(ContractError, match="Bogus"):
        serialise(operation, {**VALID[service, name], "Bogus": "x"})


@pytest.mark.parametrize(("service", "name", "path"), REQUIRED, ids=lambda value: str(value))
def test_an_answer_without_a_required_member_is_refused(service: str, name: str, path: tuple[Any, ...]) -> None:
    result = copy.deepcopy(VALID[service, name])
    holder: Any = result
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]

    with pytest.raises(ContractError, match=f'Missing required parameter.*"{path[-1]}"'):
        serialise(service_model(service).operation_model(name), result)


def test_the_required_members_that_are_tried_are_not_none() -> None:
    """Data Exchange's single resources require nothing; its lists and jobs, Athena's columns and groups do."""
    assert {name for _, name, _ in REQUIRED} >= {
        "ListDataSets",
        "ListDataSetRevisions",
        "ListRevisionAssets",
        "ListJobs",
        "GetJob",
        "GetAsset",
        "GetQueryResults",
        "GetWorkGroup",
        "DescribeChangeSet",
    }


@pytest.mark.parametrize(
    ("service", "name", "member", "value", "problem"),
    [
        ("dataexchange", "GetJob", "State", "DONE", "is not one of WAITING, IN_PROGRESS"),
        ("dataexchange", "GetJob", "Id", "short", "does not match"),
        ("dataexchange", "GetRevision", "Comment", "x" * 16385, "16385 is greater than 16384"),
        ("dataexchange", "GetRevision", "RevocationComment", "x", "valid min length: 10"),
        ("dataexchange", "GetRevision", "CreatedAt", None, "Invalid type"),
        ("marketplace-catalog", "DescribeEntity", "EntityArn", "spaces are wrong", "does not match"),
        ("athena", "StartQueryExecution", "QueryExecutionId", "", "valid min length: 1"),
    ],
)
def test_constraints_are_checked(service: str, name: str, member: str, value: Any, problem: str) -> None:
    shape = service_model(service).operation_model(name).output_shape

    assert shape is not None
    assert problem in "; ".join(problems({**VALID[service, name], member: value}, shape))


def test_times_are_text_or_seconds_as_the_shape_wants() -> None:
    revision = serialise(service_model("dataexchange").operation_model("GetRevision"), REVISION)
    query = serialise(service_model("athena").operation_model("GetQueryExecution"), {"QueryExecution": EXECUTION})

    assert json.loads(revision.body)["CreatedAt"] == "2024-05-01T12:30:15.250Z"
    assert json.loads(query.body)["QueryExecution"]["Status"]["SubmissionDateTime"] == 1714566615.25


def test_an_answer_without_members_is_empty_in_rest_and_an_object_in_json() -> None:
    start_job = serialise(service_model("dataexchange").operation_model("StartJob"), {})
    stop_query = serialise(service_model("athena").operation_model("StopQueryExecution"), {})

    assert (start_job.status, start_job.body) == (202, b"")
    assert (stop_query.status, stop_query.body) == (200, b"{}")


def test_a_rest_request_becomes_parameters_from_path_query_and_body() -> None:
    model = service_model("dataexchange")
    listing = Request("GET", f"/v1/data-sets/{ID}/revisions", "maxResults=7&nextToken=a%2Fb")
    update = Request("PATCH", f"/v1/data-sets/{ID}/revisions/{ID}", body=b'{"Finalized": true}')

    assert find_operation("dataexchange", listing) == "ListDataSetRevisions"
    assert parse(model.operation_model("ListDataSetRevisions"), listing) == {
        "DataSetId": ID,
        "MaxResults": 7,
        "NextToken": "a/b",
    }
    assert find_operation("dataexchange", update) == "UpdateRevision"
    assert parse(model.operation_model("UpdateRevision"), update) == {
        "DataSetId": ID,
        "RevisionId": ID,
        "Finalized": True,
    }


def test_a_json_request_is_named_by_its_target() -> None:
    request = Request(
        "POST", "/", headers={"x-amz-target": "AmazonAthena.StopQueryExecution"}, body=b'{"QueryExecutionId": "q"}'
    )

    assert find_operation("athena", request) == "StopQueryExecution"
    operation = service_model("athena").operation_model("StopQueryExecution")
    assert parse(operation, request) == {"QueryExecutionId": "q"}


@pytest.mark.parametrize(
    ("query", "body", "problem"),
    [
        ("", b'{"Comment": 5}', "Invalid type"),
        ("", b'{"Comment": "c", "Colour": "red"}', "Unknown parameter"),
        ("", b"{", "cannot be read"),
        ("", b"[]", "not a JSON object"),
    ],
)
def test_a_request_outside_its_shape_is_refused(query: str, body: bytes, problem: str) -> None:
    request = Request("POST", f"/v1/data-sets/{ID}/revisions", query, body=body)

    with pytest.raises(ServiceError, match=problem) as caught:
        parse(service_model("dataexchange").operation_model("CreateRevision"), request)
    assert caught.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("dataexchange", "ValidationException", 400),
        ("dataexchange", "ServiceLimitExceededException", 402),
        ("dataexchange", "AccessDeniedException", 403),
        ("dataexchange", "ResourceNotFoundException", 404),
        ("dataexchange", "ConflictException", 409),
        ("dataexchange", "ThrottlingException", 429),
        ("dataexchange", "InternalServerException", 500),
        ("marketplace-catalog", "ValidationException", 422),
        ("marketplace-catalog", "ResourceInUseException", 423),
        ("athena", "InvalidRequestException", 400),
        ("athena", "InternalServerException", 500),
    ],
)
def test_an_error_has_the_status_of_its_model(service: str, code: str, status: int) -> None:
    assert serialise_error(service, ServiceError(code, "why")).status == status


def test_an_error_is_named_in_the_form_of_its_protocol() -> None:
    rest = serialise_error("dataexchange", ServiceError("ConflictException", "why", ResourceId="r"))
    plain = serialise_error("athena", ServiceError("InvalidRequestException", "why"))

    assert rest.headers["x-amzn-ErrorType"] == "ConflictException"
    assert json.loads(rest.body) == {"Message": "why", "ResourceId": "r"}
    assert json.loads(plain.body) == {"__type": "InvalidRequestException", "Message": "why"}


@pytest.mark.parametrize(
    "error",
    [ServiceError("NoSuchException", "why"), ServiceError("ConflictException", "why", ResourceType="PLANET")],
)
def test_an_error_outside_the_model_is_refused(error: ServiceError) -> None:
    with pytest.raises(ContractError):
        serialise_error("dataexchange", error)
