"""AWS Marketplace Catalog: products as entities, and change sets of type ``AddRevisions``.

AWS Marketplace Catalog API Reference: DescribeEntity, StartChangeSet, DescribeChangeSet, ListChangeSets; AWS Data
Exchange User Guide, "AddRevisions". A change set is PREPARING for the first half of ``State.change_set_seconds``,
APPLYING for the second, then SUCCEEDED or FAILED. What it finds is decided when it starts.
"""

import json
from datetime import UTC, datetime, timedelta

from sandbox.aws.errors import ServiceError
from sandbox.aws.paging import page
from sandbox.aws.protocol import Params
from sandbox.aws.records import Change, ChangeSet, Product
from sandbox.aws.state import State, new_id

CATALOG = "AWSMarketplace"
ENTITY_TYPE = "DataProduct@1.0"
REVISIONS_PER_CHANGE = 5
PAGE_SIZE = 20


def describe_entity(state: State, params: Params) -> Params:
    """DescribeEntity. The identifier that it returns carries a version, and changes must name it so."""
    product = _find_product(state, params)
    return {
        "EntityType": ENTITY_TYPE,
        "EntityIdentifier": f"{product.entity_id}@1",
        "EntityArn": product.arn,
        "LastModifiedDate": _seconds(product.modified_at),
        "Details": json.dumps({"DataSets": [{"DataSetArn": product.data_set_arn}]}),
    }


def start_change_set(state: State, params: Params) -> Params:
    """StartChangeSet: the same token gives the same change set; an entity that is being changed answers 423."""
    _check_catalog(params)
    token = params.get("ClientRequestToken", new_id())
    for earlier in state.change_sets.values():
        if earlier.token == token:
            return _identity(earlier)
    changes = [_change(state, request) for request in params["ChangeSet"]]
    _refuse_busy_entities(state, changes)
    now = state.clock()
    failed = any(change.errors for change in changes)
    forced = state.faults.take_outcome("marketplace-catalog")
    change_set = ChangeSet(
        id=new_id(),
        name=params.get("ChangeSetName"),
        token=token,
        changes=changes,
        started_at=now,
        due=now + timedelta(seconds=state.change_set_seconds),
        failure_code="SERVER_FAULT" if forced == "FAILED" else "CLIENT_ERROR" if failed else None,
    )
    state.change_sets[change_set.id] = change_set
    return _identity(change_set)


def describe_change_set(state: State, params: Params) -> Params:
    """DescribeChangeSet."""
    _check_catalog(params)
    change_set = state.change_sets.get(params["ChangeSetId"])
    if change_set is None:
        raise ServiceError("ResourceNotFoundException", f"there is no change set {params['ChangeSetId']}")
    view = _summary(change_set) | {"Intent": "APPLY"}
    if "FailureCode" in view:
        view["FailureDescription"] = f"The change set failed: {change_set.failure_code}"
    finished = change_set.ended_at is not None
    return view | {"ChangeSet": [_change_view(change, with_errors=finished) for change in change_set.changes]}


def list_change_sets(state: State, params: Params) -> Params:
    """ListChangeSets, newest first; filters by ``EntityId`` and ``Status``."""
    _check_catalog(params)
    wanted = {item["Name"]: set(item["ValueList"]) for item in params.get("FilterList", [])}
    if unknown := wanted.keys() - {"EntityId", "Status"}:
        raise ServiceError("ValidationException", f"the sandbox cannot filter by {', '.join(sorted(unknown))}")
    newest_first = [
        item
        for item in reversed(state.change_sets.values())
        if ("Status" not in wanted or item.status in wanted["Status"])
        and ("EntityId" not in wanted or not wanted["EntityId"].isdisjoint(_entity_ids(item)))
    ]
    found, token = page(newest_first, params.get("NextToken"), params.get("MaxResults", PAGE_SIZE))
    summaries = [_summary(item) | {"EntityIdList": _entity_ids(item)} for item in found]
    return {"ChangeSetSummaryList": summaries} | ({"NextToken": token} if token else {})


def settle(state: State) -> None:
    """Move every change set to where the clock says it is, and publish what it adds when it succeeds."""
    now = state.clock()
    for change_set in state.change_sets.values():
        if change_set.ended_at is not None:
            continue
        if now >= change_set.due:
            _finish(state, change_set)
        elif now - change_set.started_at >= (change_set.due - change_set.started_at) / 2:
            change_set.status = "APPLYING"


