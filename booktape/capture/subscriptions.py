"""Which streams go over which connection. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple
from zlib import crc32

from booktape.exchanges.spec import WHOLE_VENUE, Channel, Exchange, Subscription
from booktape.model.errors import BooktapeError


class UnknownDataTypeError(BooktapeError):
    """The exchange has no channel for a data type."""


class Route(NamedTuple):
    """One connection: the path of its URL, and what it subscribes to."""

    path: str
    subscriptions: list[Subscription]


def channels(exchange: Exchange, data_types: Sequence[str] = ()) -> list[Channel]:
    """The channels that carry some data types; all of them without any. Raises :class:`UnknownDataTypeError`."""
    known = {kind for channel in exchange.channels for kind in channel.data_types}
    for kind in data_types:
        if kind not in known:
            raise UnknownDataTypeError(f"{exchange.id} has no {kind!r}; it has: {', '.join(sorted(known))}")
    return [c for c in exchange.channels if not data_types or not set(c.data_types).isdisjoint(data_types)]


def subscriptions(exchange: Exchange, symbols: Iterable[str], data_types: Sequence[str] = ()) -> list[Subscription]:
    """What is subscribed to for some of the venue's symbols, all channels of a symbol together."""
    wanted = [channel.name for channel in channels(exchange, data_types) if not channel.venue_wide]
    return [Subscription(channel, symbol) for symbol in symbols for channel in wanted]


def venue_wide(exchange: Exchange, data_types: Sequence[str] = ()) -> list[Subscription]:
    """What is subscribed to once, whatever the markets are."""
    return [Subscription(c.name, WHOLE_VENUE) for c in channels(exchange, data_types) if c.venue_wide]


def routes(exchange: Exchange, wanted: Sequence[Subscription]) -> list[Route]:
    """The connections that some subscriptions take, as few as the venue's limit allows.

    All channels of one market stay on one connection as long as its URL allows, so that records without a time of their
    own are cut by the same clock in every instance.
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
    """One of several processes that share an exchange's markets: the ``number``-th (from 1) of ``total``."""

    number: int = 1
    total: int = 1

    def holds(self, symbol: str) -> bool:
        """Whether a symbol is this process's. It depends on nothing else, so a new listing moves no other market."""
        return crc32(symbol.encode()) % self.total == self.number - 1


WHOLE: Final = Shard()
"""One process has all markets."""
