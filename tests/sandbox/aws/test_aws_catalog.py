"""AWS Marketplace Catalog: products, and change sets that publish revisions."""

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.aws.server import Sandbox
from tests.sandbox.aws.conftest import CLOCK, JOB_SECONDS

BUCKET = "booktape-test"
Refusal = Callable[..., tuple[str, int]]
CATALOG = {"Catalog": "AWSMarketplace"}


@pytest.fixture
def revision_arn(dx: Any, s3: Any, revision: dict[str, str], start_import: Callable[..., str]) -> str:
    """The ARN of a revision with one asset, not finalized yet."""
    s3.put_object(Bucket=BUCKET, Key="trades.csv", Body=b"1")
    job_id = start_import(revision, "trades.csv")
    CLOCK.put_forward()
    assert dx.get_job(JobId=job_id)["State"] == "COMPLETED"
    return str(dx.get_revision(**revision)["Arn"])


@pytest.fixture
def product(aws: Sandbox, data_set: dict[str, Any]) -> str:
    """The identifier, with its version, of a product that needs change sets."""
    entity_id = f"prod-{data_set['Id'][:8]}"
    aws.state.add_product(entity_id, data_set["Arn"])
    return f"{entity_id}@1"


@pytest.fixture(autouse=True)
def no_change_sets_left(aws: Sandbox) -> None:
    aws.state.change_sets.clear()


def adding(product: str, data_set: dict[str, Any], *revision_arns: str) -> dict[str, Any]:
    change = {
        "ChangeType": "AddRevisions",
        "Entity": {"Type": "DataProduct@1.0", "Identifier": product},
        "Details": json.dumps({"DataSetArn": data_set["Arn"], "RevisionArns": revision_arns}),
    }
    return {**CATALOG, "ChangeSet": [change]}


def ended(catalog: Any, change_set_id: str) -> dict[str, Any]:
    """Let a change set end."""
    CLOCK.put_forward()
    found: dict[str, Any] = catalog.describe_change_set(**CATALOG, ChangeSetId=change_set_id)
    assert found["Status"] not in {"PREPARING", "APPLYING"}
    return found


def published(aws: Sandbox, product: str) -> list[str]:
    return [item.revision_arn for item in aws.state.published if f"{item.entity_id}@1" == product]


def test_describe_entity_gives_the_identifier_with_its_version(catalog: Any, product: str) -> None:
    found = catalog.describe_entity(**CATALOG, EntityId=product.removesuffix("@1"))

    assert (found["EntityIdentifier"], found["EntityType"]) == (product, "DataProduct@1.0")


def test_a_change_set_prepares_applies_and_publishes_a_finalized_revision(
    aws: Sandbox, dx: Any, catalog: Any, product: str, data_set: Any, revision: Any, revision_arn: str
) -> None:
    dx.update_revision(**revision, Finalized=True)
    change_set_id = catalog.start_change_set(**adding(product, data_set, revision_arn))["ChangeSetId"]
    describe = {**CATALOG, "ChangeSetId": change_set_id}
    first = catalog.describe_change_set(**describe)["Status"]
    CLOCK.put_forward(JOB_SECONDS / 2)
    second = catalog.describe_change_set(**describe)["Status"]

    assert (first, second) == ("PREPARING", "APPLYING")
    assert published(aws, product) == []
    assert ended(catalog, change_set_id)["Status"] == "SUCCEEDED"
    assert published(aws, product) == [revision_arn]


def test_a_revision_that_is_not_finalized_fails_the_change_set(
    aws: Sandbox, catalog: Any, product: str, data_set: Any, revision_arn: str
) -> None:
    started = catalog.start_change_set(**adding(product, data_set, revision_arn))
    failed = ended(catalog, started["ChangeSetId"])
    (error,) = failed["ChangeSet"][0]["ErrorDetailList"]

    assert (failed["Status"], failed["FailureCode"]) == ("FAILED", "CLIENT_ERROR")
    assert error["ErrorCode"] == "REVISION_NOT_FINALIZED"
    assert published(aws, product) == []


