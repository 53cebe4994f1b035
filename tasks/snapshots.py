"""Order-book snapshots over REST: one task per exchange on schedule, which makes one per market."""

from functools import cache

from booktape.exchanges import exchange as exchange_of
from booktape.model.errors import BooktapeError
from booktape.model.symbols import is_pattern, literal_names, matching_markets
from booktape.rest.books import fetch_book, require_book
from booktape.rest.instruments import fetch_instruments
from booktape.store.objects import Store, open_store
from config import metrics
from config.venues import Venue
from tasks.application import BoundTask, task
from tasks.rest_calls import budget, client, patiently, rest_url
from tasks.runtime import settings, venues


class ExchangeNotRecordedError(BooktapeError):
    """The venues file does not name that exchange."""


@task("tasks.snapshots.fetch_all")
def fetch_all(self: BoundTask, exchange: str, since: int | None = None) -> None:
    """Fetch the order book of every recorded market of an exchange, each in a task of its own.

    What is not fetched by the time of the next round is dropped: an old snapshot is worth nothing.
    """
    venue = _venue(exchange)
    require_book(exchange_of(exchange))
    with patiently(self, exchange, since):
        markets = _markets(venue)
    for market in markets:
        fetch_one.apply_async((exchange, market), expires=venue.snapshot_seconds)


@task("tasks.snapshots.fetch")
def fetch_one(self: BoundTask, exchange: str, market: str, since: int | None = None) -> None:
    """Fetch one market's order book and store it."""
    declared = exchange_of(exchange)
    with patiently(self, exchange, since):
        # A connection worker may ask for a market that the venues file does not name.
        keep_raw = settings().raw
        fetch_book(declared, market, _store(), budget(exchange), client(), base=rest_url(exchange), keep_raw=keep_raw)
    metrics.emit({"Exchange": exchange}, {"SnapshotsFetched": 1}, market=market)


def _markets(venue: Venue) -> list[str]:
    """The recorded markets; what globs stand for is looked up in the venue's list."""
    markets = literal_names(venue.markets)
    if any(map(is_pattern, venue.markets)):
        exchange = exchange_of(venue.name)
        instruments = fetch_instruments(exchange, budget(venue.name), client(), base=venue.rest_url)
        markets += [instrument.market for instrument in matching_markets(venue.markets, instruments)]
    return list(dict.fromkeys(markets))


def _venue(exchange: str) -> Venue:
    try:
        return venues()[exchange]
    except KeyError:
        known = ", ".join(sorted(venues())) or "none"
        raise ExchangeNotRecordedError(f"{exchange} is not recorded; the venues file has: {known}") from None


@cache
def _store() -> Store:
    return open_store(settings().storage)
