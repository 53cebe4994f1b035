"""What fetches missing trades, made from the settings."""

from __future__ import annotations

from typing import Final

import httpx
from redis import Redis
from redis.exceptions import RedisError

from booktape.exchanges.spec import Exchange
from booktape.rest.backfill import Backfiller
from booktape.rest.client import RateLimiter
from booktape.rest.rate_limits import LocalRateLimiter, RedisRateLimiter
from booktape.store.layout import backfill_url
from booktape.store.objects import open_store
from config.settings import Settings
from config.venues import load_venues

_TIMEOUT_SECONDS: Final = 20
_REDIS_SECONDS: Final = 5


def open_backfiller(settings: Settings) -> Backfiller:
    """Reads what both systems recorded, and keeps what it fetches in the primary's storage below ``rest/``.

    Nothing is asked of any venue, nor of Redis, before it heals.
    """
    primary = open_store(settings.storage)
    systems = {"primary": primary}
    if settings.replica is not None:
        systems["replica"] = open_store(settings.replica)
    return Backfiller(
        systems=systems,
        rest=open_store(backfill_url(settings.storage)),
        purse=lambda exchange: _purse(settings, exchange),
        client=lambda: httpx.Client(timeout=_TIMEOUT_SECONDS),
        base=lambda exchange: _base(settings, exchange),
        most_trades=settings.heal_trades,
        seconds=settings.heal_seconds,
        accounts=primary,
    )


def _purse(settings: Settings, exchange: Exchange) -> RateLimiter:
    """The budget that all share through Redis; without a Redis there is nobody to share it with."""
    redis: Redis[bytes] = Redis.from_url(
        settings.redis_url, socket_connect_timeout=_REDIS_SECONDS, socket_timeout=_REDIS_SECONDS
    )
    try:
        redis.ping()
    except RedisError:
        return LocalRateLimiter(exchange.id)
    return RedisRateLimiter(redis, exchange.id, exchange.rest.weight_per_minute)


def _base(settings: Settings, exchange: Exchange) -> str | None:
    """The URL that the venues file gives in place of the exchange's own, if it does."""
    venue = load_venues(settings.venues).get(exchange.id)
    return venue.rest_url if venue is not None else None
