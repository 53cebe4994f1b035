"""Order-book snapshots over REST: one task per exchange on schedule, which makes one per market."""

from functools import cache

import httpx

from booktape.errors import BooktapeError, Transient
from booktape.exchanges import exchange as exchange_of
from booktape.rest.budget import Budget, OverBudget
from booktape.rest.books import fetch as fetch_book
from booktape.rest.books import require_book
from booktape.storage import Store, open_store
from config import metrics
from config.venues import Venue
from tasks.application import BoundTask, task
from tasks.retrying import try_again
from tasks.runtime import redis, settings, venues

TIMEOUT_SECONDS = 20


class NotRecorded(BooktapeError):
    """The venues file does not name that exchange."""


@task("tasks.snapshots.fetch_all")
def fetch_all(self: BoundTask, exchange: str) -> None:
    """Fetch the order book of every recorded market of an exchange, each in a task of its own.

    What is not fetched by the time of the next round is dropped: an old snapshot is worth nothing.
    """
    venue = _venue(exchange)
    require_book(exchange_of(exchange))
    for market in venue.markets:
        fetch.apply_async((exchange, market), expires=venue.snapshot_seconds)


@task("tasks.snapshots.fetch")
def fetch(self: BoundTask, exchange: str, market: str, since: int | None = None) -> None:
    """Fetch one market's order book and store it."""
    declared = exchange_of(exchange)
    budget = Budget(redis(), exchange, declared.rest.budget)
    venue = venues().get(exchange)  # a connection worker may ask for a market that the file does not name
    try:
        fetch_book(declared, market, _store(), budget, _client(), base=venue.rest_url if venue else None)
    except OverBudget as error:
        metrics.emit({"Exchange": exchange}, {"SnapshotsDelayed": 1}, market=market)
        pause = min(error.seconds, settings().retry_most_seconds)  # a ban may outlast the broker's visibility timeout
        raise self.retry(exc=error, countdown=pause) from error
    except Transient as error:
        try_again(self, error, settings().patience, since)
    metrics.emit({"Exchange": exchange}, {"SnapshotsFetched": 1}, market=market)


def _venue(exchange: str) -> Venue:
    try:
        return venues()[exchange]
    except KeyError:
        known = ", ".join(sorted(venues())) or "none"
        raise NotRecorded(f"{exchange} is not recorded; the venues file has: {known}") from None


@cache
def _store() -> Store:
    return open_store(settings().storage)


@cache
def _client() -> httpx.Client:
    return httpx.Client(timeout=TIMEOUT_SECONDS)
