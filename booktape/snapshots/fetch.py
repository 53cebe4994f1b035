"""Fetching one market's order book over REST, and keeping it like every other record."""

from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from booktape import clock
from booktape.core import codec
from booktape.core.records import SECOND
from booktape.core.streams import Batch, key_of
from booktape.errors import BooktapeError, Transient
from booktape.exchanges.spec import Exchange, Rest
from booktape.recorder import Recorder
from booktape.snapshots.budget import Budget, OverBudget
from booktape.storage import Store

_BANNED: Final = frozenset({418, 429})
_BAN_SECONDS: Final = 60.0
"""How long to stay away where the venue does not say."""


class NoRest(BooktapeError):
    """The exchange declares no order books over REST."""


class VenueUnavailable(Transient):
    """The venue does not answer, or broke."""


class VenueRefused(BooktapeError):
    """The venue says no, and would again."""


def require_rest(exchange: Exchange) -> Rest:
    """How the exchange gives order books over REST. Raises :class:`NoRest`."""
    if exchange.rest is None:
        raise NoRest(f"{exchange.id} declares no order books over REST; its stream begins with one")
    return exchange.rest


def fetch(
    exchange: Exchange, market: str, store: Store, budget: Budget, client: httpx.Client, *, base: str | None = None
) -> str:
    """Fetch a market's order book and store it create-only under its content's key, which is returned.

    :param base: used instead of the URL that the exchange declares.
    :raises OverBudget: the venue must not be asked now, or has just said so.
    :raises VenueUnavailable: it may work later.
    :raises VenueRefused: it will not.
    """
    rest = require_rest(exchange)
    url = (base or rest.url).rstrip("/") + rest.path(exchange.symbol(market))
    budget.take(rest.weight)
    try:
        response = client.get(url)
    except httpx.TransportError as error:
        raise VenueUnavailable(f"{url} does not answer: {error or type(error).__name__}") from error
    received = clock.now()
    _refuse_failure(response, budget)
    batch = _batch(exchange, url, response.content, received, _sent(response))
    key = str(key_of(batch, exchange.id))
    store.create(key, codec.compress(batch.lines))
    return key


def _refuse_failure(response: httpx.Response, budget: Budget) -> None:
    status, url = response.status_code, response.url
    if status in _BANNED:
        seconds = _retry_after(response)
        budget.ban(seconds)
        raise OverBudget(f"{url} answered {status}: to be left alone for {seconds:.0f} s", seconds)
    if response.is_server_error:
        raise VenueUnavailable(f"{url} answered {status}")
    if not response.is_success:
        raise VenueRefused(f"{url} answered {status}: {response.text[:200]!r}")


def _retry_after(response: httpx.Response) -> float:
    """Seconds from ``Retry-After``; venues give a number, never the date that RFC 9110 allows as well."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else _BAN_SECONDS


def _sent(response: httpx.Response) -> int | None:
    """The venue's clock when it answered, in µs, from ``Date``; None where it does not say."""
    try:
        return int(parsedate_to_datetime(response.headers["Date"]).timestamp()) * SECOND
    except (KeyError, ValueError):
        return None


def _batch(exchange: Exchange, url: str, body: bytes, received: int, sent: int | None) -> Batch:
    """The answer's one snapshot, by the path that every record takes."""
    batches: list[Batch] = []
    recorder = Recorder(exchange, batches.append, on_gap=lambda gap: None)
    recorder.connection().feed_rest(url, body, received, sent)
    recorder.close()
    if len(batches) != 1:
        kinds = ", ".join(recorder.not_understood) or "it holds no order book"
        raise VenueRefused(f"{url}: the answer is not understood: {kinds}")
    return batches[0]
