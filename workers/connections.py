"""The connections of one worker: which market goes over which of them."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import median_high
from typing import Protocol

from booktape.capture.connection import Connection, ConnectionEvents
from booktape.capture.pipeline import Pipeline
from booktape.capture.raw_writer import RawFrames
from booktape.capture.subscriptions import WHOLE, Route, Shard, routes, subscriptions, venue_wide
from booktape.capture.timeouts import ConnectRateLimiter, Timeouts
from booktape.exchanges.spec import WHOLE_VENUE, Exchange, Subscription
from booktape.model.records import MINUTE, SECOND


class WorkerEvents(ConnectionEvents, Protocol):
    """Receives what happens to the connections and to the streams that they carry."""

    def added(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscriptions are to be recorded; no connection carries them yet."""

    def removed(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscriptions are no longer to be recorded."""


class Connections:
    """Adds and removes markets, and creates connections as they are needed. Iterates over its connections.

    :param base: the venue's WebSocket URL.
    :param shard: the share of the markets, and of what the venue allows per address. The first shard also records the
        channels for all markets at once.
    """

    def __init__(
        self,
        exchange: Exchange,
        base: str,
        data_types: Sequence[str],
        pipeline: Pipeline,
        events: WorkerEvents,
        timeouts: Timeouts,
        *,
        shard: Shard = WHOLE,
        raw: RawFrames | None = None,
    ) -> None:
        self._exchange = exchange
        self._base = base
        self._data_types = data_types
        self._pipeline = pipeline
        self._events = events
        self._timeouts = timeouts
        self._raw = raw
        self._rate_limiter = ConnectRateLimiter(shard.total * MINUTE / SECOND / exchange.limits.connections_per_minute)
        self._venue_wide = venue_wide(exchange, data_types) if shard.number == 1 else []
        self._connections: list[Connection] = []
        self._tasks: list[asyncio.Future[None]] = []

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._connections)

    @property
    def symbols(self) -> set[str]:
        """The symbols that are recorded."""
        symbols = {subscription.symbol for connection in self for subscription in connection.subscriptions}
        return symbols - {WHOLE_VENUE}

    @property
    def clock(self) -> int:
        """The exchange's time (µs; 0 before any): the median of all connections, in case one of them errs."""
        clocks = [connection.feed.clock for connection in self if connection.feed.clock]
        return median_high(clocks) if clocks else 0

    def add(self, symbols: Iterable[str]) -> None:
        """Start to record markets: over connections that have room, then over new ones."""
        added = subscriptions(self._exchange, symbols, self._data_types)
        added, self._venue_wide = self._venue_wide + added, []
        self._events.added(added)
        for route in routes(self._exchange, self._place(added)):
            connection = Connection(
                self._exchange,
                self._base,
                route,
                self._pipeline,
                self._events,
                self._rate_limiter,
                number=len(self._connections),
                timeouts=self._timeouts,
                raw=self._raw,
            )
            self._connections.append(connection)
            self._tasks.append(asyncio.ensure_future(connection.run()))

    def remove(self, symbols: Iterable[str]) -> None:
        """Stop recording markets."""
        gone = set(symbols)
        for connection in self:
            removed = [subscription for subscription in connection.subscriptions if subscription.symbol in gone]
            if removed:
                connection.remove(removed)
                self._events.removed(removed)

    async def close(self) -> None:
        """End every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _place(self, added: Sequence[Subscription]) -> list[Subscription]:
        """Add each route to a connection that has room for all of it. Returns the subscriptions that are left."""
        if not self._connections:
            return list(added)
        left: list[Subscription] = []
        placed: dict[Connection, list[Subscription]] = {}
        for _, group in groupby(added, key=lambda subscription: subscription.symbol):
            for route in routes(self._exchange, list(group)):
                connection = self._with_room(route, placed)
                if connection is None:
                    left += route.subscriptions
                else:
                    placed.setdefault(connection, []).extend(route.subscriptions)
        for connection, more in placed.items():
            connection.add(more)
        return left

    def _with_room(self, route: Route, placed: Mapping[Connection, Sequence[Subscription]]) -> Connection | None:
        limit = self._exchange.limits.streams_per_connection
        for connection in self:
            used = len(connection.subscriptions) + len(placed.get(connection, ()))
            if connection.path == route.path and used + len(route.subscriptions) <= limit:
                return connection
        return None
