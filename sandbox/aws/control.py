"""What no AWS has: ``/_sandbox/…``, by which tests and demos set things up and look behind the scenes.

- ``GET /_sandbox/state``: everything, as JSON
- ``GET /_sandbox/assets/<id>``: the bytes of an asset
- ``POST /_sandbox/products`` with ``{"entity_id", "data_set_arn", "auto"}``: create a product
- ``POST /_sandbox/faults`` with a fault (see ``Faults.add``), ``DELETE /_sandbox/faults``: order and clear faults
"""

import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from sandbox.aws.athena.store import Query
from sandbox.aws.protocol import Request
from sandbox.aws.services import settle_all
from sandbox.aws.state import State

PREFIX = "/_sandbox/"


def answer(state: State, request: Request) -> Response:
    """Answer a request below ``/_sandbox/``: 400 says what is wrong with it, 404 that there is nothing there."""
    with state.lock:
        settle_all(state)
        try:
            return _route(state, request.method, request.path.removeprefix(PREFIX), request)
        except (ValueError, KeyError, TypeError) as error:
            return _json(400, {"error": str(error)})


def describe(state: State) -> dict[str, Any]:
    """Return the whole state as JSON values."""
    requests: dict[str, dict[str, int]] = {}
    for (service, operation), count in sorted(state.requests.items()):
        requests.setdefault(service, {})[operation] = count
    return {
        "requests": requests,
        "data_sets": [_record(item) for item in state.data_sets.values()],
        "revisions": [_record(item) for item in state.revisions.values()],
        "assets": [_record(item) | {"size": len(item.content)} for item in state.assets.values()],
        "jobs": [_record(item) for item in state.jobs.values()],
        "products": [_record(item) for item in state.products.values()],
        "change_sets": [_record(item) for item in state.change_sets.values()],
        "published_revisions": [_record(item) for item in state.published],
        "queries": [_query(item) for item in state.athena.queries.values()],
        "faults": state.faults.describe(),
    }


def _route(state: State, method: str, path: str, request: Request) -> Response:
    if (method, path) == ("GET", "state"):
        return _json(200, describe(state))
    if method == "GET" and path.startswith("assets/"):
        asset = state.assets.get(path.removeprefix("assets/"))
        return Response(asset.content, 200, content_type="application/octet-stream") if asset else _json(404, {})
    if (method, path) == ("POST", "products"):
        given = json.loads(request.body)
        product = state.add_product(given["entity_id"], given["data_set_arn"], given.get("auto", False))
        return _json(201, _record(product))
    if (method, path) == ("POST", "faults"):
        state.faults.add(json.loads(request.body))
        return _json(201, state.faults.describe())
    if (method, path) == ("DELETE", "faults"):
        state.faults.clear()
        return Response(status=204)
    return _json(404, {"error": f"nothing at {method} {PREFIX}{path}"})


def _record(record: Any) -> dict[str, Any]:
    """A dataclass as JSON values, with its ARN, without its bytes."""
    hidden = {"content", "pending"}
    view = {item.name: _plain(getattr(record, item.name)) for item in fields(record) if item.name not in hidden}
    return view | ({"arn": record.arn} if hasattr(record, "arn") else {})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value


def _query(query: Query) -> dict[str, Any]:
    return {
        "id": query.id,
        "sql": query.sql,
        "state": query.state,
        "reason": query.failure.reason if query.failure else None,
        "output": query.output,
        "scanned_bytes": query.scanned_bytes,
    }


def _json(status: int, document: Any) -> Response:
    return Response(json.dumps(document), status, content_type="application/json")
