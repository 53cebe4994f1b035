"""What an exchange declares about itself. An exchange's module is one :class:`Exchange`: data beside pure parsers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple

from booktape.core.book import Book

COUNTER: Final = "counter"
"""Pseudo data type of a :class:`Message` that carries a frame's number on its connection, and no record."""


class NotUnderstood(ValueError):
    """A frame that the parser does not know. Its text names the kind; frames are counted by it.

    ``number`` is the frame's number on its connection, where the venue gives one: the frame did arrive.
    """

    def __init__(self, kind: str, number: int | None = None) -> None:
        super().__init__(kind)
        self.number = number


class Refused(ValueError):
    """A frame in which the venue says no: to a subscription, mostly."""


Message = tuple[str, str, int, Any]
"""One record out of a frame, and where it belongs: data type, the venue's symbol, time, record.

``time`` is the exchange's time to cut batches by, in µs; 0 where the message carries none. The record is a
:data:`~booktape.core.records.Record`; for :data:`COUNTER` it is the frame's number, an integer. A plain tuple, since
one is made for every message.
"""


class Subscription(NamedTuple):
    """One channel of one market, in the venue's own words."""

    channel: str
    symbol: str


@dataclass(frozen=True)
class Channel:
    """One of the venue's channels.

    ``rule`` is a name from :mod:`booktape.core.sequence`. ``quiet`` is how many seconds of silence are usual for a
    live market; after that, the stream is reported silent and its connection is made anew, ever more rarely.
    """

    name: str
    data_types: tuple[str, ...]
    rule: str
    quiet: int = 60


@dataclass(frozen=True)
class Limits:
    """What the venue allows. Times in seconds."""

    streams_per_connection: int
    messages_per_second: float
    subscriptions_per_message: int
    connection_lifetime: int | None = None
    """After this many seconds the venue ends a connection by itself."""


@dataclass(frozen=True)
class Ping:
    """A keep-alive message that the venue wants from the client, every so many seconds."""

    message: bytes
    seconds: int


@dataclass(frozen=True)
class Rest:
    """How to fetch one market's order book.

    ``path`` gives the path and query for a symbol. ``weight`` of one request is drawn from ``budget`` per minute, which
    all fetchers of the venue share.
    """

    url: str
    path: Callable[[str], str]
    weight: int
    budget: int


@dataclass(frozen=True)
class BookChecksum:
    """How the venue's checksum is computed, and how deep its books are."""

    compute: Callable[[Book], int]
    depth: int


@dataclass(frozen=True)
class Exchange:
    """A venue's market kind with its own API.

    ``parse`` turns one frame and its receive time (µs) into messages; a frame that carries no record yields none. It
    raises :class:`NotUnderstood` and :class:`Refused`, or lets msgspec's errors through. ``parse_rest`` does the same
    for a REST answer, given its URL and the venue's time of the answer (µs, None where unknown). ``symbol`` and
    ``market`` translate between ``BTC-USDT`` and the venue's own name.
    """

    id: str
    title: str
    docs: str
    websocket_url: str
    channels: tuple[Channel, ...]
    limits: Limits
    symbol: Callable[[str], str]
    market: Callable[[str], str]
    parse: Callable[[bytes, int], Sequence[Message]]
    parse_rest: Callable[[str, bytes, int, int | None], Sequence[Message]]
    subscribe: Callable[[Sequence[Subscription]], list[bytes]]
    unsubscribe: Callable[[Sequence[Subscription]], list[bytes]]
    rest: Rest | None = None
    ping: Ping | None = None
    book_checksum: BookChecksum | None = None
    connection_channels: tuple[str, ...] = field(default=())
    """Channels that every connection subscribes to for its own sake: heartbeats."""

    def channel(self, data_type: str) -> Channel:
        """The channel that carries a data type. Raises KeyError where the venue has none."""
        for channel in self.channels:
            if data_type in channel.data_types:
                return channel
        raise KeyError(data_type)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def micros(text: str) -> int:
    """An ISO 8601 time with its zone, to integer microseconds (finer digits are cut off). Raises ValueError."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


def by_channel(subscriptions: Iterable[Subscription], size: int) -> Iterable[tuple[str, list[str]]]:
    """Subscriptions gathered into one channel with at most ``size`` symbols each, for venues that want lists."""
    for channel, group in groupby(sorted(subscriptions), key=lambda subscription: subscription.channel):
        symbols = [subscription.symbol for subscription in group]
        for start in range(0, len(symbols), size):
            yield channel, symbols[start : start + size]
