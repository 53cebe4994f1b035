"""Fetching one market's order book over REST, and keeping it like every other record."""

import httpx

from booktape import raw
from booktape.core import codec
from booktape.core.streams import Batch, key_of
from booktape.errors import BooktapeError
from booktape.exchanges.spec import Exchange, RestBook
from booktape.recorder import Recorder
from booktape.rest.asking import Answer, Purse, VenueRefused, ask
from booktape.storage import Store


class NoRestBook(BooktapeError):
    """The exchange declares no order books over REST."""


def require_book(exchange: Exchange) -> RestBook:
    """How the exchange gives order books over REST. Raises :class:`NoRestBook`."""
    if exchange.rest.book is None:
        raise NoRestBook(f"{exchange.id} declares no order books over REST; its stream begins with one")
    return exchange.rest.book


def fetch(
    exchange: Exchange,
    market: str,
    store: Store,
    purse: Purse,
    client: httpx.Client,
    *,
    base: str | None = None,
    keep_raw: bool = False,
) -> str:
    """Fetch a market's order book and store it create-only under its content's key, which is returned.

    :param base: used instead of the REST URL that the exchange declares.
    :param keep_raw: store the answer as it came, too (:mod:`booktape.raw`).

    Raises :class:`NoRestBook`, and what :func:`~booktape.rest.asking.ask` raises.
    """
    book = require_book(exchange)
    request = book.request(exchange.symbol(market))
    answer = ask(request, book.weight, purse, client, base or exchange.rest.url)
    if keep_raw:
        store.create(*raw.answer_object(exchange.id, *answer))
    batch = _batch(exchange, answer)
    key = str(key_of(batch, exchange.id))
    store.create(key, codec.compress(batch.lines))
    return key


def _batch(exchange: Exchange, answer: Answer) -> Batch:
    """The answer's one snapshot, by the path that every record takes."""
    batches: list[Batch] = []
    recorder = Recorder(exchange, batches.append, on_gap=lambda gap: None)
    recorder.connection().feed_rest(*answer)
    recorder.close()
    if len(batches) != 1:
        kinds = ", ".join(recorder.not_understood) or "it holds no order book"
        raise VenueRefused(f"{answer.url}: the answer is not understood: {kinds}")
    return batches[0]
