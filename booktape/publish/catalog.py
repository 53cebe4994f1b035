"""AWS Marketplace Catalog: a change set that adds a revision to a product.

Source: "AWS Marketplace Catalog API", ``StartChangeSet``, ``DescribeChangeSet``, change type ``AddRevisions``.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from booktape.model.errors import FailedError
from booktape.publish.aws import aws_errors
from booktape.publish.retries import WaitingError

if TYPE_CHECKING:
    from mypy_boto3_marketplace_catalog import MarketplaceCatalogClient

_CATALOG: Final = "AWSMarketplace"
_UNDER_WAY: Final = frozenset({"PREPARING", "APPLYING"})


class ChangeSetFailedError(FailedError):
    """A change set failed. ``may_pass``: by a fault of the service, so a new one may succeed."""

    def __init__(self, text: str, *, may_pass: bool) -> None:
        super().__init__(text)
        self.may_pass = may_pass


def add_revision(client: MarketplaceCatalogClient, product: str, revision_arn: str, attempt: int) -> str:
    """Start the change set that adds a revision to a product. Returns its id, the same for the same attempt.

    While another change set is changing the product, AWS responds with 423, which is transient.
    """
    token = sha256(f"{product} {revision_arn} {attempt}".encode()).hexdigest()
    with aws_errors():
        entity = client.describe_entity(Catalog=_CATALOG, EntityId=product)
        started = client.start_change_set(
            Catalog=_CATALOG,
            ClientRequestToken=token,
            ChangeSet=[
                {
                    "ChangeType": "AddRevisions",
                    "Entity": {"Type": "DataProduct@1.0", "Identifier": entity["EntityIdentifier"]},
                    "Details": json.dumps({"DataSetArn": data_set_arn(revision_arn), "RevisionArns": [revision_arn]}),
                }
            ],
        )
    return started["ChangeSetId"]


def data_set_arn(revision_arn: str) -> str:
    """The data set's ARN, from that of a revision: ``arn:…:data-sets/{id}/revisions/{id}``."""
    return revision_arn.partition("/revisions/")[0]


def wait_for_change_set(client: MarketplaceCatalogClient, change_set: str) -> None:
    """Return once a change set has succeeded.

    Raises :class:`WaitingError` while it is applied, and :class:`ChangeSetFailedError` if it has failed.
    """
    with aws_errors():
        found = client.describe_change_set(Catalog=_CATALOG, ChangeSetId=change_set)
    status = found["Status"]
    if status == "SUCCEEDED":
        return
    if status in _UNDER_WAY:
        raise WaitingError(f"change set {change_set} is {status}")
    details = [detail for change in found.get("ChangeSet", []) for detail in change.get("ErrorDetailList", [])]
    reasons = "; ".join(f"{detail.get('ErrorCode')}: {detail.get('ErrorMessage')}" for detail in details)
    why = reasons or found.get("FailureDescription", "no reason given")
    code = found.get("FailureCode", "")
    raise ChangeSetFailedError(f"change set {change_set} {status} {code}: {why}", may_pass=code == "SERVER_FAULT")
