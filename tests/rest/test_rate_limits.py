"""One budget of request weight for all who ask a venue."""

from collections.abc import Callable

import pytest
from fakeredis import FakeRedis, FakeServer

from booktape.model.records import MINUTE, SECOND
from booktape.rest.rate_limits import RateLimitedError, RedisRateLimiter
from booktape.store import clock
from booktape.store.redis_errors import RedisUnavailableError
from tests.waiting import DEADLINE

NOON = 1_723_204_800 * SECOND


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def set_clock(time: int) -> None:
        monkeypatch.setattr(clock, "now", lambda: time)

    set_clock(NOON)
    return set_clock


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis()


def test_the_budget_of_a_minute_is_shared(redis: FakeRedis, set_clock: Callable[[int], None]) -> None:
    one, another = RedisRateLimiter(redis, "binance", 100), RedisRateLimiter(redis, "binance", 100)
    set_clock(NOON + 45 * SECOND)
    one.take(50)
    another.take(50)
    with pytest.raises(RateLimitedError, match="binance: this minute's request weight of 100 is used up") as refusal:
        one.take(50)
    assert refusal.value.seconds == 15


def test_every_minute_has_a_budget_of_its_own(redis: FakeRedis, set_clock: Callable[[int], None]) -> None:
    budget = RedisRateLimiter(redis, "binance", 100)
    budget.take(100)
    set_clock(NOON + MINUTE)
    budget.take(100)


def test_venues_do_not_share(redis: FakeRedis, set_clock: Callable[[int], None]) -> None:
    RedisRateLimiter(redis, "binance", 100).take(100)
    RedisRateLimiter(redis, "okx", 100).take(100)


def test_a_ban_stops_everyone_until_it_is_over(redis: FakeRedis, set_clock: Callable[[int], None]) -> None:
    RedisRateLimiter(redis, "binance", 100).ban(12_000)
    with pytest.raises(RateLimitedError, match="accepts no requests") as refusal:
        RedisRateLimiter(redis, "binance", 100).take(1)
    assert refusal.value.seconds == pytest.approx(12_000, abs=DEADLINE)


def test_a_ban_is_never_shortened(redis: FakeRedis, set_clock: Callable[[int], None]) -> None:
    budget = RedisRateLimiter(redis, "binance", 100)
    for seconds in (12_000, 500, 24_000, 100):
        budget.ban(seconds)
    with pytest.raises(RateLimitedError) as refusal:
        budget.take(1)
    assert refusal.value.seconds == pytest.approx(24_000, abs=DEADLINE)


def test_counts_do_not_stay_for_ever(redis: FakeRedis, set_clock: Callable[[int], None]) -> None:
    RedisRateLimiter(redis, "binance", 100).take(1)
    assert [0 < redis.ttl(key) <= 120 for key in redis.scan_iter()] == [True]


def test_without_redis_nothing_is_asked(set_clock: Callable[[int], None]) -> None:
    server = FakeServer()
    server.connected = False
    with pytest.raises(RedisUnavailableError, match="Redis does not answer"):
        RedisRateLimiter(FakeRedis(server=server), "binance", 100).take(1)
