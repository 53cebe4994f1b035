"""Makes the backfiller of missing trades from the settings."""

from __future__ import annotations

from typing import Final

import httpx
from redis import Redis
from redis.exceptions import RedisError

from booktape.exchanges.spec import Exchange
from booktape.rest.backfill import Backfiller
from booktape.rest.rate_limits import LocalRateLimiter, RateLimiter, shared_rate_limiter
from booktape.store.layout import backfill_url
from booktape.store.objects import open_store
from config.settings import Settings
from config.venues import load_venues

_HTTP_TIMEOUT: Final = 20
_REDIS_TIMEOUT: Final = 5


def open_backfiller(settings: Settings) -> Backfiller:
    """A backfiller that reads what both systems recorded, and stores what it fetches below ``rest/`` in the primary's.

    It connects to venues and to Redis only when it is called.
    """
    primary = open_store(settings.storage)
    systems = {"primary": primary}
    if settings.replica is not None:
        systems["replica"] = open_store(settings.replica)
    return Backfiller(
        systems=systems,
        target=open_store(backfill_url(settings.storage)),
        rate_limiter=lambda exchange: _rate_limiter(settings, exchange),
        client=lambda: httpx.Client(timeout=_HTTP_TIMEOUT),
        base=lambda exchange: _rest_url(settings, exchange),
        max_trades=settings.heal_trades,
        max_seconds=settings.heal_seconds,
        quotas=primary,
    )


def _rate_limiter(settings: Settings, exchange: Exchange) -> RateLimiter:
    """The rate limit that all processes share through Redis. Without Redis there is no other process to share with."""
    redis: Redis[bytes] = Redis.from_url(
        settings.redis_url, socket_connect_timeout=_REDIS_TIMEOUT, socket_timeout=_REDIS_TIMEOUT
    )
    try:
        redis.ping()
    except RedisError:
        return LocalRateLimiter(exchange.id)
    return shared_rate_limiter(redis, exchange)


def _rest_url(settings: Settings, exchange: Exchange) -> str | None:
    """The REST URL in the venues file; None if the exchange's own is to be used."""
    venue = load_venues(settings.venues).get(exchange.id)
    return venue.rest_url if venue is not None else None
