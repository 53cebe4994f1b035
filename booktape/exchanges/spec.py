"""What an exchange declares about itself. An exchange's module is one :class:`Exchange`: data beside pure parsers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from booktape.core.book import Book
from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, Instrument, Record, Trade
from booktape.errors import BooktapeError

WHOLE_VENUE: Final = "*"
"""The symbol of a subscription to a channel that tells of every market at once."""


class UnknownFrameError(BooktapeError, ValueError):
    """A frame or REST answer that the parser does not know.

    :param kind: the kind of frame, which becomes the error's text; the recorder counts such frames by kind.
    :param number: the frame's number on its connection, where the venue numbers frames. The frame arrived, so its
        number must not count as missing.
    """

    def __init__(self, kind: str, number: int | None = None) -> None:
        super().__init__(kind)
        self.number = number


class SubscriptionRefusedError(BooktapeError, ValueError):
    """A frame or REST answer in which the venue refuses a subscription or another request; the text is its reason."""


Message = tuple[str, str, int, Record]
"""One record of a frame: data type, the venue's symbol, time, record.

``time`` is the exchange's time in µs, by which batches are cut; it is 0 if the message carries none. A message is a
plain tuple because one is made for every record.
"""


class FrameNumber(Struct, frozen=True, gc=False):
    """The number of a frame on its connection. A missing number shows that a frame of some stream was lost."""

    number: int


class Reply(Struct, frozen=True, gc=False):
    """The venue expects an answer on this connection: ``frame`` is the frame to send."""

    frame: bytes


class Leaving(Struct, frozen=True, gc=False):
    """The venue will end this connection, for the given reason."""

    reason: str


Signal = FrameNumber | Reply | Leaving
"""What a frame says about its connection rather than about a market."""

Output = Message | Signal
"""What a parser returns: records and signals."""

Parse = Callable[[bytes, int], Sequence[Output]]
"""Parses one frame, given its receive time in µs. A frame without records or signals returns an empty sequence.

:raises UnknownFrameError: the parser does not know the frame.
:raises SubscriptionRefusedError: the venue refuses a request.
:raises msgspec.MsgspecError: the frame is not what its kind promises.
"""


class Subscription(NamedTuple):
    """One channel of one market, in the venue's own words."""

    channel: str
    symbol: str


@dataclass(frozen=True)
class Channel:
    """One of the venue's channels.

    ``rule`` is a name from :mod:`booktape.core.sequence`; it is about trades, book messages and quotes. ``quiet`` is
    how many seconds of silence are usual for a live market; after that, the stream is reported silent and its
    connection is made anew, ever more rarely. None: silence says nothing (liquidations). A ``venue_wide`` channel is
    subscribed to once, for every market (:data:`WHOLE_VENUE`).
    """

    name: str
    data_types: tuple[str, ...]
    rule: str
    quiet: int | None = 60
    venue_wide: bool = False


@dataclass(frozen=True)
class Limits:
    """What the venue allows. Times in seconds. What the documentation does not tell is our own modest choice."""

    streams_per_connection: int
    messages_per_second: float
    subscriptions_per_message: int
    connection_lifetime: int | None = None
    """After this many seconds the venue ends a connection by itself."""
    connections_per_minute: int = 60
    """How many may be opened, all processes behind one address together."""


@dataclass(frozen=True)
class Ping:
    """A keep-alive message that the venue wants from the client, every so many seconds."""

    message: bytes
    seconds: int


class Request(NamedTuple):
    """One REST request: a path with its query below the venue's REST URL; a POST where it has a body (JSON)."""

    path: str
    body: bytes | None = None


@dataclass(frozen=True)
class RestBook:
    """How to fetch one market's order book: the request for a symbol, and its weight."""

    request: Callable[[str], Request]
    weight: int = 1


@dataclass(frozen=True)
class Listing:
    """How the venue lists its instruments.

    ``parse`` turns one answer and its receive time (µs) into the instruments that it holds, those not trading included.
    ``following`` gives the request for the next page, or None after the last one.
    """

    requests: tuple[Request, ...]
    parse: Callable[[bytes, int], Sequence[Instrument]]
    weight: int = 1
    following: Callable[[Request, bytes], Request | None] = lambda request, answer: None


class MissingRange(NamedTuple):
    """Trades of one market that are missing: their numbers, both ends included, and the times (µs) around them.

    The numbers are those that the venue's rule is about: ids, or under ``sequenced`` the numbers beside them.
    """

    symbol: str
    first: int
    last: int
    after: int
    before: int