def _finish(state: State, change_set: ChangeSet) -> None:
    change_set.ended_at = change_set.due
    change_set.status = "FAILED" if change_set.failure_code else "SUCCEEDED"
    if change_set.status == "SUCCEEDED":
        for change in change_set.changes:
            state.products[change.entity_id].modified_at = change_set.due
            for revision_arn in change.revision_arns:
                state.publish(change.entity_id, revision_arn, change_set.id)


def _check_catalog(params: Params) -> None:
    if params["Catalog"] != CATALOG:
        raise ServiceError("ResourceNotFoundException", f"there is no catalog {params['Catalog']}")


def _find_product(state: State, params: Params) -> Product:
    _check_catalog(params)
    try:
        return state.products[params["EntityId"]]
    except KeyError as error:
        raise ServiceError("ResourceNotFoundException", f"there is no entity {params['EntityId']}") from error


def _change(state: State, request: Params) -> Change:
    entity = request["Entity"]
    if request["ChangeType"] != "AddRevisions" or entity["Type"] != ENTITY_TYPE:
        raise ServiceError("ValidationException", f"the sandbox changes {ENTITY_TYPE} by AddRevisions only")
    entity_id = entity.get("Identifier", "").partition("@")[0]
    product = _find_product(state, {"Catalog": CATALOG, "EntityId": entity_id})
    data_set_arn, revision_arns = _details(request.get("Details", ""))
    return Change(
        change_type="AddRevisions",
        entity_type=ENTITY_TYPE,
        entity_id=entity_id,
        details=request["Details"],
        revision_arns=revision_arns,
        errors=tuple(_errors(state, product, data_set_arn, revision_arns)),
        change_name=request.get("ChangeName"),
    )


def _details(text: str) -> tuple[str, tuple[str, ...]]:
    try:
        details = json.loads(text)
        data_set_arn, revision_arns = details["DataSetArn"], tuple(details["RevisionArns"])
    except (ValueError, KeyError, TypeError) as error:
        raise ServiceError("ValidationException", "Details needs DataSetArn and RevisionArns as JSON text") from error
    if not 0 < len(revision_arns) <= REVISIONS_PER_CHANGE:
        raise ServiceError("ValidationException", f"a change adds 1 to {REVISIONS_PER_CHANGE} revisions")
    return data_set_arn, revision_arns


def _errors(state: State, product: Product, data_set_arn: str, revision_arns: tuple[str, ...]) -> list[tuple[str, str]]:
    if product.data_set_arn != data_set_arn:
        return [("DATA_SET_NOT_PUBLISHED", f"{data_set_arn} is not part of {product.entity_id}")]
    finalized = {item.arn for item in state.revisions.values() if item.finalized and item.revoked_at is None}
    return [("REVISION_NOT_FINALIZED", f"{arn} is not finalized") for arn in revision_arns if arn not in finalized]


def _refuse_busy_entities(state: State, changes: list[Change]) -> None:
    busy = {entity for item in state.change_sets.values() if item.ended_at is None for entity in _entity_ids(item)}
    if locked := busy & {change.entity_id for change in changes}:
        names = ", ".join(sorted(locked))
        raise ServiceError("ResourceInUseException", f"being changed by another change set: {names}")


def _entity_ids(change_set: ChangeSet) -> list[str]:
    return sorted({change.entity_id for change in change_set.changes})


def _identity(change_set: ChangeSet) -> Params:
    return {"ChangeSetId": change_set.id, "ChangeSetArn": change_set.arn}


def _summary(change_set: ChangeSet) -> Params:
    view = _identity(change_set) | {"StartTime": _seconds(change_set.started_at), "Status": change_set.status}
    if change_set.name:
        view["ChangeSetName"] = change_set.name
    if change_set.ended_at:
        view["EndTime"] = _seconds(change_set.ended_at)
        if change_set.failure_code:
            view["FailureCode"] = change_set.failure_code
    return view


def _change_view(change: Change, *, with_errors: bool) -> Params:
    view: Params = {
        "ChangeType": change.change_type,
        "Entity": {"Type": change.entity_type, "Identifier": f"{change.entity_id}@1"},
        "Details": change.details,
        "ErrorDetailList": [
            {"ErrorCode": code, "ErrorMessage": message} for code, message in change.errors if with_errors
        ],
    }
    if change.change_name:
        view["ChangeName"] = change.change_name
    return view


def _seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


OPERATIONS = {
    "DescribeEntity": describe_entity,
    "StartChangeSet": start_change_set,
    "DescribeChangeSet": describe_change_set,
    "ListChangeSets": list_change_sets,
}
