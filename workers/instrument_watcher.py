"""Keeps a worker's markets those that its orders stand for, as the venue lists and delists them."""

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
from booktape.rest.rate_limits import LocalRateLimiter, RateLimitedError, RedisRateLimiter, RedisUnavailableError
from workers.connections import Connections

_TIMEOUT_SECONDS: Final = 20
_FIRST_RETRY: Final = 5.0
_LISTS: Final = 3
"""So many lists in a row must leave a market out before it is let go."""


class InstrumentWatcher:
    """The markets of one worker, by names and globs.

    Named markets are recorded from the start, whatever the venue lists; what globs stand for follows its list.
    """

    def __init__(
        self,
        exchange: Exchange,
        names: tuple[str, ...],
        shard: Shard,
        links: Connections,
        log: Any,
        *,
        seconds: float,
        redis_url: str | None,
        rest_url: str | None,
    ) -> None:
        self._exchange = exchange
        self._names = names
        self._shard = shard
        self._links = links
        self._log = log
        self._seconds = seconds
        self._rest_url = rest_url
        self._fixed = {exchange.symbol(name) for name in literal_names(names)}
        self._absent: Counter[str] = Counter()
        self._own = LocalRateLimiter(exchange.id)
        self._shared = None if redis_url is None else _budget(redis_url, exchange)

    async def run(self) -> None:
        """Record the named markets now, and the others as soon as the venue tells them; then follow its list."""
        self._set(self._fixed)
        if not any(map(is_pattern, self._names)):
            return
        pause = first_pause = min(_FIRST_RETRY, self._seconds)
        while True:
            try:
                self._follow(await asyncio.to_thread(self._fetch))
            except TransientError as error:
                self._log.warning("no_list_of_instruments", error=str(error), again_in_seconds=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._seconds)
                continue
            except Exception as error:  # a list that cannot be read must not end what is recorded already
                self._log.error("no_list_of_instruments", error=f"{type(error).__name__}: {error}")
            pause = first_pause
            await asyncio.sleep(self._seconds)

    def _follow(self, instruments: list[Instrument]) -> None:
        """Record what is listed; let go what several lists in a row have left out: one list may be wrong."""
        found = {instrument.symbol for instrument in matching_markets(self._names, instruments)}
        if not found:
            self._log.error("no_market_matches", markets=list(self._names), listed=len(instruments))
            return
        recorded = self._links.symbols - self._fixed
        self._absent = Counter({symbol: self._absent[symbol] + 1 for symbol in recorded - found})
        kept = {symbol for symbol, lists in self._absent.items() if lists < _LISTS}
        self._set(found | kept | self._fixed)

    def _set(self, symbols: Iterable[str]) -> None:
        ours = {symbol for symbol in symbols if self._shard.holds(symbol)}
        now = self._links.symbols
        listed, delisted = sorted(ours - now), sorted(now - ours)
        if listed or delisted:
            self._log.info("markets", now=len(ours), listed=_some(listed), delisted=_some(delisted))
        self._links.forget(delisted)
        self._links.record(listed)

    def _fetch(self) -> list[Instrument]:
        with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
            if self._shared is not None:
                try:
                    return fetch_instruments(self._exchange, self._shared, client, base=self._rest_url)
                except RateLimitedError as error:
                    self._own.ban(error.seconds)
                    raise
                except RedisUnavailableError:  # recording goes on without Redis, and one list now and then is no storm
                    pass
            return fetch_instruments(self._exchange, self._own, client, base=self._rest_url)


def _budget(redis_url: str, exchange: Exchange) -> RedisRateLimiter:
    client = Redis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=2)
    return RedisRateLimiter(client, exchange.rest.host, exchange.rest.weight_per_minute)


def _some(symbols: list[str]) -> list[str]:
    """A log line does not name a thousand markets."""
    return symbols if len(symbols) <= 20 else [*symbols[:20], f"… {len(symbols) - 20} more"]
