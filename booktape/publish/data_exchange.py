"""AWS Data Exchange: creates a revision, imports one asset into it, and finalises it.

None of these operations takes a client token ("AWS Data Exchange API Reference"), so a request whose response was lost
cannot be repeated blindly. Each function first looks for what exists: a revision by its comment, a job by its revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from booktape.model.errors import DataError, FailedError
from booktape.publish.aws import ConflictError, aws_errors
from booktape.publish.retries import WaitingError

if TYPE_CHECKING:
    from mypy_boto3_dataexchange import DataExchangeClient

_FAILED: Final = frozenset({"ERROR", "CANCELLED", "TIMED_OUT"})
_SERVICE_FAULT: Final = "INTERNAL_SERVER_EXCEPTION"


class WrongAssetError(DataError):
    """A revision does not hold exactly the file that was checked."""


class ImportJobFailedError(FailedError):
    """An import failed. ``may_pass``: by a fault of the service, so a new job may succeed."""

    def __init__(self, text: str, *, may_pass: bool) -> None:
        super().__init__(text)
        self.may_pass = may_pass


class RevisionEntry(NamedTuple):
    """A revision. Revisions sort by time of creation."""

    created_at: datetime
    id: str
    arn: str


class Asset(NamedTuple):
    """An asset. Assets sort by time of creation. ``name`` is the S3 key of its source, ``size`` is in bytes."""

    created_at: datetime
    id: str
    name: str
    size: int


def find_or_create_revision(client: DataExchangeClient, data_set: str, comment: str) -> RevisionEntry:
    """The one revision with this comment.

    Two workers that create it at the same moment both see two: the earlier one stays, and the other worker deletes its
    own.
    """
    before = _revisions(client, data_set, comment)
    if before:
        return min(before)
    with aws_errors():
        mine = _revision(client.create_revision(DataSetId=data_set, Comment=comment))
    first = min({mine, *_revisions(client, data_set, comment)})
    if first != mine:
        with aws_errors():
            client.delete_revision(DataSetId=data_set, RevisionId=mine.id)
    return first


def _revisions(client: DataExchangeClient, data_set: str, comment: str) -> list[RevisionEntry]:
    with aws_errors():
        pages = client.get_paginator("list_data_set_revisions").paginate(DataSetId=data_set)
        return [_revision(entry) for page in pages for entry in page["Revisions"] if entry.get("Comment") == comment]


def _revision(entry: Mapping[str, Any]) -> RevisionEntry:
    return RevisionEntry(entry["CreatedAt"], entry["Id"], entry["Arn"])


def find_or_create_job(client: DataExchangeClient, data_set: str, revision: str, bucket: str, key: str) -> str:
    """Find or create the import into a revision, and start it. Returns the id of the job."""
    with aws_errors():
        pages = client.get_paginator("list_jobs").paginate(DataSetId=data_set, RevisionId=revision)
        jobs = [job for page in pages for job in page["Jobs"] if job["State"] not in _FAILED]
    if jobs:
        first = min(jobs, key=lambda job: (job["CreatedAt"], job["Id"]))
        if first["State"] == "WAITING":
            _start(client, first["Id"])
        return first["Id"]
    with aws_errors():
        job = client.create_job(
            Type="IMPORT_ASSETS_FROM_S3",
            Details={
                "ImportAssetsFromS3": {
                    "DataSetId": data_set,
                    "RevisionId": revision,
                    "AssetSources": [{"Bucket": bucket, "Key": key}],
                }
            },
        )
    _start(client, job["Id"])
    return job["Id"]


def _start(client: DataExchangeClient, job: str) -> None:
    """Start a job, unless it was started already."""
    try:
        with aws_errors():
            client.start_job(JobId=job)
    except ConflictError:
        pass


def wait_for_job(client: DataExchangeClient, job: str) -> None:
    """Return once a job is completed.

    Raises :class:`WaitingError` while it runs, and :class:`ImportJobFailedError` if it has failed.
    """
    with aws_errors():
        found = client.get_job(JobId=job)
    state = found["State"]
    if state == "COMPLETED":
        return
    if state in _FAILED:
        errors = found.get("Errors", [])
        reasons = "; ".join(f"{error['Code']}: {error['Message']}" for error in errors) or "no reason given"
        is_fault = state == "TIMED_OUT" or (bool(errors) and all(error["Code"] == _SERVICE_FAULT for error in errors))
        raise ImportJobFailedError(f"import job {job} ended as {state}: {reasons}", may_pass=is_fault)
    if state == "WAITING":  # the request StartJob was lost
        _start(client, job)
    raise WaitingError(f"import job {job} is {state}")


def is_final(client: DataExchangeClient, data_set: str, revision: str) -> bool:
    """Whether a revision is final. Raises :class:`WrongAssetError` if it was revoked."""
    with aws_errors():
        found = client.get_revision(DataSetId=data_set, RevisionId=revision)
    if found.get("Revoked"):
        raise WrongAssetError(
            f"revision {revision} was revoked: {found.get('RevocationComment', '')}; republish the day"
        )
    return found["Finalized"]


def only_asset(client: DataExchangeClient, data_set: str, revision: str, name: str, size: int) -> Asset:
    """The one asset of an open revision, which must be this file. Copies that a second import left are deleted.

    Raises :class:`WaitingError` while an import runs, and :class:`WrongAssetError` if there is no asset or another one.
    """
    with aws_errors():
        pages = client.get_paginator("list_jobs").paginate(DataSetId=data_set, RevisionId=revision)
        running = [job["Id"] for page in pages for job in page["Jobs"] if job["State"] == "IN_PROGRESS"]
    if running:
        raise WaitingError(f"import job {running[0]} is still filling revision {revision}")
    found = assets(client, data_set, revision)
    wrong = [asset for asset in found if (asset.name, asset.size) != (name, size)]
    if wrong or not found:
        holds = ", ".join(f"{asset.name} ({asset.size} bytes)" for asset in wrong) or "nothing"
        raise WrongAssetError(
            f"revision {revision} holds {holds} instead of {name} ({size} bytes); it is not finalised"
        )
    first = min(found)
    for copy in found:
        if copy != first:
            with aws_errors():
                client.delete_asset(DataSetId=data_set, RevisionId=revision, AssetId=copy.id)
    return first


def assets(client: DataExchangeClient, data_set: str, revision: str) -> list[Asset]:
    """The assets of a revision."""
    with aws_errors():
        pages = client.get_paginator("list_revision_assets").paginate(DataSetId=data_set, RevisionId=revision)
        return [
            Asset(entry["CreatedAt"], entry["Id"], entry["Name"], int(entry["AssetDetails"]["S3SnapshotAsset"]["Size"]))
            for page in pages
            for entry in page["Assets"]
        ]


def finalise_revision(client: DataExchangeClient, data_set: str, revision: str) -> None:
    """Make a revision final. This cannot be undone. Products in the mode ``auto`` show it from then on."""
    try:
        with aws_errors():
            client.update_revision(DataSetId=data_set, RevisionId=revision, Finalized=True)
    except ConflictError as error:
        if not is_final(client, data_set, revision):
            raise WaitingError(f"revision {revision} cannot be finalised yet: {error}") from error


def revoke_revision(client: DataExchangeClient, data_set: str, revision: str, comment: str) -> bool:
    """Revoke a final revision, unless it is revoked already. Subscribers lose it. This cannot be undone.

    :param comment: 10 to 512 characters, which subscribers see.
    :returns: whether the revision is revoked; False if it was never final.
    """
    with aws_errors():
        found = client.get_revision(DataSetId=data_set, RevisionId=revision)
        if found.get("Revoked") or not found["Finalized"]:
            return bool(found.get("Revoked"))
        client.revoke_revision(DataSetId=data_set, RevisionId=revision, RevocationComment=comment)
    return True


def is_published(client: DataExchangeClient, data_set: str, revision: str, product: str) -> bool:
    """Whether a product's subscribers see a revision.

    The owner of a data set sees the copy that a product entitles to. Its ``SourceId`` is the owned data set, and the
    ``SourceId`` of each of its revisions is the owned revision (API reference, ``DataSetEntry`` and ``RevisionEntry``).
    """
    with aws_errors():
        pages = client.get_paginator("list_data_sets").paginate(Origin="ENTITLED")
        copies = [
            entry["Id"]
            for page in pages
            for entry in page["DataSets"]
            if entry.get("SourceId") == data_set and entry.get("OriginDetails", {}).get("ProductId") == product
        ]
        revisions = client.get_paginator("list_data_set_revisions")
        return any(
            entry.get("SourceId") == revision
            for copy in copies
            for page in revisions.paginate(DataSetId=copy)
            for entry in page["Revisions"]
        )
