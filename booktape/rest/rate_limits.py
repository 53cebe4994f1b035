"""The rate limit of a venue's REST API.

Windows are fixed minutes, as Binance counts its request weight ("General API Information", LIMITS). After a venue has
answered 429 or 418 with ``Retry-After``, no process sends it requests until that time has passed.
"""

from __future__ import annotations

from typing import Final, Protocol, cast

from redis import Redis
from redis.client import Pipeline

from booktape.exchanges.spec import Exchange
from booktape.model.errors import TransientError
from booktape.model.records import MINUTE, SECOND
from booktape.store import clock
from booktape.store.redis_errors import redis_errors

_WINDOW_LIFETIME: Final = 120
"""Seconds. A window's count outlives its minute, because the clocks of two machines differ a little."""


class RateLimitedError(TransientError):
    """The venue must not be sent a request now. ``seconds``: when it may be again."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class RateLimiter(Protocol):
    """The rate limit of one venue."""

    def take(self, weight: int, /) -> None:
        """Take the weight of one request out of the limit. Raises :class:`RateLimitedError`."""

    def ban(self, seconds: float, /) -> None:
        """Refuse all requests for some seconds."""


class RedisRateLimiter:
    """A rate limit that all processes with the same Redis share.

    Methods raise :class:`~booktape.store.redis_errors.RedisUnavailableError` too.

    :param name: what the limit belongs to; limiters of the same name share it.
    :param weight_per_minute: the weight of requests that the venue allows.
    """

    def __init__(self, client: Redis[bytes], name: str, weight_per_minute: int) -> None:
        self._client = client
        self._name = name
        self._limit = weight_per_minute

    def take(self, weight: int) -> None:
        """Take the weight of one request out of this minute's limit. Raises :class:`RateLimitedError`.

        The weight of a refused request is not returned: the minute is used up anyway.
        """
        now = clock.now()
        window = f"booktape:budget:{self._name}:{now // MINUTE}"
        with redis_errors(), self._client.pipeline(transaction=True) as pipe:
            pipe.pttl(self._ban_key)
            pipe.incrby(window, weight)
            pipe.expire(window, _WINDOW_LIFETIME)
            banned, used, _ = pipe.execute()
        if banned > 0:
            raise _banned(self._name, banned / 1_000)
        if used > self._limit:
            left = (MINUTE - now % MINUTE) / SECOND
            raise RateLimitedError(f"{self._name}: this minute's request weight of {self._limit} is used up", left)

    def ban(self, seconds: float) -> None:
        """Refuse all requests for some seconds. A longer ban stays as it is."""
        milliseconds = max(1, round(seconds * 1_000))

        def extend(pipe: Pipeline[bytes]) -> None:
            left = cast(int, pipe.pttl(self._ban_key))  # negative if there is no ban
            pipe.multi()
            if left < milliseconds:
                pipe.set(self._ban_key, "1", px=milliseconds)

        with redis_errors():
            self._client.transaction(extend, self._ban_key)  # type: ignore[no-untyped-call]  # redis types

    @property
    def _ban_key(self) -> str:
        return f"booktape:ban:{self._name}"


def shared_rate_limiter(client: Redis[bytes], exchange: Exchange) -> RedisRateLimiter:
    """The rate limit of an exchange's REST API. Exchanges at one host share it."""
    return RedisRateLimiter(client, exchange.rest.host, exchange.rest.weight_per_minute)


class LocalRateLimiter:
    """The bans of one process that shares its limit with no other. It does not count weights."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._banned_until = 0

    def take(self, weight: int) -> None:
        """Raise :class:`RateLimitedError` while a ban lasts."""
        left = (self._banned_until - clock.now()) / SECOND
        if left > 0:
            raise _banned(self._name, left)

    def ban(self, seconds: float) -> None:
        """Refuse all requests for some seconds. A longer ban stays as it is."""
        self._banned_until = max(self._banned_until, clock.now() + round(seconds * SECOND))


def _banned(name: str, seconds: float) -> RateLimitedError:
    return RateLimitedError(f"{name} accepts no requests for {seconds:.0f} s", seconds)
