"""The control paths of a simulated exchange, on every route.

- `GET /_sandbox/ledger`: counts and progress; `POST /_sandbox/finish` stops the markets, and connections stay open.
  Once the markets have finished, `unread` is the number of clients that have yet to read what they were sent
- `GET /_sandbox/faults` lists faults, `POST` injects one (JSON), `DELETE` clears them (`?route=` for one route's)
- `GET /_sandbox/markets`: whether each market trades; `PUT /_sandbox/markets/SOL-USDT` lists a market, `DELETE` delists
"""

from collections.abc import Callable

import msgspec

from sandbox.exchanges.faults import Fault, Faults
from sandbox.exchanges.listener import HttpRequest
from sandbox.exchanges.listings import Listings
from sandbox.exchanges.venue import HttpAnswer, json_answer

MARKETS = "/_sandbox/markets"


def answer_control(
    request: HttpRequest,
    faults: Faults,
    listings: Listings,
    status: Callable[[], dict[str, object]],
    finish: Callable[[], None],
) -> HttpAnswer:
    """The answer to a request for one of the control paths."""
    if (request.method, request.path) == ("POST", "/_sandbox/finish"):
        finish()
        return json_answer(200, status())
    if (request.method, request.path) == ("GET", "/_sandbox/ledger"):
        return json_answer(200, status())
    if request.path == MARKETS or request.path.startswith(f"{MARKETS}/"):
        return _list(request.method, request.path.removeprefix(MARKETS).strip("/"), listings)
    if request.path == "/_sandbox/faults":
        return _misbehave(request, faults)
    return json_answer(404, {"error": f"no control path {request.path}"})


def _list(method: str, market: str, listings: Listings) -> HttpAnswer:
    try:
        if method == "PUT":
            listings.open(market)
        elif method == "DELETE":
            listings.close(market)
        elif method != "GET" or market:
            return json_answer(405, {"error": f"{method} is not for markets"})
    except (KeyError, ValueError) as error:
        return json_answer(400, {"error": str(error)})
    return json_answer(200, listings.status())


def _misbehave(request: HttpRequest, faults: Faults) -> HttpAnswer:
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