@dataclass(frozen=True)
class RestTrades:
    """How to fetch past trades of one market.

    ``request`` gives the request for a hole's beginning; ``parse`` turns its answer and the receive time (µs) into
    trades in any order, perhaps more than were asked for. What one answer leaves out is asked for again.
    """

    request: Callable[[MissingRange], Request]
    parse: Callable[[MissingRange, bytes, int], Sequence[Trade]]
    weight: int = 1


@dataclass(frozen=True)
class Rest:
    """The venue's REST API. Each request's weight is drawn from ``budget`` per minute, which all processes share."""

    url: str
    budget: int
    listing: Listing
    book: RestBook | None = None
    """None where a REST book has neither an id nor an engine time that places it among the stream's updates, or is less
    deep than the book with which the stream begins, so that it would take levels away."""
    trades: RestTrades | None = None
    """None where past trades cannot be fetched, or not be told apart by their numbers."""

    @property
    def host(self) -> str:
        """Who counts the requests: exchanges at one host share its budget and its bans."""
        return urlsplit(self.url).hostname or self.url


@dataclass(frozen=True)
class Address:
    """A REST request (POST) that must be made before each connection, and how to read the URL out of its answer."""

    path: str
    url: Callable[[bytes], str]


@dataclass(frozen=True)
class BookChecksum:
    """How the venue's checksum is computed, and how deep its books are."""

    compute: Callable[[Book], int]
    depth: int


def no_records(url: str, body: bytes, received: int, sent: int | None) -> Sequence[Message]:
    """The ``parse_rest`` of a venue whose REST answers hold no record."""
    return ()


@dataclass(frozen=True)
class Exchange:
    """A venue's market kind with its own API.

    ``parser`` makes the parser of one connection: most have nothing to remember and are made by ``lambda: parse``.
    ``parse_rest`` turns a REST book, given its URL, its receive time and the venue's time of the answer (µs, None where
    unknown), into messages; other answers yield none. ``symbol`` and ``market`` translate between ``BTC-USDT`` and the
    venue's own name. ``path`` is appended to ``websocket_url``: subscriptions with different paths go over different
    connections. ``unsubscribe`` is None where a stream can only be begun anew by a new connection. ``stamp`` puts the
    time of sending (µs) into a message, where the venue wants to see it.
    """

    id: str
    title: str
    docs: str
    websocket_url: str
    channels: tuple[Channel, ...]
    limits: Limits
    symbol: Callable[[str], str]
    market: Callable[[str], str]
    parser: Callable[[], Parse]
    subscribe: Callable[[Sequence[Subscription]], list[bytes]]
    unsubscribe: Callable[[Sequence[Subscription]], list[bytes]] | None
    rest: Rest
    parse_rest: Callable[[str, bytes, int, int | None], Sequence[Message]] = no_records
    path: Callable[[Subscription], str] = lambda subscription: ""
    stamp: Callable[[bytes, int], bytes] = lambda message, now: message
    address: Address | None = None
    ping: Ping | None = None
    book_checksum: BookChecksum | None = None
    connection_channels: tuple[str, ...] = ()
    """Channels that every connection subscribes to for its own sake: heartbeats."""

    def channel(self, data_type: str) -> Channel:
        """The channel that carries a data type, the first of several. Raises KeyError where the venue has none."""
        for channel in self.channels:
            if data_type in channel.data_types:
                return channel
        raise KeyError(data_type)

    @property
    def book(self) -> Channel | None:
        """The channel that carries the book: its updates, or where there are none, its snapshots."""
        for data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS):
            for channel in self.channels:
                if data_type in channel.data_types:
                    return channel
        return None

    @property
    def book_begins_itself(self) -> bool:
        """Whether a subscription to the book begins with a snapshot, so that none over REST is needed."""
        return self.book is not None and BOOK_SNAPSHOTS in self.book.data_types


def by_channel(subscriptions: Iterable[Subscription], size: int) -> Iterable[tuple[str, list[str]]]:
    """Subscriptions gathered into one channel with at most ``size`` symbols each, for venues that want lists."""
    for channel, group in groupby(sorted(subscriptions), key=lambda subscription: subscription.channel):
        symbols = [subscription.symbol for subscription in group]
        for start in range(0, len(symbols), size):
            yield channel, symbols[start : start + size]
