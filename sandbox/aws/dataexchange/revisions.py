"""Revisions: open to changes until they are finalised, then only to be revoked.

AWS Data Exchange API Reference: CreateRevision, GetRevision, ListDataSetRevisions, UpdateRevision, RevokeRevision,
DeleteRevision.
"""

from sandbox.aws.dataexchange.data_sets import PAGE_SIZE, find_data_set
from sandbox.aws.errors import ServiceError
from sandbox.aws.paging import page
from sandbox.aws.protocol import Params
from sandbox.aws.records import Revision
from sandbox.aws.state import State, new_id


def find_revision(state: State, params: Params) -> Revision:
    """Return the revision that ``DataSetId`` and ``RevisionId`` name. Raises ServiceError (404)."""
    data_set = find_data_set(state, params["DataSetId"])
    revision = state.revisions.get(params["RevisionId"])
    if revision is None or revision.data_set_id != data_set.id:
        raise ServiceError(
            "ResourceNotFoundException",
            f"data set {data_set.id} has no revision {params['RevisionId']}",
            ResourceId=params["RevisionId"],
            ResourceType="REVISION",
        )
    return revision


def find_open_revision(state: State, params: Params) -> Revision:
    """Return a revision that may still change. Raises ServiceError: 404, or 409 once it is finalised."""
    revision = find_revision(state, params)
    if revision.finalized:
        raise conflict(revision, "it is finalized")
    return revision


def conflict(revision: Revision, reason: str) -> ServiceError:
    """The refusal (409) of a change that the revision's state forbids."""
    return ServiceError(
        "ConflictException",
        f"revision {revision.id} cannot be changed so: {reason}",
        ResourceId=revision.id,
        ResourceType="REVISION",
    )


def create_revision(state: State, params: Params) -> Params:
    """CreateRevision. It has no client token: calling it twice makes two revisions."""
    data_set = find_data_set(state, params["DataSetId"])
    now = state.clock()
    tags = dict(params.get("Tags", {}))
    revision = Revision(new_id(), data_set.id, params.get("Comment", ""), now, now, tags=tags)
    state.revisions[revision.id] = revision
    return _view(revision) | {"Tags": tags}


def get_revision(state: State, params: Params) -> Params:
    """GetRevision."""
    revision = find_revision(state, params)
    return _view(revision) | {"Tags": revision.tags}


def list_data_set_revisions(state: State, params: Params) -> Params:
    """ListDataSetRevisions, newest first."""
    data_set = find_data_set(state, params["DataSetId"])
    newest_first = [item for item in reversed(state.revisions.values()) if item.data_set_id == data_set.id]
    found, token = page(newest_first, params.get("NextToken"), params.get("MaxResults", PAGE_SIZE))
    return {"Revisions": [_view(revision) for revision in found]} | ({"NextToken": token} if token else {})


def update_revision(state: State, params: Params) -> Params:
    """UpdateRevision: the comment, and finalising, which publishes to products that publish by themselves.

    An empty revision is refused (400); one that is finalised, or into which an import runs, is too (409).
    """
    revision = find_open_revision(state, params)
    if params.get("Finalized"):
        _finalize(state, revision)
    revision.comment = params.get("Comment", revision.comment)
    revision.updated_at = state.clock()
    return _view(revision)


def revoke_revision(state: State, params: Params) -> Params:
    """RevokeRevision: subscribers lose a finalised revision. It cannot be undone."""
    revision = find_revision(state, params)
    if not revision.finalized:
        raise conflict(revision, "it is not finalized")
    if revision.revoked_at:
        raise conflict(revision, "it is revoked already")
    revision.revocation_comment = params["RevocationComment"]
    revision.revoked_at = revision.updated_at = state.clock()
    return _view(revision)


def delete_revision(state: State, params: Params) -> Params:
    """DeleteRevision, with its assets; a finalised one is refused (409)."""
    revision = find_open_revision(state, params)
    del state.revisions[revision.id]
    for asset_id in [asset.id for asset in state.assets.values() if asset.revision_id == revision.id]:
        del state.assets[asset_id]
    return {}


def _finalize(state: State, revision: Revision) -> None:
    if any(job.revision_id == revision.id and job.state == "IN_PROGRESS" for job in state.jobs.values()):
        raise conflict(revision, "an import into it is in progress")
    if all(asset.revision_id != revision.id for asset in state.assets.values()):
        raise ServiceError("ValidationException", f"revision {revision.id} has no assets to finalize")
    revision.finalized = True
    data_set = state.data_sets[revision.data_set_id]
    for product in state.products.values():
        if product.auto and product.data_set_arn == data_set.arn:
            state.publish(product.entity_id, revision.arn)


def _view(revision: Revision) -> Params:
    view = {
        "Arn": revision.arn,
        "Comment": revision.comment,
        "CreatedAt": revision.created_at,
        "DataSetId": revision.data_set_id,
        "Finalized": revision.finalized,
        "Id": revision.id,
        "Revoked": revision.revoked_at is not None,
        "UpdatedAt": revision.updated_at,
    }
    if revision.revoked_at:
        view |= {"RevocationComment": revision.revocation_comment, "RevokedAt": revision.revoked_at}
    return view


OPERATIONS = {
    "CreateRevision": create_revision,
    "GetRevision": get_revision,
    "ListDataSetRevisions": list_data_set_revisions,
    "UpdateRevision": update_revision,
    "RevokeRevision": revoke_revision,
    "DeleteRevision": delete_revision,
}
