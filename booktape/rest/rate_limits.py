"""How much may still be asked of a venue this minute: one count in Redis for all who ask.

Windows are fixed minutes, as Binance counts its request weight ("General API Information", LIMITS). A venue that
answers 429 or 418 with ``Retry-After`` is left alone by everyone until that time is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from booktape.model.errors import TransientError
from booktape.model.records import MINUTE, SECOND
from booktape.store import clock

_WINDOW_LIFE: Final = 120
"""Seconds: a window's count must outlive its minute, on clocks that differ a little."""


class RateLimitedError(TransientError):
    """The venue must not be asked now. ``seconds``: after which it may be."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class RedisUnavailableError(TransientError):
    """Redis does not answer, so nobody knows what is left."""


class RedisRateLimiter:
    """One venue's budget, shared by every process that has this Redis.

    :param weight_per_minute: what the venue allows.
    """

    def __init__(self, client: Redis[bytes], exchange: str, weight_per_minute: int) -> None:
        self._client = client
        self._exchange = exchange
        self._limit = weight_per_minute

    def take(self, weight: int) -> None:
        """Take the weight of one request out of this minute's budget. Raises :class:`RateLimitedError`.

        What is refused is not given back: the minute is used up anyway.
        """
        now = clock.now()
        window = f"booktape:budget:{self._exchange}:{now // MINUTE}"
        with _explained(), self._client.pipeline(transaction=True) as pipe:
            pipe.pttl(self._ban_key)
            pipe.incrby(window, weight)
            pipe.expire(window, _WINDOW_LIFE)
            banned, used, _ = pipe.execute()
            if banned > 0:
                raise RateLimitedError(
                    f"{self._exchange} asked to be left alone for {banned / 1_000:.0f} s", banned / 1_000
                )
            if used > self._limit:
                rest = (MINUTE - now % MINUTE) / SECOND
                raise RateLimitedError(
                    f"{self._exchange}: this minute's {self._limit} of request weight are used up", rest
                )

    def ban(self, seconds: float) -> None:
        """Let nobody ask the venue for some seconds: it said so. A ban that lasts longer than that stays as it is."""
        milliseconds = max(1, round(seconds * 1_000))

        def extend(pipe: Pipeline[bytes]) -> None:
            left = cast(int, pipe.pttl(self._ban_key))  # negative: there is no ban
            pipe.multi()
            if left < milliseconds:
                pipe.set(self._ban_key, "1", px=milliseconds)

        with _explained():
            self._client.transaction(extend, self._ban_key)  # type: ignore[no-untyped-call]  # redis types

    @property
    def _ban_key(self) -> str:
        return f"booktape:ban:{self._exchange}"


class LocalRateLimiter:
    """The budget of a process that shares with nobody it knows of: it only keeps away when it was told to."""

    def __init__(self, exchange: str) -> None:
        self._exchange = exchange
        self._banned_until = 0

    def take(self, weight: int) -> None:
        """Raises :class:`RateLimitedError` while banned."""
        left = (self._banned_until - clock.now()) / SECOND
        if left > 0:
            raise RateLimitedError(f"{self._exchange} asked to be left alone for {left:.0f} s", left)

    def ban(self, seconds: float) -> None:
        """Ask no more for some seconds."""
        self._banned_until = max(self._banned_until, clock.now() + round(seconds * SECOND))


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise RedisUnavailableError(f"Redis does not answer: {error}") from error
