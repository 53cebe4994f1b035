"""What every simulated venue has in common: the shape of its messages, sessions and REST answers.

A venue is pure. It receives the time, market events and client messages, and returns text; the
server alone knows sockets. Two clocks reach it: market time (`now`, µs) for whatever is written into messages, and
real seconds (`elapsed`) for limits and heartbeats, because clients live in real time.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sandbox.exchanges.ledger import Record, quote_record, trade_record
from sandbox.exchanges.market import Event, Market, Quote, Trade
from sandbox.exchanges.text import Renderer

Query = Mapping[str, str]


class DisconnectError(Exception):
    """The venue ends the connection, with a WebSocket close code (RFC 6455) and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A REST answer; the server adds `Date` in market time."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """A JSON answer without white space between the tokens."""
    return HttpAnswer(status, msgspec.json.encode(content), headers or {})


def as_json(content: object) -> str:
    """Compact JSON text."""
    return msgspec.json.encode(content).decode()


class BadRequestError(Exception):
    """A client's REST request is refused with this answer."""

    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__(answer.body)
        self.answer = answer


@dataclass(slots=True)
class Message:
    """One message of a stream, before a session has put its envelope around it.

    `stream` is the venue's own key, `timestamp` the market time of sending, `body` whatever the venue's sessions frame,
    `records` what the ledger notes.
    """

    stream: str
    timestamp: int
    body: Any
    records: list[Record] = field(default_factory=list)


class Session(ABC):
    """One client's connection as the venue sees it."""

    restamp = False
    """A fault: the venue stamps its sending time for each connection anew (Binance)."""
    recut = False
    """A fault: the venue cuts its book windows for each connection anew (Binance)."""

    def __init__(self) -> None:
        self.streams: set[str] = set()

    def greet(self, now: int, elapsed: float) -> list[str]:
        """Frames sent unasked when the connection opens."""
        return []

    @abstractmethod
    def receive(self, text: str, now: int, elapsed: float) -> list[str]:
        """The answers to a client's message; `streams` is up to date afterwards. Raises Disconnect."""

    @abstractmethod
    def frame(self, message: Message) -> str | None:
        """The frame that this client gets for a message, or None if it gets none (yet)."""

    def tick(self, now: int, elapsed: float) -> list[str]:
        """Frames that are due now. Called several times a real second. Raises Disconnect."""
        return []

    def drain(self) -> list[str]:
        """Frames held back so far. Called when the venue shuts down."""
        return []

    def corrupt_checksum(self, frame: str) -> str:
        """The frame with a wrong checksum; unchanged where the venue has none."""
        return frame


class Venue(ABC):
    """One exchange: its markets, and how it speaks about them."""

    name: str
    time_resolution = 1
    """The engine's times are multiples of this many µs."""
    has_update_ids = False
    """Whether book messages carry update ids."""

    def __init__(self, markets: Iterable[Market]) -> None:
        self.markets: dict[str, Market] = {}
        self.renderers: dict[str, Renderer] = {}
        self.notes: list[Record] = []
        """Records for the ledger that belong to no message. The server takes them away."""
        for market in markets:
            self.add(market)

    def add(self, market: Market) -> None:
        """List a market. Overridden where a venue knows its markets by more than their name."""
        self.markets[market.spec.name] = market
        self.renderers[market.spec.name] = self.renderer(market)

    @abstractmethod
    def renderer(self, market: Market) -> Renderer:
        """How this venue writes the market's numbers."""

    @abstractmethod
    def serves(self, path: str) -> bool:
        """Whether a WebSocket can be opened at this path."""

    @abstractmethod
    def connect(self, path: str, query: Query) -> Session:
        """A session for a new connection to a path that the venue serves. Raises Disconnect."""

    @abstractmethod
    def publish(self, event: Event) -> list[Message]:
        """The messages that this market event brings about at once."""

    def flush(self, now: int) -> list[Message]:
        """The messages whose collecting window ended at or before `now`."""
        return []

    @abstractmethod
    def rest(self, path: str, query: Query, now: int, elapsed: float) -> HttpAnswer:
        """Answer a GET request."""

    @abstractmethod
    def limited(self, status: int, retry_after: int) -> HttpAnswer:
        """The response to a client over its limits, with `Retry-After` in seconds."""

    def note_trade(self, trade: Trade) -> Record:
        """The ledger's record of a trade."""
        renderer = self.renderers[trade.market]
        price, amount = renderer.price(trade.price), renderer.amount(trade.amount)
        return trade_record(self.name, trade.market, trade.id, trade.timestamp, trade.taker_side, price, amount)

    def note_quote(self, quote: Quote, update_id: int | None, timestamp: int | None) -> Record:
        """The ledger's record of a best bid and ask, with the id and time that the venue sends, if any."""
        bid, ask = self.renderers[quote.market].levels((quote.bid, quote.ask))
        return quote_record(self.name, quote.market, update_id, timestamp, bid, ask)

    def snapshot(self, market: Market, timestamp: int, depth: int | None = None) -> Record:
        """The ledger's record of a book, whole or down to `depth` levels."""
        renderer = self.renderers[market.spec.name]
        return {
            "type": "snapshot",
            "exchange": self.name,
            "market": market.spec.name,
            "last_id": market.last_update_id if self.has_update_ids else None,
            "timestamp": timestamp,
            "bids": renderer.levels(market.book.bids.levels(depth)),
            "asks": renderer.levels(market.book.asks.levels(depth)),
        }


class Router:
    """REST paths to handlers. A handler takes (query, now) and may raise BadRequest."""

    def __init__(self, routes: Mapping[str, Callable[[Query, int], HttpAnswer]], missing: HttpAnswer) -> None:
        self._routes = routes
        self._missing = missing

    def answer(self, path: str, query: Query, now: int) -> HttpAnswer:
        """The handler's answer, or the venue's "no such path"."""
        handler = self._routes.get(path)
        if handler is None:
            return self._missing
        try:
            return handler(query, now)
        except BadRequestError as refusal:
            return refusal.answer
