"""Chooses what to subscribe to, and over which connections and processes. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple
from zlib import crc32

from booktape.exchanges.spec import WHOLE_VENUE, Channel, Exchange, Subscription
from booktape.model.errors import InvalidInputError


class UnknownDataTypeError(InvalidInputError):
    """An exchange has no channel for a data type."""


class Route(NamedTuple):
    """One connection: the path of its URL and its subscriptions."""

    path: str
    subscriptions: list[Subscription]


def channels(exchange: Exchange, data_types: Sequence[str] = ()) -> list[Channel]:
    """The channels that carry any of ``data_types``; all channels where none is given.

    :raises UnknownDataTypeError: the exchange has no channel for one of them.
    """
    known = {kind for channel in exchange.channels for kind in channel.data_types}
    for kind in data_types:
        if kind not in known:
            raise UnknownDataTypeError(f"{exchange.id} has no {kind!r}; it has: {', '.join(sorted(known))}")
    return [c for c in exchange.channels if not data_types or not set(c.data_types).isdisjoint(data_types)]


def subscriptions(exchange: Exchange, symbols: Iterable[str], data_types: Sequence[str] = ()) -> list[Subscription]:
    """The subscriptions of some of the venue's symbols, those of one symbol together."""
    wanted = [channel.name for channel in channels(exchange, data_types) if not channel.venue_wide]
    return [Subscription(channel, symbol) for symbol in symbols for channel in wanted]


def venue_wide(exchange: Exchange, data_types: Sequence[str] = ()) -> list[Subscription]:
    """The subscriptions to channels for all markets at once."""
    return [Subscription(c.name, WHOLE_VENUE) for c in channels(exchange, data_types) if c.venue_wide]


def routes(exchange: Exchange, wanted: Sequence[Subscription]) -> list[Route]:
    """Distribute subscriptions over as few connections as the venue's limit allows.

    All channels of one market stay on one connection where their URL allows it, so that every instance assigns records
    without a time of their own to minutes by the same clock.
    """
    limit = exchange.limits.streams_per_connection
    found: list[Route] = []
    open_routes: dict[str, Route] = {}
    for _, group in groupby(wanted, key=lambda subscription: subscription.symbol):
        for path, together in _by_path(exchange, group):
            route = open_routes.get(path)
            if route is None or len(route.subscriptions) + min(len(together), limit) > limit:
                route = None
            for subscription in together:
                if route is None or len(route.subscriptions) >= limit:
                    route = Route(path, [])
                    found.append(route)
                route.subscriptions.append(subscription)
            if route is not None:
                open_routes[path] = route
    return found


def _by_path(exchange: Exchange, group: Iterable[Subscription]) -> list[tuple[str, list[Subscription]]]:
    paths: dict[str, list[Subscription]] = {}
    for subscription in group:
        paths.setdefault(exchange.path(subscription), []).append(subscription)
    return list(paths.items())


class Shard(NamedTuple):
    """One of ``total`` processes that share the markets of an exchange. ``number`` counts from 1."""

    number: int = 1
    total: int = 1

    def holds(self, symbol: str) -> bool:
        """Whether a symbol belongs to this process. Other symbols do not matter, so a new listing moves no market."""
        return crc32(symbol.encode()) % self.total == self.number - 1


WHOLE: Final = Shard()
"""One process records all markets."""
