"""The form in which an exchange is declared: an :class:`Exchange`, which holds data and pure functions.

A venue's package declares one :class:`Exchange` for each market kind with an API of its own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from booktape.model.book import Book
from booktape.model.errors import RecordError
from booktape.model.gap import Gap
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, Instrument, Record, Trade

WHOLE_VENUE: Final = "*"
"""The symbol of a subscription to a channel that carries every market at once."""


class UnknownFrameError(RecordError):
    """A frame or REST answer that the parser does not know.

    :param kind: the kind of frame, which becomes the error's text. The recorder counts unknown frames by kind.
    :param number: the frame's number on its connection, where the venue numbers frames. The frame arrived, so its
        number must not count as missing.
    """

    def __init__(self, kind: str, number: int | None = None) -> None:
        super().__init__(kind)
        self.number = number


class SubscriptionRefusedError(RecordError):
    """A frame or REST answer in which the venue refuses a subscription or another request. Its text is the reason."""


Message = tuple[str, str, int, Record]
"""One record of a frame: data type, the venue's symbol, time, record.

``time`` is the exchange's time in µs, by which batches are cut. It is 0 if the frame carries no time. A message is a
plain tuple because one is made for every record.
"""


class FrameNumber(Struct, frozen=True, gc=False):
    """The number of a frame on its connection. A missing number shows that a frame was lost, of whichever stream."""

    number: int


class Reply(Struct, frozen=True, gc=False):
    """The venue expects an answer on this connection: ``frame`` is the frame to send."""

    frame: bytes


class Leaving(Struct, frozen=True, gc=False):
    """The venue will end this connection, or the client has to. ``reason`` says why."""

    reason: str


Signal = FrameNumber | Reply | Leaving
"""What a frame says about its connection rather than about a market."""

Output = Message | Signal
"""What a parser returns: records and signals."""

Parse = Callable[[bytes, int], Sequence[Output]]
"""Parses one frame, given its receive time in µs. A frame without records and signals returns an empty sequence.

:raises UnknownFrameError: the parser does not know the frame.
:raises SubscriptionRefusedError: the venue refuses a request.
:raises msgspec.MsgspecError: a field of the frame is missing or has another type.
"""


class Subscription(NamedTuple):
    """One channel of one market, in the venue's own names."""

    channel: str
    symbol: str


@dataclass(frozen=True)
class Channel:
    """One of the venue's channels."""

    name: str
    data_types: tuple[str, ...]
    """The data types of the records that the channel carries."""
    rule: str
    """Name of the sequence rule (:mod:`booktape.model.sequence`) for its trades, book messages and quotes."""
    stale_after: int | None = 60
    """Seconds without a message after which the stream of a live market counts as silent. The stream is then reported
    and its connection replaced, with growing pauses. None if silence means nothing, as for liquidations."""
    venue_wide: bool = False
    """Whether one subscription (:data:`WHOLE_VENUE`) covers every market."""


@dataclass(frozen=True)
class Limits:
    """What the venue allows. Where its documentation says nothing, the value is a modest choice of ours."""

    streams_per_connection: int
    messages_per_second: float
    subscriptions_per_message: int
    connection_lifetime: int | None = None
    """Seconds after which the venue ends a connection. None if it does not."""
    connections_per_minute: int = 60
    """How many connections may be opened by all processes behind one IP address together."""


@dataclass(frozen=True)
class Ping:
    """A keep-alive message that the client must send."""

    message: bytes
    seconds: int
    """Seconds between two messages."""


class Request(NamedTuple):
    """One REST request: a path with its query below the REST URL. It is a POST if it has a body (JSON), else a GET."""

    path: str
    body: bytes | None = None


@dataclass(frozen=True)
class RestBook:
    """How to fetch the order book of one market."""

    request: Callable[[str], Request]
    """Makes the request for a symbol."""
    weight: int = 1


@dataclass(frozen=True)
class Listing:
    """How to fetch the list of instruments."""

    requests: tuple[Request, ...]
    parse: Callable[[bytes, int], Sequence[Instrument]]
    """Parses one answer, given its receive time in µs. Instruments that are not trading are included."""
    weight: int = 1
    next_page: Callable[[Request, bytes], Request | None] = lambda request, answer: None
    """Makes the request for the page after an answer; None after the last page."""


