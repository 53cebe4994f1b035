"""The control paths of a simulated exchange: `/_sandbox/ledger` and `/_sandbox/faults`, on every route."""

from collections.abc import Callable

import msgspec

from sandbox.exchanges.faults import Fault, Faults
from sandbox.exchanges.listener import HttpRequest
from sandbox.exchanges.venue import HttpAnswer, json_answer


def answer_control(request: HttpRequest, faults: Faults, status: Callable[[], dict[str, object]]) -> HttpAnswer:
    """GET ledger: counts and progress. Faults: GET lists, POST injects (JSON), DELETE clears (`?route=` for one)."""
    if (request.method, request.path) == ("GET", "/_sandbox/ledger"):
        return json_answer(200, status())
    if request.path != "/_sandbox/faults":
        return json_answer(404, {"error": f"no control path {request.path}"})
    if request.method == "POST":
        return _inject(request.body, faults)
    if request.method == "DELETE":
        faults.clear(request.query.get("route"))
    elif request.method != "GET":
        return json_answer(405, {"error": f"{request.method} is not for faults"})
    return json_answer(200, faults.in_force())


def _inject(body: bytes, faults: Faults) -> HttpAnswer:
    try:
        faults.inject(msgspec.json.decode(body, type=Fault))
    except (msgspec.MsgspecError, ValueError) as error:
        return json_answer(400, {"error": str(error)})
    return json_answer(200, faults.in_force())
