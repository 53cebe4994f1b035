"""The connections of one worker, and which market goes over which."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import median_high
from typing import Protocol

from booktape.capture.connection import Connection
from booktape.capture.connection import ConnectionEvents as LinkEvents
from booktape.capture.pipeline import Pipeline
from booktape.capture.raw_writer import RawFrames
from booktape.capture.subscriptions import WHOLE, Route, Shard, routes, subscriptions, venue_wide
from booktape.capture.timeouts import ConnectRateLimiter, Timeouts
from booktape.exchanges.spec import WHOLE_VENUE, Exchange, Subscription
from booktape.model.records import MINUTE, SECOND


class WorkerEvents(LinkEvents, Protocol):
    """What the links tell of themselves, and of what they carry."""

    def begun(self, subscriptions: Sequence[Subscription]) -> None:
        """Streams are to be recorded; their connections are yet to be told of."""

    def ended(self, subscriptions: Sequence[Subscription]) -> None:
        """Streams are to be recorded no more."""


class Connections:
    """Makes connections for markets as they come, and lets markets go.

    :param base: the venue's WebSocket URL.
    :param shard: of several processes that share the markets and what the venue allows to one address, the first one
        also records the channels that tell of the whole venue.
    """

    def __init__(
        self,
        exchange: Exchange,
        base: str,
        data_types: Sequence[str],
        recorder: Pipeline,
        events: WorkerEvents,
        patience: Timeouts,
        *,
        shard: Shard = WHOLE,
        raw: RawFrames | None = None,
    ) -> None:
        self._exchange = exchange
        self._base = base
        self._data_types = data_types
        self._recorder = recorder
        self._events = events
        self._patience = patience
        self._raw = raw
        self._turns = ConnectRateLimiter(shard.total * MINUTE / SECOND / exchange.limits.connections_per_minute)
        self._wide = venue_wide(exchange, data_types) if shard.number == 1 else []
        self._links: list[Connection] = []
        self._tasks: list[asyncio.Future[None]] = []

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._links)

    @property
    def symbols(self) -> set[str]:
        """The symbols that are recorded."""
        return {subscription.symbol for link in self._links for subscription in link.subscriptions} - {WHOLE_VENUE}

    @property
    def clock(self) -> int:
        """The exchange's time (µs; 0 before any): that of the middle connection, lest one that errs decides for all."""
        clocks = [link.connection.clock for link in self._links if link.connection.clock]
        return median_high(clocks) if clocks else 0

    def record(self, symbols: Iterable[str]) -> None:
        """Begin to record markets: over connections that have room, else over new ones."""
        wanted = subscriptions(self._exchange, symbols, self._data_types)
        wanted, self._wide = self._wide + wanted, []
        self._events.begun(wanted)
        for route in routes(self._exchange, self._placed(wanted)):
            link = Connection(
                self._exchange,
                self._base,
                route,
                self._recorder,
                self._events,
                self._turns,
                number=len(self._links),
                patience=self._patience,
                raw=self._raw,
            )
            self._links.append(link)
            self._tasks.append(asyncio.ensure_future(link.run()))

    def forget(self, symbols: Iterable[str]) -> None:
        """Record markets no longer."""
        gone = set(symbols)
        for link in self._links:
            left = [subscription for subscription in link.subscriptions if subscription.symbol in gone]
            if left:
                link.remove(left)
                self._events.ended(left)

    async def close(self) -> None:
        """End every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _placed(self, wanted: Sequence[Subscription]) -> list[Subscription]:
        """Give each route of what is wanted to a connection that has room for all of it; the rest is returned."""
        if not self._links:
            return list(wanted)
        rest: list[Subscription] = []
        more: dict[Connection, list[Subscription]] = {}
        for _, group in groupby(wanted, key=lambda subscription: subscription.symbol):
            for route in routes(self._exchange, list(group)):
                link = self._with_room(route, more)
                if link is None:
                    rest += route.subscriptions
                else:
                    more.setdefault(link, []).extend(route.subscriptions)
        for link, added in more.items():
            link.add(added)
        return rest

    def _with_room(self, route: Route, more: Mapping[Connection, Sequence[Subscription]]) -> Connection | None:
        limit = self._exchange.limits.streams_per_connection
        for link in self._links:
            taken = len(link.subscriptions) + len(more.get(link, ()))
            if link.path == route.path and taken + len(route.subscriptions) <= limit:
                return link
        return None
