"""One REST request under the venue's budget, and what its failure means for everybody else."""

import re
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, Protocol

import httpx

from booktape import clock
from booktape.core.records import SECOND
from booktape.errors import BooktapeError, Transient
from booktape.exchanges.spec import Request
from booktape.rest.budget import OverBudget

_BANNED: Final = frozenset({418, 429})
_BAN_SECONDS: Final = 60.0
"""How long to stay away where the venue does not say."""

_UNTIL: Final = re.compile(r"banned until (\d{13})\b")
"""Binance's error -1003 ("IP banned until 1659146400000"), in ms."""


class VenueUnavailable(Transient):
    """The venue does not answer, or broke."""


class VenueRefused(BooktapeError):
    """The venue says no, and would again."""


class Purse(Protocol):
    """Whoever says how much may still be asked: :class:`~booktape.rest.budget.Budget`."""

    def take(self, weight: int, /) -> None:
        """Take the weight of one request, or raise :class:`~booktape.rest.budget.OverBudget`."""

    def ban(self, seconds: float, /) -> None:
        """Let nobody ask for some seconds."""


class Answer(NamedTuple):
    """A venue's answer. Times in µs: of receipt, and what its ``Date`` says, if it does."""

    url: str
    body: bytes
    received: int
    sent: int | None


def ask(request: Request, weight: int, purse: Purse, client: httpx.Client, base: str) -> Answer:
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
        raise VenueUnavailable(f"{url} does not answer: {error or type(error).__name__}") from error
    received = clock.now()
    _refuse_failure(response, purse)
    return Answer(url, response.content, received, _sent(response))


def _refuse_failure(response: httpx.Response, purse: Purse) -> None:
    status, url = response.status_code, response.url
    if status in _BANNED:
        seconds = _seconds_away(response)
        with suppress(Transient):  # where the ban cannot be told to everybody, this one must know it at least
            purse.ban(seconds)
        raise OverBudget(f"{url} answered {status}: to be left alone for {seconds:.0f} s", seconds)
    if response.is_server_error:
        raise VenueUnavailable(f"{url} answered {status}")
    if not response.is_success:
        raise VenueRefused(f"{url} answered {status}: {response.text[:200]!r}")


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
