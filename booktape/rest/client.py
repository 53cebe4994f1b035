"""Sends one REST request within the venue's rate limit, and interprets a failure."""

import re
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import httpx

from booktape.exchanges.spec import Request
from booktape.model.errors import RefusedError, TransientError
from booktape.model.records import SECOND
from booktape.rest.rate_limits import RateLimitedError, RateLimiter
from booktape.store import clock

_BANNED: Final = frozenset({418, 429})
_BAN_SECONDS: Final = 60.0
"""The length of a ban if the venue does not state it."""

_UNTIL: Final = re.compile(r"banned until (\d{13})\b")
"""Binance's error -1003 ("IP banned until 1659146400000"), in ms."""


class VenueUnavailableError(TransientError):
    """The venue does not answer, or has an internal error."""


class VenueRefusedError(RefusedError):
    """The venue refuses the request, and would refuse it again."""


class RestResponse(NamedTuple):
    """A venue's response.

    ``received`` is the time of receipt, ``sent`` the time in the header ``Date`` (None without it); both in µs.
    """

    url: str
    body: bytes
    received: int
    sent: int | None


def send_request(
    request: Request, weight: int, rate_limiter: RateLimiter, client: httpx.Client, base: str
) -> RestResponse:
    """Send a request to a venue.

    :param weight: what the request takes out of the rate limit.
    :param base: the venue's REST URL.

    Raises :class:`~booktape.rest.rate_limits.RateLimitedError` if the venue must not be sent a request now,
    :class:`VenueUnavailableError` if the request may succeed later, and :class:`VenueRefusedError` if it will not.
    """
    url = base.rstrip("/") + request.path
    rate_limiter.take(weight)
    try:
        if request.body is None:
            response = client.get(url)
        else:
            response = client.post(url, content=request.body, headers={"Content-Type": "application/json"})
    except httpx.TransportError as error:
        raise VenueUnavailableError(f"{url} does not answer: {error or type(error).__name__}") from error
    received = clock.now()
    _refuse_failure(response, rate_limiter)
    return RestResponse(url, response.content, received, _sent(response))


def _refuse_failure(response: httpx.Response, rate_limiter: RateLimiter) -> None:
    status, url = response.status_code, response.url
    if status in _BANNED:
        seconds = _ban_seconds(response)
        with suppress(TransientError):  # without Redis, at least this process must observe the ban
            rate_limiter.ban(seconds)
        raise RateLimitedError(f"{url} answered {status}: no more requests for {seconds:.0f} s", seconds)
    if response.is_server_error:
        raise VenueUnavailableError(f"{url} answered {status}")
    if not response.is_success:
        raise VenueRefusedError(f"{url} answered {status}: {response.text[:200]!r}")


def _ban_seconds(response: httpx.Response) -> float:
    """From ``Retry-After`` (a number or, as RFC 9110 allows as well, a date), else from the text of a ban."""
    text = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    if text:
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - clock.now() / SECOND)
        except ValueError:
            return _BAN_SECONDS
    until = _UNTIL.search(response.text)
    return max(0.0, int(until[1]) / 1_000 - clock.now() / SECOND) if until else _BAN_SECONDS


def _sent(response: httpx.Response) -> int | None:
    try:
        return int(parsedate_to_datetime(response.headers["Date"]).timestamp()) * SECOND
    except (KeyError, ValueError):
        return None
