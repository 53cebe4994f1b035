"""One REST request under the venue's budget, and what its failure means for everybody else."""

import re
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, Protocol

import httpx

from booktape.exchanges.spec import Request
from booktape.model.errors import BooktapeError, TransientError
from booktape.model.records import SECOND
from booktape.rest.rate_limits import RateLimitedError
from booktape.store import clock

_BANNED: Final = frozenset({418, 429})
_BAN_SECONDS: Final = 60.0
"""How long to stay away where the venue does not say."""

_UNTIL: Final = re.compile(r"banned until (\d{13})\b")
"""Binance's error -1003 ("IP banned until 1659146400000"), in ms."""


class VenueUnavailableError(TransientError):
    """The venue does not answer, or broke."""


class VenueRefusedError(BooktapeError):
    """The venue says no, and would again."""


class RateLimiter(Protocol):
    """Whoever says how much may still be asked: :class:`~booktape.rest.rate_limits.RedisRateLimiter`."""

    def take(self, weight: int, /) -> None:
        """Take the weight of one request, or raise :class:`~booktape.rest.rate_limits.RateLimitedError`."""

    def ban(self, seconds: float, /) -> None:
        """Let nobody ask for some seconds."""


class RestAnswer(NamedTuple):
    """A venue's answer. Times in µs: of receipt, and what its ``Date`` says, if it does."""

    url: str
    body: bytes
    received: int
    sent: int | None


def send_request(request: Request, weight: int, purse: RateLimiter, client: httpx.Client, base: str) -> RestAnswer:
    """Ask a venue for something.

    :param base: the venue's REST URL.
    :raises OverBudget: the venue must not be asked now, or has just said so.
    :raises VenueUnavailable: it may work later.
    :raises VenueRefused: it will not.
    """
    url = base.rstrip("/") + request.path
    purse.take(weight)
    try:
        if request.body is None:
            response = client.get(url)
        else:
            response = client.post(url, content=request.body, headers={"Content-Type": "application/json"})
    except httpx.TransportError as error:
        raise VenueUnavailableError(f"{url} does not answer: {error or type(error).__name__}") from error
    received = clock.now()
    _refuse_failure(response, purse)
    return RestAnswer(url, response.content, received, _sent(response))


def _refuse_failure(response: httpx.Response, purse: RateLimiter) -> None:
    status, url = response.status_code, response.url
    if status in _BANNED:
        seconds = _seconds_away(response)
        with suppress(TransientError):  # where the ban cannot be told to everybody, this one must know it at least
            purse.ban(seconds)
        raise RateLimitedError(f"{url} answered {status}: to be left alone for {seconds:.0f} s", seconds)
    if response.is_server_error:
        raise VenueUnavailableError(f"{url} answered {status}")
    if not response.is_success:
        raise VenueRefusedError(f"{url} answered {status}: {response.text[:200]!r}")


def _seconds_away(response: httpx.Response) -> float:
    """From ``Retry-After`` (a number or, as RFC 9110 allows as well, a date), else from a ban's text."""
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
    """The venue's clock when it answered, in µs, from ``Date``; None where it does not say."""
    try:
        return int(parsedate_to_datetime(response.headers["Date"]).timestamp()) * SECOND
    except (KeyError, ValueError):
        return None
