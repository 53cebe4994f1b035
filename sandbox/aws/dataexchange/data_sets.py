"""Data sets (AWS Data Exchange API Reference: CreateDataSet, GetDataSet, ListDataSets)."""

from sandbox.aws.errors import ServiceError
from sandbox.aws.paging import page
from sandbox.aws.protocol import Params
from sandbox.aws.records import DataSet
from sandbox.aws.state import State, new_id

PAGE_SIZE = 100


def find_data_set(state: State, data_set_id: str) -> DataSet:
    """Return a data set. Raises ServiceError ``ResourceNotFoundException`` (404)."""
    try:
        return state.data_sets[data_set_id]
    except KeyError as error:
        raise ServiceError(
            "ResourceNotFoundException",
            f"there is no data set {data_set_id}",
            ResourceId=data_set_id,
            ResourceType="DATA_SET",
        ) from error


def create_data_set(state: State, params: Params) -> Params:
    """CreateDataSet; of the asset types only ``S3_SNAPSHOT``."""
    if params["AssetType"] != "S3_SNAPSHOT":
        raise ServiceError("ValidationException", f"the sandbox has no data sets of type {params['AssetType']}")
    tags = dict(params.get("Tags", {}))
    data_set = DataSet(new_id(), params["Name"], params["Description"], state.clock(), tags)
    state.data_sets[data_set.id] = data_set
    return _view(data_set) | {"Tags": tags}


def get_data_set(state: State, params: Params) -> Params:
    """GetDataSet."""
    data_set = find_data_set(state, params["DataSetId"])
    return _view(data_set) | {"Tags": data_set.tags}


def list_data_sets(state: State, params: Params) -> Params:
    """ListDataSets, newest first. Every data set here is owned, so ``Origin=ENTITLED`` lists none."""
    owned = params.get("Origin", "OWNED") == "OWNED"
    newest_first = list(reversed(state.data_sets.values())) if owned else []
    found, token = page(newest_first, params.get("NextToken"), params.get("MaxResults", PAGE_SIZE))
    return {"DataSets": [_view(data_set) for data_set in found]} | ({"NextToken": token} if token else {})


def _view(data_set: DataSet) -> Params:
    return {
        "Arn": data_set.arn,
        "AssetType": "S3_SNAPSHOT",
        "CreatedAt": data_set.created_at,
        "Description": data_set.description,
        "Id": data_set.id,
        "Name": data_set.name,
        "Origin": "OWNED",
        "UpdatedAt": data_set.created_at,
    }


OPERATIONS = {"CreateDataSet": create_data_set, "GetDataSet": get_data_set, "ListDataSets": list_data_sets}
