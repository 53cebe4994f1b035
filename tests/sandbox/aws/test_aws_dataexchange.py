"""AWS Data Exchange: what a provider's calls do, and what the service refuses."""

import urllib.request
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sandbox.aws.server import Sandbox
from tests.sandbox.aws.conftest import CLOCK

BUCKET = "booktape-test"
KEY = "trades/2024-05-01.csv"
Import = Callable[..., str]
Refusal = Callable[..., tuple[str, int]]
Revision = dict[str, str]


@pytest.fixture(autouse=True)
def stored_file(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b'"id"\n"1"\n')


@pytest.fixture
def filled(dx: Any, revision: Revision, start_import: Import) -> Revision:
    """A revision with one asset."""
    assert ended(dx, start_import(revision, KEY)) == "COMPLETED"
    return revision


@pytest.fixture
def finalized(dx: Any, filled: Revision) -> Revision:
    dx.update_revision(**filled, Finalized=True)
    return filled


def ended(dx: Any, job_id: str) -> str:
    """Let a job end, and return the state in which it ended."""
    CLOCK.put_forward()
    return str(dx.get_job(JobId=job_id)["State"])


def import_details(revision: Revision, *keys: str) -> dict[str, Any]:
    sources = [{"Bucket": BUCKET, "Key": key} for key in keys]
    return {
        "Type": "IMPORT_ASSETS_FROM_S3",
        "Details": {"ImportAssetsFromS3": {**revision, "AssetSources": sources}},
    }


def test_a_data_set_is_listed_as_it_was_created(dx: Any, data_set: dict[str, Any]) -> None:
    assert dx.get_data_set(DataSetId=data_set["Id"])["Name"] == "Trades"
    assert dx.list_data_sets()["DataSets"][0]["Arn"] == data_set["Arn"]
    assert data_set["Arn"] == f"arn:aws:dataexchange:us-east-1:123456789012:data-sets/{data_set['Id']}"
    assert dx.list_data_sets(Origin="ENTITLED")["DataSets"] == []


def test_a_job_waits_runs_and_completes(dx: Any, revision: Revision) -> None:
    job = dx.create_job(**import_details(revision, KEY))
    started = dx.start_job(JobId=job["Id"])
    running = dx.get_job(JobId=job["Id"])["State"]

    assert job["State"] == "WAITING"
    assert started["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert started["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "0"
    assert running == "IN_PROGRESS"
    assert ended(dx, job["Id"]) == "COMPLETED"


def test_an_asset_is_named_by_its_whole_key_and_keeps_the_bytes_of_its_import(
    aws: Sandbox, s3: Any, dx: Any, filled: Revision
) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"changed later")
    (asset,) = dx.list_revision_assets(**filled)["Assets"]

    assert (asset["Name"], asset["AssetDetails"]) == (KEY, {"S3SnapshotAsset": {"Size": 9.0}})
    assert aws.state.asset_bytes(asset["Id"]) == b'"id"\n"1"\n'
    with urllib.request.urlopen(f"{aws.url}/_sandbox/assets/{asset['Id']}") as answer:
        assert answer.read() == b'"id"\n"1"\n'


def test_importing_a_key_again_makes_a_duplicate(dx: Any, filled: Revision, start_import: Import) -> None:
    ended(dx, start_import(filled, KEY))

    assert [asset["Name"] for asset in dx.list_revision_assets(**filled)["Assets"]] == [KEY, KEY]


def test_an_asset_can_be_renamed_and_deleted_until_its_revision_is_finalized(
    dx: Any, filled: Revision, refusal: Refusal
) -> None:
    asset_id = dx.list_revision_assets(**filled)["Assets"][0]["Id"]

    dx.update_asset(**filled, AssetId=asset_id, Name="trades.csv")
    assert dx.get_asset(**filled, AssetId=asset_id)["Name"] == "trades.csv"
    dx.delete_asset(**filled, AssetId=asset_id)
    assert refusal(dx.get_asset, **filled, AssetId=asset_id) == ("ResourceNotFoundException", 404)