def test_a_data_set_of_another_product_fails_the_change_set(
    catalog: Any, dx: Any, product: str, revision_arn: str
) -> None:
    other = dx.create_data_set(AssetType="S3_SNAPSHOT", Name="Other", Description="Not of this product")
    failed = ended(catalog, catalog.start_change_set(**adding(product, other, revision_arn))["ChangeSetId"])

    assert failed["ChangeSet"][0]["ErrorDetailList"][0]["ErrorCode"] == "DATA_SET_NOT_PUBLISHED"


def test_the_same_token_gives_the_same_change_set(catalog: Any, product: str, data_set: Any, revision_arn: str) -> None:
    change = adding(product, data_set, revision_arn)
    first = catalog.start_change_set(**change, ClientRequestToken="trades-2024-05-01")["ChangeSetId"]
    again = catalog.start_change_set(**change, ClientRequestToken="trades-2024-05-01")["ChangeSetId"]

    assert first == again


def test_an_entity_with_a_change_set_in_flight_answers_423(
    catalog: Any, product: str, data_set: Any, revision_arn: str, refusal: Refusal
) -> None:
    change = adding(product, data_set, revision_arn)
    first = catalog.start_change_set(**change)["ChangeSetId"]

    assert refusal(catalog.start_change_set, **change) == ("ResourceInUseException", 423)
    ended(catalog, first)
    assert catalog.start_change_set(**change)["ChangeSetId"] != first


def test_a_change_adds_one_to_five_revisions(catalog: Any, product: str, data_set: Any, refusal: Refusal) -> None:
    arns = [f"{data_set['Arn']}/revisions/{number}" for number in range(6)]

    assert refusal(catalog.start_change_set, **adding(product, data_set, *arns)) == ("ValidationException", 422)
    assert refusal(catalog.start_change_set, **adding(product, data_set)) == ("ValidationException", 422)
    assert "ChangeSetId" in catalog.start_change_set(**adding(product, data_set, *arns[:5]))


def test_an_unknown_entity_answers_404(catalog: Any, data_set: Any, refusal: Refusal) -> None:
    missing = ("ResourceNotFoundException", 404)

    assert refusal(catalog.describe_entity, **CATALOG, EntityId="prod-nothing") == missing
    assert refusal(catalog.start_change_set, **adding("prod-nothing@1", data_set, "arn")) == missing
    assert refusal(catalog.describe_change_set, **CATALOG, ChangeSetId="nothing") == missing


def test_details_is_json_text_with_both_members(catalog: Any, product: str, refusal: Refusal) -> None:
    entity = {"Type": "DataProduct@1.0", "Identifier": product}
    for details in ("{}", "{not json}", json.dumps({"DataSetArn": "arn"})):
        change = {"ChangeType": "AddRevisions", "Entity": entity, "Details": details}
        code = refusal(catalog.start_change_set, **CATALOG, ChangeSet=[change])
        assert code == ("ValidationException", 422)


def test_change_sets_are_listed_by_entity_and_status(
    catalog: Any, product: str, data_set: Any, revision_arn: str
) -> None:
    change_set_id = catalog.start_change_set(**adding(product, data_set, revision_arn))["ChangeSetId"]
    ended(catalog, change_set_id)

    def listed(status: str, entity: str) -> list[str]:
        filters = [{"Name": "Status", "ValueList": [status]}, {"Name": "EntityId", "ValueList": [entity]}]
        found = catalog.list_change_sets(**CATALOG, FilterList=filters)["ChangeSetSummaryList"]
        return [item["ChangeSetId"] for item in found]

    entity_id = product.removesuffix("@1")
    assert listed("FAILED", entity_id) == [change_set_id]
    assert listed("SUCCEEDED", entity_id) == []
    assert listed("FAILED", "prod-other") == []


def test_a_product_of_mode_auto_publishes_once_its_revision_is_finalized(
    aws: Sandbox, dx: Any, data_set: Any, revision: Any, revision_arn: str
) -> None:
    body = json.dumps({"entity_id": "prod-auto", "data_set_arn": data_set["Arn"], "auto": True}).encode()
    with urllib.request.urlopen(f"{aws.url}/_sandbox/products", data=body) as answer:
        assert answer.status == 201
    before = published(aws, "prod-auto@1")
    dx.update_revision(**revision, Finalized=True)

    assert (before, published(aws, "prod-auto@1")) == ([], [revision_arn])
