"""The WSGI layer in front of moto: routing, counting, faults, and create-only writes that hold under a race."""

import contextlib
import io
import logging
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from werkzeug.wrappers import Request as WerkzeugRequest
from werkzeug.wrappers import Response as WerkzeugResponse

from sandbox.aws import control, objects
from sandbox.aws.errors import ContractError, ServiceError
from sandbox.aws.faults import Fault
from sandbox.aws.protocol import Request, serialise_error
from sandbox.aws.routing import find_service, name_operation, s3_object
from sandbox.aws.services import SERVICES, answer
from sandbox.aws.state import State

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)

# What an injected HTTP status is called, unless the fault says it: in S3, and in the services of the sandbox.
_S3_FAULT_CODES = {403: "AccessDenied", 404: "NoSuchKey", 409: "ConditionalRequestConflict", 503: "SlowDown"}
_FAULT_CODES = {403: "AccessDeniedException", 429: "ThrottlingException", 503: "ServiceUnavailableException"}


class Front:
    """The WSGI application of a whole sandbox."""

    def __init__(self, state: State, moto: "WSGIApplication") -> None:
        self._state = state
        self._moto = moto
        # A lock for each of some groups of keys: the check of a create-only write and the write itself are one step.
        self._write_locks = [threading.Lock() for _ in range(64)]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = _read(environ)
        if request.path.startswith(control.PREFIX):
            return control.answer(self._state, request)(environ, start_response)
        service = find_service(request)
        operation = name_operation(service, request)
        with self._state.lock:
            self._state.requests[service, operation] += 1
        fault = self._state.faults.take_status(service, operation)
        if fault is None or fault.after:
            response = self._respond(service, request, environ)
        if fault is not None:
            response = _fault_response(service, fault)
        return response(environ, start_response)

    def _respond(self, service: str, request: Request, environ: "WSGIEnvironment") -> WerkzeugResponse:
        if service in SERVICES:
            return self._respond_ourselves(service, request)
        with self._create_only(service, request) as is_free:
            if is_free:
                return WerkzeugResponse.from_app(self._moto, environ, buffered=True)
        return _s3_error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")

    def _respond_ourselves(self, service: str, request: Request) -> WerkzeugResponse:
        try:
            try:
                answered = answer(self._state, service, request)
            except ServiceError as error:
                answered = serialise_error(service, error)
        except ContractError as error:
            _log.exception("the sandbox breaks the contract of %s", service)
            answered = serialise_error(service, ServiceError("SandboxContractError", str(error), status=500))
        return WerkzeugResponse(answered.body, answered.status, dict(answered.headers))

    @contextlib.contextmanager
    def _create_only(self, service: str, request: Request) -> Iterator[bool]:
        """Say whether a write may go on, and hold its key meanwhile if the write is create-only.

        moto checks ``If-None-Match: *`` of plain uploads only, and not in one step with the write; here it counts
        for copies and for the end of multipart uploads too, as in S3 ("Conditional writes", S3 User Guide).
        """
        bucket, key = s3_object(request)
        if service != "s3" or request.method not in {"PUT", "POST"} or request.headers.get("if-none-match") != "*":
            yield True
        else:
            with self._write_locks[hash((bucket, key)) % len(self._write_locks)]:
                yield not objects.exists(bucket, unquote(key))


def _read(environ: "WSGIEnvironment") -> Request:
    """Read the whole request, and leave its body for moto to read again."""
    incoming = WerkzeugRequest(environ)
    body = incoming.get_data()
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    # The path as it was sent: in PATH_INFO an encoded slash has already become a separator.
    path = environ.get("REQUEST_URI", incoming.path).partition("?")[0]
    headers = {name.lower(): value for name, value in incoming.headers.items()}
    return Request(incoming.method, path, environ.get("QUERY_STRING", ""), headers, body)


def _fault_response(service: str, fault: Fault) -> WerkzeugResponse:
    status = fault.status or 500
    message = "ordered by a fault"
    if service not in SERVICES:
        return _s3_error(status, fault.code or _S3_FAULT_CODES.get(status, "InternalError"), message)
    code = fault.code or _FAULT_CODES.get(status, "InternalServerException")
    answered = serialise_error(service, ServiceError(code, message, status=status))
    return WerkzeugResponse(answered.body, answered.status, dict(answered.headers))


def _s3_error(status: int, code: str, message: str) -> WerkzeugResponse:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return WerkzeugResponse(text, status, content_type="application/xml")
