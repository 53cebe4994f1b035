"""Who works on what: a lock that a dead worker loses within seconds, and a sign of life between steps."""

from datetime import date

import pytest
from redis import Redis

from booktape.store.layout import Run
from booktape.store.redis_errors import RedisUnavailableError
from sandbox.redis import free_port
from tasks import locks
from tests.tasks.conftest import eventually

RUN = Run("binance-trades", date(2024, 8, 9), 1)
LOCK = "booktape:lock:binance-trades:2024-08-09"
SIGN = "booktape:attended:binance-trades:2024-08-09:1"
LONG = 600.0
"""Seconds: a life that does not end while a test runs."""


def test_a_source_and_day_is_one_workers_at_a_time(redis: "Redis[bytes]") -> None:
    republication = Run(RUN.source, RUN.day, 2)
    with (
        locks.holding(redis, RUN, LONG),
        pytest.raises(locks.LockedError, match="another worker is at binance-trades 2024-08-09"),
        locks.holding(redis, republication, LONG),
    ):
        pass
    with locks.holding(redis, republication, LONG):
        pass


def test_other_sources_and_days_are_free(redis: "Redis[bytes]") -> None:
    with locks.holding(redis, RUN, LONG), locks.holding(redis, Run("kraken-trades", RUN.day, 1), LONG):
        pass


def test_a_lock_is_kept_as_long_as_its_holder_lives(redis: "Redis[bytes]", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_RENEWALS", LONG / 0.05)
    with locks.holding(redis, RUN, LONG):
        for _ in range(3):
            assert redis.pexpire(LOCK, round(LONG * 500))  # half of its life has passed
            eventually(lambda: redis.pttl(LOCK) > LONG * 500, lambda: "the lock is renewed")
    assert not redis.exists(LOCK)


def test_a_lock_is_renewed_some_times_in_its_life() -> None:
    assert locks._RENEWALS >= 3


def test_a_dead_holders_lock_is_free_within_its_life(redis: "Redis[bytes]") -> None:
    redis.set(LOCK, "a worker that was killed", px=round(LONG * 1_000))
    with pytest.raises(locks.LockedError), locks.holding(redis, RUN, LONG):
        pass
    redis.pexpire(LOCK, 1)
    eventually(lambda: not redis.exists(LOCK), lambda: "the lock is free")
    with locks.holding(redis, RUN, LONG):
        assert 0 < redis.pttl(LOCK) <= LONG * 1_000


def test_a_run_is_looked_after_by_one_until_the_sign_of_life_is_over(redis: "Redis[bytes]") -> None:
    assert locks.claim_heartbeat(redis, RUN, LONG)
    assert not locks.claim_heartbeat(redis, RUN, LONG)
    assert 0 < redis.pttl(SIGN) <= LONG * 1_000
    redis.pexpire(SIGN, 1)
    eventually(lambda: locks.claim_heartbeat(redis, RUN, LONG), lambda: "the sign of life ends")
    assert not locks.claim_heartbeat(redis, RUN, LONG)


def test_working_on_a_run_is_a_sign_of_life(redis: "Redis[bytes]") -> None:
    with locks.holding(redis, RUN, LONG):
        assert not locks.claim_heartbeat(redis, RUN, LONG)


def test_without_redis_the_error_may_pass() -> None:
    away: Redis[bytes] = Redis(port=free_port(), retry=None)
    with pytest.raises(RedisUnavailableError, match="Redis does not answer"), locks.holding(away, RUN, LONG):
        pass
