"""Who works on what: a lock that a dead worker loses within seconds, and a sign of life between steps."""

import time
from datetime import date

import pytest
from redis import Redis

from booktape.store.layout import Run
from sandbox.redis import free_port
from tasks import locks
from tests.tasks.conftest import eventually

RUN = Run("binance-trades", date(2024, 8, 9), 1)
LOCK = "booktape:lock:binance-trades:2024-08-09"


def test_a_source_and_day_is_one_workers_at_a_time(redis: "Redis[bytes]") -> None:
    republication = Run(RUN.source, RUN.day, 2)
    with (
        locks.holding(redis, RUN, 5),
        pytest.raises(locks.LockedError, match="another worker is at binance-trades 2024-08-09"),
        locks.holding(redis, republication, 5),
    ):
        pass
    with locks.holding(redis, republication, 5):
        pass


def test_other_sources_and_days_are_free(redis: "Redis[bytes]") -> None:
    with locks.holding(redis, RUN, 5), locks.holding(redis, Run("kraken-trades", RUN.day, 1), 5):
        pass


def test_a_lock_is_kept_as_long_as_its_holder_lives(redis: "Redis[bytes]") -> None:
    with locks.holding(redis, RUN, 0.3):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert redis.exists(LOCK)
            time.sleep(0.05)
    assert not redis.exists(LOCK)


def test_a_dead_holders_lock_is_free_within_its_life(redis: "Redis[bytes]") -> None:
    redis.set(LOCK, "a worker that was killed", px=200)
    with pytest.raises(locks.LockedError), locks.holding(redis, RUN, 0.2):
        pass
    eventually(lambda: not redis.exists(LOCK), lambda: "the lock is free")
    with locks.holding(redis, RUN, 0.2):
        pass


def test_a_run_is_looked_after_by_one_until_the_sign_of_life_is_over(redis: "Redis[bytes]") -> None:
    assert locks.claim_heartbeat(redis, RUN, 0.2)
    assert not locks.claim_heartbeat(redis, RUN, 0.2)
    eventually(lambda: locks.claim_heartbeat(redis, RUN, 60), lambda: "the sign of life ends")
    assert not locks.claim_heartbeat(redis, RUN, 60)


def test_working_on_a_run_is_a_sign_of_life(redis: "Redis[bytes]") -> None:
    with locks.holding(redis, RUN, 5):
        assert not locks.claim_heartbeat(redis, RUN, 5)


def test_without_redis_the_error_may_pass() -> None:
    away: Redis[bytes] = Redis(port=free_port(), retry=None)
    with pytest.raises(locks.RedisDownError, match="Redis does not answer"), locks.holding(away, RUN, 5):
        pass
