"""Fetching the list of a venue's instruments, and keeping it as data of its own."""

from collections.abc import Sequence
from typing import Final

import httpx
from msgspec import MsgspecError

from booktape.exchanges.spec import Exchange, Listing, Request, UnknownFrameError
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import INSTRUMENTS, MINUTE, Instrument
from booktape.rest.client import RateLimiter, VenueRefusedError, send_request
from booktape.store.layout import EVERY_MARKET, batch_key
from booktape.store.objects import Store

_MOST_PAGES: Final = 100


def fetch_instruments(
    exchange: Exchange, purse: RateLimiter, client: httpx.Client, *, base: str | None = None
) -> list[Instrument]:
    """Every instrument of a venue, by symbol, each symbol once.

    :param base: used instead of the REST URL that the exchange declares.

    Raises :class:`~booktape.rest.client.VenueRefusedError`, and what :func:`~booktape.rest.client.send_request` raises.
    """
    listing = exchange.rest.listing
    found = {
        instrument.symbol: instrument
        for request in listing.requests
        for instrument in _pages(listing, request, purse, client, base or exchange.rest.url)
    }
    if not found:
        raise VenueRefusedError(f"{exchange.id} lists no instrument at all")
    return [found[symbol] for symbol in sorted(found)]


def _pages(listing: Listing, first: Request, purse: RateLimiter, client: httpx.Client, base: str) -> list[Instrument]:
    found: list[Instrument] = []
    request: Request | None = first
    for _ in range(_MOST_PAGES):
        if request is None:
            return found
        answer = send_request(request, listing.weight, purse, client, base)
        try:
            found += listing.parse(answer.body, answer.received)
            request = listing.next_page(request, answer.body)
        except (UnknownFrameError, MsgspecError, ValueError, LookupError) as error:
            raise VenueRefusedError(f"{answer.url}: the answer is not understood: {error}") from error
    raise VenueRefusedError(f"{base.rstrip('/')}{first.path}: its list has more than {_MOST_PAGES} pages")


def store_instruments(exchange: Exchange, instruments: Sequence[Instrument], store: Store) -> str:
    """Keep a venue's instruments as one object, under the minute of their receipt; returns its key."""
    first, last = instruments[0].local_timestamp, instruments[-1].local_timestamp
    batch = Batch(
        INSTRUMENTS,
        EVERY_MARKET,
        min(first, last) // MINUTE * MINUTE,
        min(first, last),
        max(first, last),
        len(instruments),
        codec.encode_records(instruments),
    )
    key = str(batch_key(batch, exchange.id))
    store.create(key, codec.compress(batch.lines))
    return key
