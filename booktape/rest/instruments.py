"""Fetches the list of a venue's instruments, and stores it."""

from collections.abc import Sequence
from typing import Final

import httpx
from msgspec import MsgspecError

from booktape.exchanges.spec import Exchange, Listing, Request, UnknownFrameError
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import INSTRUMENTS, MINUTE, Instrument
from booktape.rest.client import VenueRefusedError, send_request
from booktape.rest.rate_limits import RateLimiter
from booktape.store.layout import EVERY_MARKET, batch_key
from booktape.store.objects import Store

_MAX_PAGES: Final = 100


def fetch_instruments(
    exchange: Exchange, rate_limiter: RateLimiter, client: httpx.Client, *, base: str | None = None
) -> list[Instrument]:
    """All instruments of a venue in order of symbol, each symbol once.

    :param base: used instead of the REST URL that the exchange declares.

    Raises :class:`~booktape.rest.client.VenueRefusedError`, and what :func:`~booktape.rest.client.send_request` raises.
    """
    listing = exchange.rest.listing
    found = {
        instrument.symbol: instrument
        for request in listing.requests
        for instrument in _pages(listing, request, rate_limiter, client, base or exchange.rest.url)
    }
    if not found:
        raise VenueRefusedError(f"{exchange.id} lists no instrument at all")
    return [found[symbol] for symbol in sorted(found)]


def _pages(
    listing: Listing, first: Request, rate_limiter: RateLimiter, client: httpx.Client, base: str
) -> list[Instrument]:
    found: list[Instrument] = []
    request: Request | None = first
    for _ in range(_MAX_PAGES):
        if request is None:
            return found
        response = send_request(request, listing.weight, rate_limiter, client, base)
        try:
            found += listing.parse(response.body, response.received)
            request = listing.next_page(request, response.body)
        except (UnknownFrameError, MsgspecError, ValueError, LookupError) as error:
            raise VenueRefusedError(f"{response.url}: the response is not understood: {error}") from error
    raise VenueRefusedError(f"{base.rstrip('/')}{first.path}: its list has more than {_MAX_PAGES} pages")


def store_instruments(exchange: Exchange, instruments: Sequence[Instrument], store: Store) -> str:
    """Store a venue's instruments as one object, in the minute of their receipt. Returns its key."""
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
