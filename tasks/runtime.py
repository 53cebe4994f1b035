"""What this process works with, made when first asked for: in a worker's child, so after it was forked."""

from __future__ import annotations

from functools import cache

from redis import Redis

from booktape.publish.context import Context
from config.context import open_context
from config.settings import Settings, load_settings
from config.venues import Venue, load_venues


@cache
def settings() -> Settings:
    """The settings of this environment."""
    return load_settings()


@cache
def context() -> Context:
    """What the publishing steps work with."""
    return open_context(settings())


@cache
def venues() -> dict[str, Venue]:
    """The venues that are recorded."""
    return load_venues(settings().venues)


@cache
def redis() -> Redis[bytes]:
    """Redis, for locks and budgets. Thread-safe."""
    return Redis.from_url(settings().redis_url, socket_connect_timeout=5, socket_timeout=30)
