"""Fetches one market's order book over REST, and stores it like a recorded one."""

import httpx

from booktape.capture.pipeline import Pipeline
from booktape.exchanges.spec import Exchange, RestBook
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.errors import InvalidInputError
from booktape.rest.client import RestResponse, VenueRefusedError, send_request
from booktape.rest.rate_limits import RateLimiter
from booktape.store import raw_frames
from booktape.store.layout import batch_key
from booktape.store.objects import Store


class NoRestBookError(InvalidInputError):
    """The exchange declares no order books over REST."""


def require_book(exchange: Exchange) -> RestBook:
    """How the exchange serves order books over REST. Raises :class:`NoRestBookError`."""
    if exchange.rest.book is None:
        raise NoRestBookError(f"{exchange.id} declares no order books over REST; its stream begins with one")
    return exchange.rest.book


def fetch_book(
    exchange: Exchange,
    market: str,
    store: Store,
    rate_limiter: RateLimiter,
    client: httpx.Client,
    *,
    base: str | None = None,
    keep_raw: bool = False,
) -> str:
    """Fetch a market's order book and store it. Returns the key, which depends on the content.

    :param base: used instead of the REST URL that the exchange declares.
    :param keep_raw: whether the response is stored unchanged too (:mod:`booktape.store.raw_frames`).

    Raises :class:`NoRestBookError`, and what :func:`~booktape.rest.client.send_request` raises.
    """
    book = require_book(exchange)
    request = book.request(exchange.symbol(market))
    response = send_request(request, book.weight, rate_limiter, client, base or exchange.rest.url)
    if keep_raw:
        store.create(*raw_frames.answer_object(exchange.id, *response))
    batch = _batch(exchange, response)
    key = str(batch_key(batch, exchange.id))
    store.create(key, codec.compress(batch.lines))
    return key


def _batch(exchange: Exchange, response: RestResponse) -> Batch:
    """The response's one snapshot, made by the same pipeline as recorded ones."""
    batches: list[Batch] = []
    pipeline = Pipeline(exchange, batches.append, on_gap=lambda gap: None)
    pipeline.new_feed().feed_rest(*response)
    pipeline.close()
    if len(batches) != 1:
        kinds = ", ".join(pipeline.unknown_frames) or "it holds no order book"
        raise VenueRefusedError(f"{response.url}: the response is not understood: {kinds}")
    return batches[0]
