"""What a worker process needs: settings, stores, Redis, HTTP. Each is made on first use, so after Celery has forked."""

from __future__ import annotations

from functools import cache

import httpx
from redis import Redis

from booktape.exchanges import exchange as exchange_of
from booktape.publish.context import Context
from booktape.rest.rate_limits import RedisRateLimiter, shared_rate_limiter
from booktape.store.objects import Store, open_store
from config.context import open_context
from config.settings import Settings, load_settings
from config.venues import Venue, load_venues

_HTTP_TIMEOUT = 20


@cache
def settings() -> Settings:
    """The settings of this environment."""
    return load_settings()


@cache
def context() -> Context:
    """The stores, the merge engine, AWS and the sources."""
    return open_context(settings())


@cache
def recordings() -> Store:
    """This system's storage."""
    return open_store(settings().storage)


@cache
def venues() -> dict[str, Venue]:
    """The recorded venues, by exchange."""
    return load_venues(settings().venues)


@cache
def redis() -> Redis[bytes]:
    """A thread-safe Redis client, for locks and rate limits."""
    return Redis.from_url(settings().redis_url, socket_connect_timeout=5, socket_timeout=30)


@cache
def http_client() -> httpx.Client:
    """A thread-safe HTTP client."""
    return httpx.Client(timeout=_HTTP_TIMEOUT)


def rate_limiter(exchange: str) -> RedisRateLimiter:
    """The rate limit of an exchange, which all processes share."""
    return shared_rate_limiter(redis(), exchange_of(exchange))


def rest_url(exchange: str) -> str | None:
    """The REST URL in the venues file; None if the exchange's own is to be used."""
    venue = venues().get(exchange)
    return venue.rest_url if venue else None
