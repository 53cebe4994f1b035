"""The connections of one worker, and which market goes over which."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from booktape.core.records import MINUTE, SECOND
from booktape.exchanges.spec import WHOLE_VENUE, Exchange, Subscription
from booktape.feed.link import Events, Link
from booktape.feed.patience import Patience, Turns
from booktape.feed.plan import Route, routes, subscriptions, venue_wide
from booktape.recorder import Recorder


class Links:
    """Makes connections for markets as they come, and lets markets go.

    :param base: the venue's WebSocket URL.
    :param sharing: how many processes share what the venue allows to one address.
    """

    def __init__(
        self,
        exchange: Exchange,
        base: str,
        data_types: Sequence[str],
        recorder: Recorder,
        events: Events,
        patience: Patience,
        *,
        sharing: int = 1,
    ) -> None:
        self._exchange = exchange
        self._base = base
        self._data_types = data_types
        self._recorder = recorder
        self._events = events
        self._patience = patience
        self._turns = Turns(sharing * MINUTE / SECOND / exchange.limits.connections_per_minute)
        self._links: list[Link] = []
        self._tasks: list[asyncio.Future[None]] = []

    def __iter__(self) -> Iterator[Link]:
        return iter(self._links)

    @property
    def symbols(self) -> set[str]:
        """The symbols that are recorded."""
        return {subscription.symbol for link in self._links for subscription in link.subscriptions} - {WHOLE_VENUE}

    @property
    def clock(self) -> int:
        """The newest time that the exchange has told on any connection (µs); 0 before any."""
        return max((link.connection.clock for link in self._links), default=0)

    def record(self, symbols: Iterable[str]) -> None:
        """Begin to record markets: over connections that have room, else over new ones."""
        wanted = subscriptions(self._exchange, symbols, self._data_types)
        if not self._links:
            wanted = venue_wide(self._exchange, self._data_types) + wanted
        for route in routes(self._exchange, self._placed(wanted)):
            link = Link(
                self._exchange,
                self._base,
                route,
                self._recorder,
                self._events,
                self._turns,
                number=len(self._links),
                patience=self._patience,
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
        for _, group in groupby(wanted, key=lambda subscription: subscription.symbol):
            for route in routes(self._exchange, list(group)):
                link = self._with_room(route)
                if link is None:
                    rest += route.subscriptions
                else:
                    link.add(route.subscriptions)
        return rest

    def _with_room(self, route: Route) -> Link | None:
        limit = self._exchange.limits.streams_per_connection
        for link in self._links:
            if link.path == route.path and len(link.subscriptions) + len(route.subscriptions) <= limit:
                return link
        return None
