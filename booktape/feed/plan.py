"""Which streams go over which connection. Pure."""

from collections.abc import Sequence

from booktape.errors import BooktapeError
from booktape.exchanges.spec import Exchange, Subscription


class UnknownDataType(BooktapeError):
    """The exchange has no channel for a data type."""


def plan(exchange: Exchange, markets: Sequence[str], data_types: Sequence[str] = ()) -> list[list[Subscription]]:
    """The subscriptions of each connection, as few connections as the venue's limit allows.

    All channels of one market stay on one connection as long as they fit, so that records without a time of their own
    are cut by the same clock in every instance. Without ``data_types``, every channel is subscribed to.
    """
    channels = dict.fromkeys(_channel(exchange, kind) for kind in data_types) or [c.name for c in exchange.channels]
    wanted = [Subscription(channel, exchange.symbol(market)) for market in markets for channel in channels]
    size = exchange.limits.streams_per_connection
    size = size // len(channels) * len(channels) or size
    return [wanted[start : start + size] for start in range(0, len(wanted), size)]


def _channel(exchange: Exchange, data_type: str) -> str:
    try:
        return exchange.channel(data_type).name
    except KeyError:
        known = ", ".join(sorted({kind for channel in exchange.channels for kind in channel.data_types}))
        raise UnknownDataType(f"{exchange.id} has no {data_type!r}; it has: {known}") from None
