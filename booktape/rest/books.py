"""Fetching one market's order book over REST, and keeping it like every other record."""

import httpx

from booktape.capture.pipeline import Pipeline
from booktape.exchanges.spec import Exchange, RestBook
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.errors import BooktapeError
from booktape.rest.client import RateLimiter, RestAnswer, VenueRefusedError, send_request
from booktape.store import raw_frames
from booktape.store.layout import batch_key
from booktape.store.objects import Store


class NoRestBookError(BooktapeError):
    """The exchange declares no order books over REST."""


def require_book(exchange: Exchange) -> RestBook:
    """How the exchange gives order books over REST. Raises :class:`NoRestBookError`."""
    if exchange.rest.book is None:
        raise NoRestBookError(f"{exchange.id} declares no order books over REST; its stream begins with one")
    return exchange.rest.book


def fetch_book(
    exchange: Exchange,
    market: str,
    store: Store,
    purse: RateLimiter,
    client: httpx.Client,
    *,
    base: str | None = None,
    keep_raw: bool = False,
) -> str:
    """Fetch a market's order book and store it create-only under its content's key, which is returned.

    :param base: used instead of the REST URL that the exchange declares.
    :param keep_raw: store the answer as it came, too (:mod:`booktape.store.raw_frames`).

    Raises :class:`NoRestBookError`, and what :func:`~booktape.rest.client.send_request` raises.
    """
    book = require_book(exchange)
    request = book.request(exchange.symbol(market))
    answer = send_request(request, book.weight, purse, client, base or exchange.rest.url)
    if keep_raw:
        store.create(*raw_frames.answer_object(exchange.id, *answer))
    batch = _batch(exchange, answer)
    key = str(batch_key(batch, exchange.id))
    store.create(key, codec.compress(batch.lines))
    return key


def _batch(exchange: Exchange, answer: RestAnswer) -> Batch:
    """The answer's one snapshot, by the path that every record takes."""
    batches: list[Batch] = []
    recorder = Pipeline(exchange, batches.append, on_gap=lambda gap: None)
    recorder.new_feed().feed_rest(*answer)
    recorder.close()
    if len(batches) != 1:
        kinds = ", ".join(recorder.unknown_frames) or "it holds no order book"
        raise VenueRefusedError(f"{answer.url}: the answer is not understood: {kinds}")
    return batches[0]