def test_a_missing_object_ends_the_job_in_error_and_imports_nothing(
    dx: Any, revision: Revision, start_import: Import
) -> None:
    job_id = start_import(revision, KEY, "no/such/key")

    assert ended(dx, job_id) == "ERROR"
    assert dx.get_job(JobId=job_id)["Errors"] == [
        {"Code": "RESOURCE_NOT_FOUND_EXCEPTION", "Message": f"not found: s3://{BUCKET}/no/such/key"}
    ]
    assert dx.list_revision_assets(**revision)["Assets"] == []


def test_a_job_starts_once(dx: Any, revision: Revision, start_import: Import, refusal: Refusal) -> None:
    job_id = start_import(revision, KEY)

    assert refusal(dx.start_job, JobId=job_id) == ("ConflictException", 409)
    assert refusal(dx.cancel_job, JobId=job_id) == ("ConflictException", 409)


def test_a_waiting_job_can_be_cancelled(dx: Any, revision: Revision, refusal: Refusal) -> None:
    job = dx.create_job(**import_details(revision, KEY))
    dx.cancel_job(JobId=job["Id"])

    assert dx.get_job(JobId=job["Id"])["State"] == "CANCELLED"
    assert refusal(dx.start_job, JobId=job["Id"]) == ("ConflictException", 409)


def test_jobs_are_listed_newest_first_by_data_set_and_revision(
    dx: Any, revision: Revision, start_import: Import
) -> None:
    first, second = start_import(revision, KEY), start_import(revision, KEY)

    assert [job["Id"] for job in dx.list_jobs(**revision)["Jobs"]] == [second, first]
    assert dx.list_jobs(DataSetId="0" * 32)["Jobs"] == []


def test_a_job_takes_at_most_100_sources(dx: Any, revision: Revision, refusal: Refusal) -> None:
    keys = [f"{number}.csv" for number in range(101)]

    assert refusal(dx.create_job, **import_details(revision, *keys)) == ("ValidationException", 400)
    assert dx.create_job(**import_details(revision, *keys[:100]))["State"] == "WAITING"


def test_at_most_ten_imports_run_at_once(
    dx: Any, aws: Sandbox, revision: Revision, start_import: Import, refusal: Refusal
) -> None:
    aws.state.jobs.clear()
    try:
        for _ in range(10):
            start_import(revision, KEY)
        eleventh = dx.create_job(**import_details(revision, KEY))
        assert refusal(dx.start_job, JobId=eleventh["Id"]) == ("ServiceLimitExceededException", 402)
        assert dx.get_job(JobId=eleventh["Id"])["State"] == "WAITING"
    finally:
        aws.state.jobs.clear()


def test_revisions_are_listed_newest_first_in_pages(dx: Any, data_set: dict[str, Any]) -> None:
    made = [dx.create_revision(DataSetId=data_set["Id"], Comment=f"day {day}")["Id"] for day in range(5)]
    pages = dx.get_paginator("list_data_set_revisions").paginate(
        DataSetId=data_set["Id"], PaginationConfig={"PageSize": 2}
    )
    listed = [[revision["Id"] for revision in page["Revisions"]] for page in pages]

    assert listed == [[made[4], made[3]], [made[2], made[1]], [made[0]]]


def test_a_token_that_no_page_gave_is_refused(dx: Any, data_set: dict[str, Any], refusal: Refusal) -> None:
    call = dx.list_data_set_revisions
    assert refusal(call, DataSetId=data_set["Id"], NextToken="x") == ("ValidationException", 400)


def test_create_revision_has_no_memory(dx: Any, data_set: dict[str, Any]) -> None:
    same = [dx.create_revision(DataSetId=data_set["Id"], Comment="2024-05-01")["Id"] for _ in range(2)]

    assert same[0] != same[1]


def test_a_comment_has_at_most_16384_characters(dx: Any, data_set: dict[str, Any], refusal: Refusal) -> None:
    longest = dx.create_revision(DataSetId=data_set["Id"], Comment="x" * 16384)

    assert len(longest["Comment"]) == 16384
    assert refusal(dx.create_revision, DataSetId=data_set["Id"], Comment="x" * 16385) == ("ValidationException", 400)


