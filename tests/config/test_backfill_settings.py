"""The backfiller that the settings make."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from fakeredis import FakeRedis, FakeServer
from redis.exceptions import ConnectionError as RedisConnectionError

from booktape.exchanges import exchange
from booktape.rest.rate_limits import LocalRateLimiter, RateLimitedError, shared_rate_limiter
from config import backfill
from config.settings import Settings


def test_backfill_shares_its_rate_limit_with_all_other_requests(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    redis = FakeRedis(server=FakeServer())
    monkeypatch.setattr(backfill, "Redis", SimpleNamespace(from_url=lambda url, **options: redis))
    venue = exchange("binance")
    limiter = backfill.open_backfiller(Settings(storage=str(tmp_path))).rate_limiter(venue)
    shared_rate_limiter(redis, venue).take(venue.rest.weight_per_minute)
    with pytest.raises(RateLimitedError):
        limiter.take(1)


def test_without_redis_backfill_only_observes_its_own_bans(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse() -> None:
        raise RedisConnectionError("refused")

    monkeypatch.setattr(
        backfill, "Redis", SimpleNamespace(from_url=lambda url, **options: SimpleNamespace(ping=refuse))
    )
    limiter = backfill.open_backfiller(Settings(storage=str(tmp_path))).rate_limiter(exchange("binance"))
    assert isinstance(limiter, LocalRateLimiter)