@dataclass(frozen=True)
class RestTrades:
    """How to fetch past trades of one market.

    An answer may hold more than the missing trades, or only some of them. What it leaves out is requested again.
    """

    request: Callable[[str, Gap], Request]
    """Makes the first request for a gap, given the venue's symbol.

    The gap's unit is ``id``. Its numbers are those that the venue's sequence rule checks: ids, or under ``sequenced``
    the numbers beside the ids. ``after`` and ``before`` are the times of the trades around it, in µs.
    """
    parse: Callable[[bytes, int], Sequence[Trade]]
    """Parses an answer, given the receive time in µs. The trades may come in any order."""
    weight: int = 1


@dataclass(frozen=True)
class Rest:
    """The venue's REST API."""

    url: str
    weight_per_minute: int
    """How much request weight all processes together may spend in a minute."""
    listing: Listing
    book: RestBook | None = None
    """None if a REST book has neither an id nor an engine time that places it among the stream's updates, or if it is
    less deep than the book with which the stream begins, so that it would remove levels."""
    trades: RestTrades | None = None
    """None if the venue offers no past trades, or none that their numbers identify."""

    @property
    def host(self) -> str:
        """The host that counts the requests. Exchanges on one host share its limits and its bans."""
        return urlsplit(self.url).hostname or self.url


@dataclass(frozen=True)
class UrlRequest:
    """A REST request (POST) that must be made before each connection, because its answer holds the WebSocket URL."""

    path: str
    parse: Callable[[bytes], str]
    """Reads the URL out of an answer."""


@dataclass(frozen=True)
class BookChecksum:
    """The checksum that the venue sends with book messages."""

    compute: Callable[[Book], int]
    depth: int
    """Levels per side of the venue's book; deeper levels are dropped before the checksum is computed."""


def no_records(url: str, body: bytes, received: int, sent: int | None) -> Sequence[Message]:
    """The ``parse_rest`` of a venue whose REST answers hold no records."""
    return ()


@dataclass(frozen=True)
class Exchange:
    """A venue's market kind with an API of its own."""

    id: str
    title: str
    docs: str
    """URL of the API documentation."""
    websocket_url: str
    channels: tuple[Channel, ...]
    limits: Limits
    symbol: Callable[[str], str]
    """Converts a market name (``BTC-USDT``) to the venue's symbol."""
    market: Callable[[str], str]
    """Converts the venue's symbol to the market name."""
    parser: Callable[[], Parse]
    """Makes the parser of one connection. Where a parser remembers nothing, this is ``lambda: parse``."""
    subscribe: Callable[[Sequence[Subscription]], list[bytes]]
    """Makes the messages that subscribe."""
    unsubscribe: Callable[[Sequence[Subscription]], list[bytes]] | None
    """Makes the messages that unsubscribe. None if only a new connection can restart a stream."""
    rest: Rest
    parse_rest: Callable[[str, bytes, int, int | None], Sequence[Message]] = no_records
    """Parses a REST book, given its URL, body, receive time and the venue's time of the answer (both in µs; None if the
    venue's is unknown). Other answers return no messages."""
    path: Callable[[Subscription], str] = lambda subscription: ""
    """The path of a subscription, appended to ``websocket_url``. Different paths need different connections."""
    add_send_time: Callable[[bytes, int], bytes] = lambda message, now: message
    """Puts the time of sending, in µs, into a message, where the venue requires it."""
    url_request: UrlRequest | None = None
    """Set if the WebSocket URL must be requested before each connection."""
    ping: Ping | None = None
    book_checksum: BookChecksum | None = None
    connection_channels: tuple[str, ...] = ()
    """Channels that every connection subscribes to for its own sake, such as heartbeats."""

    def channel(self, data_type: str) -> Channel:
        """The first channel that carries a data type.

        :raises KeyError: the venue has none.
        """
        for channel in self.channels:
            if data_type in channel.data_types:
                return channel
        raise KeyError(data_type)

    @property
    def book(self) -> Channel | None:
        """The channel that carries book updates; where there are none, the channel that carries book snapshots."""
        for data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS):
            for channel in self.channels:
                if data_type in channel.data_types:
                    return channel
        return None

    @property
    def book_starts_with_snapshot(self) -> bool:
        """Whether a book subscription begins with a snapshot, so that none is fetched over REST."""
        return self.book is not None and BOOK_SNAPSHOTS in self.book.data_types


def by_channel(subscriptions: Iterable[Subscription], size: int) -> Iterable[tuple[str, list[str]]]:
    """Group subscriptions by channel, for venues whose messages hold one channel and a list of symbols.

    :param size: the most symbols in one list.
    """
    for channel, group in groupby(sorted(subscriptions), key=lambda subscription: subscription.channel):
        symbols = [subscription.symbol for subscription in group]
        for start in range(0, len(symbols), size):
            yield channel, symbols[start : start + size]
