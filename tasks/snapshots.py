"""Order-book snapshots over REST: a scheduled task for each exchange, which starts one for each market."""

from booktape.exchanges import exchange as exchange_of
from booktape.model.errors import NotAvailableError
from booktape.model.symbols import is_pattern, literal_names, matching_markets
from booktape.rest.books import fetch_book, require_book
from booktape.rest.instruments import fetch_instruments
from config import metrics
from config.venues import Venue
from tasks.application import BoundTask, task
from tasks.resources import http_client, rate_limiter, recordings, rest_url, settings, venues
from tasks.retries import retrying_requests


class ExchangeNotRecordedError(NotAvailableError):
    """The venues file does not name that exchange."""


@task("tasks.snapshots.fetch_all")
def fetch_all(self: BoundTask, exchange: str, since: int | None = None) -> None:
    """Fetch the order book of every recorded market of an exchange, each in a task of its own.

    A snapshot that is not fetched before the next round is dropped.
    """
    venue = _venue(exchange)
    require_book(exchange_of(exchange))
    with retrying_requests(self, exchange, since):
        markets = _markets(venue)
    for market in markets:
        fetch_one.apply_async((exchange, market), expires=venue.snapshot_seconds)


@task("tasks.snapshots.fetch")
def fetch_one(self: BoundTask, exchange: str, market: str, since: int | None = None) -> None:
    """Fetch one market's order book and store it. The venues file need not name the market: workers may request any."""
    with retrying_requests(self, exchange, since):
        fetch_book(
            exchange_of(exchange),
            market,
            recordings(),
            rate_limiter(exchange),
            http_client(),
            base=rest_url(exchange),
            keep_raw=settings().raw,
        )
    metrics.emit({"Exchange": exchange}, {"SnapshotsFetched": 1}, market=market)


def _markets(venue: Venue) -> list[str]:
    """The recorded markets. Patterns are matched against the venue's list of instruments."""
    markets = literal_names(venue.markets)
    if any(map(is_pattern, venue.markets)):
        exchange = exchange_of(venue.name)
        instruments = fetch_instruments(exchange, rate_limiter(venue.name), http_client(), base=venue.rest_url)
        markets += [instrument.market for instrument in matching_markets(venue.markets, instruments)]
    return list(dict.fromkeys(markets))


def _venue(exchange: str) -> Venue:
    try:
        return venues()[exchange]
    except KeyError:
        known = ", ".join(sorted(venues())) or "none"
        raise ExchangeNotRecordedError(f"{exchange} is not recorded; the venues file has: {known}") from None
