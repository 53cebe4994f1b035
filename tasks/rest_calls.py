"""What tasks that ask venues over REST have in common: one client, one budget, and patience."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import httpx

from booktape.exchanges import exchange as exchange_of
from booktape.model.errors import TransientError
from booktape.rest.rate_limits import RateLimitedError, RedisRateLimiter
from config import metrics
from tasks.application import BoundTask
from tasks.retries import try_again
from tasks.runtime import redis, settings, venues

TIMEOUT_SECONDS = 20


@cache
def client() -> httpx.Client:
    """The process's HTTP client."""
    return httpx.Client(timeout=TIMEOUT_SECONDS)


def budget(exchange: str) -> RedisRateLimiter:
    """What may still be asked of a venue, by everybody together: exchanges at one host share it."""
    rest = exchange_of(exchange).rest
    return RedisRateLimiter(redis(), rest.host, rest.weight_per_minute)


def rest_url(exchange: str) -> str | None:
    """The URL that the venues file gives in place of the exchange's own, if it does."""
    venue = venues().get(exchange)
    return venue.rest_url if venue else None


@contextmanager
def patiently(task: BoundTask, exchange: str, since: int | None) -> Iterator[None]:
    """Try the task again later where a venue must not be asked now, or does not answer."""
    try:
        yield
    except RateLimitedError as error:
        metrics.emit({"Exchange": exchange}, {"RequestsDelayed": 1})
        pause = min(error.seconds, settings().retry_most_seconds)  # a ban may outlast the broker's visibility timeout
        raise task.retry(exc=error, countdown=pause) from error
    except TransientError as error:
        try_again(task, error, settings().patience, since)
