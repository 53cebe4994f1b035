"""Assets (AWS Data Exchange API Reference: ListRevisionAssets, GetAsset, UpdateAsset, DeleteAsset)."""

from sandbox.aws.dataexchange.data_sets import PAGE_SIZE
from sandbox.aws.dataexchange.revisions import conflict, find_open_revision, find_revision
from sandbox.aws.errors import ServiceError
from sandbox.aws.paging import page
from sandbox.aws.protocol import Params
from sandbox.aws.records import Asset, Revision
from sandbox.aws.state import State


def list_revision_assets(state: State, params: Params) -> Params:
    """ListRevisionAssets, newest first."""
    revision = find_revision(state, params)
    newest_first = [asset for asset in reversed(state.assets.values()) if asset.revision_id == revision.id]
    found, token = page(newest_first, params.get("NextToken"), params.get("MaxResults", PAGE_SIZE))
    return {"Assets": [_view(asset) for asset in found]} | ({"NextToken": token} if token else {})


def get_asset(state: State, params: Params) -> Params:
    """GetAsset."""
    return _view(_find_asset(state, find_revision(state, params), params["AssetId"]))


def update_asset(state: State, params: Params) -> Params:
    """UpdateAsset: its name, while the revision is open."""
    asset = _find_asset(state, find_open_revision(state, params), params["AssetId"])
    asset.name = params["Name"]
    asset.updated_at = state.clock()
    return _view(asset)


def delete_asset(state: State, params: Params) -> Params:
    """DeleteAsset, of a revision that is open or revoked."""
    revision = find_revision(state, params)
    if revision.finalized and revision.revoked_at is None:
        raise conflict(revision, "it is finalized")
    del state.assets[_find_asset(state, revision, params["AssetId"]).id]
    return {}


def _find_asset(state: State, revision: Revision, asset_id: str) -> Asset:
    asset = state.assets.get(asset_id)
    if asset is None or asset.revision_id != revision.id:
        raise ServiceError(
            "ResourceNotFoundException",
            f"revision {revision.id} has no asset {asset_id}",
            ResourceId=asset_id,
            ResourceType="ASSET",
        )
    return asset


def _view(asset: Asset) -> Params:
    return {
        "Arn": asset.arn,
        "AssetDetails": {"S3SnapshotAsset": {"Size": float(len(asset.content))}},
        "AssetType": "S3_SNAPSHOT",
        "CreatedAt": asset.created_at,
        "DataSetId": asset.data_set_id,
        "Id": asset.id,
        "Name": asset.name,
        "RevisionId": asset.revision_id,
        "UpdatedAt": asset.updated_at,
    }


OPERATIONS = {
    "ListRevisionAssets": list_revision_assets,
    "GetAsset": get_asset,
    "UpdateAsset": update_asset,
    "DeleteAsset": delete_asset,
}