def test_an_empty_revision_cannot_be_finalized(dx: Any, revision: Revision, refusal: Refusal) -> None:
    assert refusal(dx.update_revision, **revision, Finalized=True) == ("ValidationException", 400)
    assert dx.get_revision(**revision)["Finalized"] is False


def test_a_revision_cannot_be_finalized_while_an_import_runs(
    dx: Any, filled: Revision, start_import: Import, refusal: Refusal
) -> None:
    start_import(filled, KEY)

    assert refusal(dx.update_revision, **filled, Finalized=True) == ("ConflictException", 409)


def test_a_finalized_revision_can_no_longer_change(dx: Any, finalized: Revision, refusal: Refusal) -> None:
    asset_id = dx.list_revision_assets(**finalized)["Assets"][0]["Id"]
    conflict = ("ConflictException", 409)

    assert dx.get_revision(**finalized)["Finalized"] is True
    assert refusal(dx.update_revision, **finalized, Finalized=True) == conflict
    assert refusal(dx.update_revision, **finalized, Comment="other") == conflict
    assert refusal(dx.delete_revision, **finalized) == conflict
    assert refusal(dx.create_job, **import_details(finalized, KEY)) == conflict
    assert refusal(dx.update_asset, **finalized, AssetId=asset_id, Name="other") == conflict
    assert refusal(dx.delete_asset, **finalized, AssetId=asset_id) == conflict


def test_an_open_revision_can_be_deleted_with_its_assets(
    dx: Any, aws: Sandbox, filled: Revision, refusal: Refusal
) -> None:
    asset_id = dx.list_revision_assets(**filled)["Assets"][0]["Id"]
    dx.delete_revision(**filled)

    assert refusal(dx.get_revision, **filled) == ("ResourceNotFoundException", 404)
    assert asset_id not in aws.state.assets


def test_only_a_finalized_revision_can_be_revoked_and_then_its_assets_go(
    dx: Any, filled: Revision, refusal: Refusal
) -> None:
    comment = "prices of one market were wrong"
    too_early = refusal(dx.revoke_revision, **filled, RevocationComment=comment)
    dx.update_revision(**filled, Finalized=True)
    revoked = dx.revoke_revision(**filled, RevocationComment=comment)
    dx.delete_asset(**filled, AssetId=dx.list_revision_assets(**filled)["Assets"][0]["Id"])

    assert too_early == ("ConflictException", 409)
    assert (revoked["Revoked"], revoked["RevocationComment"]) == (True, comment)
    assert dx.list_revision_assets(**filled)["Assets"] == []
    assert refusal(dx.revoke_revision, **filled, RevocationComment=comment) == ("ConflictException", 409)


@pytest.mark.parametrize("length", [9, 513])
def test_a_revocation_comment_has_10_to_512_characters(finalized: Revision, length: int, refusal: Refusal) -> None:
    # botocore itself refuses a comment that is too short; the server must as well.
    unchecked = boto3.client("dataexchange", config=Config(parameter_validation=False, retries={"max_attempts": 0}))
    assert refusal(unchecked.revoke_revision, **finalized, RevocationComment="x" * length) == (
        "ValidationException",
        400,
    )


def test_what_does_not_exist_answers_404(dx: Any, revision: Revision, refusal: Refusal) -> None:
    nothing = "0" * 32
    missing = ("ResourceNotFoundException", 404)

    assert refusal(dx.get_data_set, DataSetId=nothing) == missing
    assert refusal(dx.create_revision, DataSetId=nothing) == missing
    assert refusal(dx.get_revision, DataSetId=revision["DataSetId"], RevisionId=nothing) == missing
    assert refusal(dx.get_asset, **revision, AssetId=nothing) == missing
    assert refusal(dx.get_job, JobId=nothing) == missing
    assert refusal(dx.get_data_set, DataSetId="too-short") == ("ValidationException", 400)
