"""HTTP to parameters and results to HTTP, both ruled by botocore's service models.

Two protocols are spoken: ``json`` (Athena: the operation in ``X-Amz-Target``, everything in the body) and
``rest-json`` (Data Exchange, Marketplace Catalog: method and path, query string, headers, body). What botocore's
clients send is checked here against the same models that they were built from, and so is every answer.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, NoShapeFoundError, OperationModel, ServiceModel, Shape, StructureShape
from botocore.utils import parse_to_aware_datetime

from sandbox.aws.errors import ContractError, ServiceError
from sandbox.aws.validation import problems

Params = dict[str, Any]

# The exception by which each service refuses parameters that do not fit their shapes.
_REFUSAL = {
    "athena": "InvalidRequestException",
    "dataexchange": "ValidationException",
    "marketplace-catalog": "ValidationException",
}


@dataclass(frozen=True)
class Request:
    """An HTTP request as far as the AWS protocols look at it; ``path`` still percent-encoded, header names lower."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@lru_cache
def service_model(service: str) -> ServiceModel:
    """Load botocore's model of a service, such as ``dataexchange``."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def find_operation(service: str, request: Request) -> str:
    """Name the operation that a request asks for.

    Raises ServiceError ``UnknownOperationException`` (404) when the service has no such operation.
    """
    model = service_model(service)
    if _speaks_json(model):
        prefix, _, operation = request.headers.get("x-amz-target", "").partition(".")
        if prefix == model.metadata["targetPrefix"] and operation in model.operation_names:
            return operation
    else:
        for operation, method, pattern in _rest_routes(service):
            if method == request.method and pattern.fullmatch(request.path):
                return operation
    raise ServiceError("UnknownOperationException", f"no operation for {request.method} {request.path}", status=404)


def parse(operation: OperationModel, request: Request) -> Params:
    """Turn a request into the operation's parameters.

    Raises ServiceError with the service's own refusal when they do not fit the input shape.
    """
    shape = operation.input_shape
    if shape is None:
        return {}
    refusal = _REFUSAL[operation.service_model.service_name]
    try:
        if _speaks_json(operation.service_model):
            params = _decode(json.loads(request.body), shape)
        else:
            params = _rest_params(operation, shape, request)
    except ValueError as error:
        raise ServiceError(refusal, f"the request cannot be read: {error}") from error
    if found := problems(params, shape):
        plural = "" if len(found) == 1 else "s"
        raise ServiceError(refusal, f"{len(found)} validation error{plural} detected: {'; '.join(found)}")
    return dict(params)


def serialise(operation: OperationModel, result: Params) -> Response:
    """Turn a handler's result into the operation's response.

    Raises ContractError when the result does not fit the output shape.
    """
    shape = operation.output_shape
    is_json = _speaks_json(operation.service_model)
    found = problems(result, shape) if shape else [f"{name}: no result expected" for name in result]
    if found:
        raise ContractError(f"{operation.name} would answer outside its model: {'; '.join(found)}")
    status = int(operation.http.get("responseCode", 200))
    # An operation without output members answers an empty body in rest-json (StartJob: 202), an empty object in json.
    if shape is None or not (shape.members or is_json):
        return Response(status, {}, b"")
    return _json_response(status, operation.service_model, _encode(result, shape))


def serialise_error(service: str, error: ServiceError) -> Response:
    """Turn an error into the service's form of it.

    Raises ContractError when the service's model has no such exception, or its members do not fit.
    """
    model = service_model(service)
    members = {"Message": error.message, **error.members}
    status = _modelled_status(model, error.code, members) if error.status is None else error.status
    if _speaks_json(model):
        return _json_response(status, model, {"__type": error.code, **members})
    return _json_response(status, model, members, {"x-amzn-ErrorType": error.code})


def _modelled_status(model: ServiceModel, code: str, members: Params) -> int:
    try:
        shape = model.shape_for(code)
    except NoShapeFoundError as error:
        raise ContractError(f"{model.service_name} has no exception {code}") from error
    if found := problems(members, shape):
        raise ContractError(f"{code} does not fit its shape: {'; '.join(found)}")
    # Athena's model gives no status; AWS JSON services answer 500 for their own faults and 400 for the caller's.
    default = 500 if code.startswith("Internal") else 400
    return int(shape.metadata.get("error", {}).get("httpStatusCode", default))


def _speaks_json(model: ServiceModel) -> bool:
    return bool(model.metadata["protocol"] == "json")


@lru_cache
def _rest_routes(service: str) -> list[tuple[str, str, re.Pattern[str]]]:
    model = service_model(service)
    routes = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(http["requestUri"]))
        routes.append((name, http["method"], re.compile(pattern)))
    return routes


def _rest_params(operation: OperationModel, shape: StructureShape, request: Request) -> Params:
    labels = _labels(operation, request.path)
    query = parse_qs(request.query, keep_blank_values=True)
    body = json.loads(request.body) if request.body else {}
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")
    params: Params = {}
    # Whatever is left in the body after its members were taken is unknown, and is left for validation to refuse.
    for member, member_shape in shape.members.items():
        location = member_shape.serialization.get("location")
        name = member_shape.serialization.get("name", member)
        if location == "uri" and name in labels:
            params[member] = labels[name]
        elif location == "querystring" and name in query:
            params[member] = _from_text(query[name], member_shape)
        elif location == "header" and name.lower() in request.headers:
            params[member] = _from_text([request.headers[name.lower()]], member_shape)
        elif location is None and body.get(name) is not None:
            params[member] = _decode(body[name], member_shape)
        if location is None:
            body.pop(name, None)
    return {**body, **params}


def _labels(operation: OperationModel, path: str) -> dict[str, str]:
    for name, _, pattern in _rest_routes(operation.service_model.service_name):
        if name == operation.name and (match := pattern.fullmatch(path)):
            return {label: unquote(text) for label, text in match.groupdict().items()}
    raise ValueError(f"{path} is not a path of {operation.name}")


def _from_text(values: list[str], shape: Shape) -> Any:
    if isinstance(shape, ListShape):
        return [_from_text([value], shape.member) for value in values]
    text = values[-1]
    if shape.type_name in {"integer", "long"}:
        return int(text)
    if shape.type_name == "boolean":
        return text == "true"
    return parse_to_aware_datetime(text) if shape.type_name == "timestamp" else text


def _decode(value: Any, shape: Shape) -> Any:
    """JSON to Python. A value of the wrong type passes unchanged: validation says what is wrong with it."""
    if isinstance(shape, StructureShape) and isinstance(value, dict) and not shape.is_document_type:
        members = {s.serialization.get("name", name): (name, s) for name, s in shape.members.items()}
        known = {members[key][0]: _decode(item, members[key][1]) for key, item in value.items() if key in members}
        return {**{key: item for key, item in value.items() if key not in members}, **known}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_decode(item, shape.member) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _decode(item, shape.value) for key, item in value.items()}
    if shape.type_name == "timestamp":
        return parse_to_aware_datetime(value)
    return base64.b64decode(value) if shape.type_name == "blob" else value


def _encode(value: Any, shape: Shape) -> Any:
    """Python to JSON, of a value that was validated."""
    if isinstance(shape, StructureShape) and not shape.is_document_type:
        return {
            shape.members[name].serialization.get("name", name): _encode(member, shape.members[name])
            for name, member in value.items()
        }
    if isinstance(shape, ListShape):
        return [_encode(item, shape.member) for item in value]
    if isinstance(shape, MapShape):
        return {key: _encode(item, shape.value) for key, item in value.items()}
    if shape.type_name == "timestamp":
        return _timestamp(value, shape.serialization.get("timestampFormat"))
    return base64.b64encode(value).decode() if shape.type_name == "blob" else value


def _timestamp(moment: datetime, form: str | None) -> str | float:
    """In JSON bodies both protocols count seconds, unless the shape asks for another form (AWS protocol tests)."""
    if form == "iso8601":
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return round(moment.timestamp(), 3)


def _json_response(
    status: int, model: ServiceModel, document: Params, headers: Mapping[str, str] | None = None
) -> Response:
    version = model.metadata.get("jsonVersion", "1.1")
    kind = f"application/x-amz-json-{version}" if _speaks_json(model) else "application/json"
    return Response(status, {"Content-Type": kind, **(headers or {})}, json.dumps(document).encode())
