"""Resolves the names and globs of a worker to markets, as the venue lists and delists them."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import httpx
from redis import Redis

from booktape.capture.subscriptions import Shard
from booktape.exchanges.spec import Exchange
from booktape.model.errors import TransientError
from booktape.model.records import Instrument
from booktape.model.symbols import is_pattern, literal_names, matching_markets
from booktape.rest.instruments import fetch_instruments
from booktape.rest.rate_limits import LocalRateLimiter, RateLimitedError, RedisRateLimiter
from booktape.store.redis_errors import RedisUnavailableError
from workers.connections import Connections

_TIMEOUT_SECONDS: Final = 20
_FIRST_RETRY: Final = 5.0
_MISSING_LISTS: Final = 3
"""A market is removed after this many lists in a row without it."""


class InstrumentWatcher:
    """Adds markets to a worker's connections and removes them.

    Markets given by name are recorded from the start, whatever the venue lists. Those that globs match follow its list.

    :param seconds: how often to fetch the list.
    :param redis_url: of the rate limit that all processes share; None for one of this process alone.
    :param rest_url: replaces the venue's own REST address.
    """

    def __init__(
        self,
        exchange: Exchange,
        names: tuple[str, ...],
        shard: Shard,
        connections: Connections,
        log: Any,
        *,
        seconds: float,
        redis_url: str | None,
        rest_url: str | None,
    ) -> None:
        self._exchange = exchange
        self._names = names
        self._shard = shard
        self._connections = connections
        self._log = log
        self._seconds = seconds
        self._rest_url = rest_url
        self._fixed = {exchange.symbol(name) for name in literal_names(names)}
        self._absent: Counter[str] = Counter()
        self._local_limiter = LocalRateLimiter(exchange.id)
        self._shared_limiter = None if redis_url is None else _shared_limiter(redis_url, exchange)

    async def run(self) -> None:
        """Record the named markets now, the others as soon as the venue has listed them, and then follow its list."""
        self._set(self._fixed)
        if not any(map(is_pattern, self._names)):
            return
        pause = first_pause = min(_FIRST_RETRY, self._seconds)
        while True:
            try:
                self._apply(await asyncio.to_thread(self._fetch))
            except TransientError as error:
                self._log.warning("instruments_unavailable", error=str(error), retry_in_seconds=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._seconds)
                continue
            except Exception as error:  # noqa: BLE001  # an invalid list must not end what is recorded already
                self._log.error("instruments_unavailable", error=f"{type(error).__name__}: {error}")
            pause = first_pause
            await asyncio.sleep(self._seconds)

    def _apply(self, instruments: list[Instrument]) -> None:
        """Record what is listed; remove what several lists in a row have left out, because one list may be wrong."""
        found = {instrument.symbol for instrument in matching_markets(self._names, instruments)}
        if not found:
            self._log.error("no_market_matches", markets=list(self._names), listed=len(instruments))
            return
        recorded = self._connections.symbols - self._fixed
        self._absent = Counter({symbol: self._absent[symbol] + 1 for symbol in recorded - found})
        kept = {symbol for symbol, lists in self._absent.items() if lists < _MISSING_LISTS}
        self._set(found | kept | self._fixed)

    def _set(self, symbols: Iterable[str]) -> None:
        ours = {symbol for symbol in symbols if self._shard.holds(symbol)}
        now = self._connections.symbols
        listed, delisted = sorted(ours - now), sorted(now - ours)
        if listed or delisted:
            self._log.info("markets", now=len(ours), listed=_some(listed), delisted=_some(delisted))
        self._connections.remove(delisted)
        self._connections.add(listed)

    def _fetch(self) -> list[Instrument]:
        with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
            if self._shared_limiter is not None:
                try:
                    return fetch_instruments(self._exchange, self._shared_limiter, client, base=self._rest_url)
                except RateLimitedError as error:
                    self._local_limiter.ban(error.seconds)
                    raise
                except RedisUnavailableError:  # one list now and then does not need the shared rate limit
                    pass
            return fetch_instruments(self._exchange, self._local_limiter, client, base=self._rest_url)


def _shared_limiter(redis_url: str, exchange: Exchange) -> RedisRateLimiter:
    client = Redis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=2)
    return RedisRateLimiter(client, exchange.rest.host, exchange.rest.weight_per_minute)


def _some(symbols: list[str]) -> list[str]:
    """The first twenty symbols, so that a log line never names a thousand."""
    return symbols if len(symbols) <= 20 else [*symbols[:20], f"… {len(symbols) - 20} more"]
