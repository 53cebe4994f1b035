"""Binance spot's WebSocket streams.

Sources: "WebSocket Streams for Binance", github.com/binance/binance-spot-api-docs `web-socket-streams.md` (commit
a5e0bc3, 2026-07-21), and recorded frames of 2024-08-08. Not simulated: other streams than trade, depth and
bookTicker, the 24 hour limit, `serverShutdown`, the limit of 300 connections in 5 minutes; PING and PONG frames are
not counted as messages.
"""

from collections import deque
from random import Random
from typing import Any

import msgspec

from sandbox.exchanges.binance_messages import BestQuote, DepthUpdate, Payload, TradeUpdate
from sandbox.exchanges.binance_rest import BinanceRest
from sandbox.exchanges.clock import MILLISECOND, SECOND
from sandbox.exchanges.ledger import book_record
from sandbox.exchanges.market import BookChange, Event, Market, Quote, Trade
from sandbox.exchanges.text import PaddedRenderer, Renderer
from sandbox.exchanges.venue import DisconnectError, HttpAnswer, Message, Query, Session, Venue, as_json
from sandbox.exchanges.windows import Windows

MAX_STREAMS = 1024
MAX_MESSAGES_PER_SECOND = 5
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
POLICY_VIOLATION = 1008
# A trade's `E` is a little after its `T`: a parser that takes one for the other must not get away with it.
SENDING_LAG = 1 * MILLISECOND
# A held window is sent after this many real seconds even if none follows.
RECUT_PATIENCE = 0.5


def symbol_of(market: str) -> str:
    """`BTC-USDT` → `BTCUSDT`."""
    return market.replace("-", "")


class Binance(Venue):
    """The venue: windows of depth, and one message per trade and per change of the best quote."""

    name = "binance"
    # Times are in milliseconds by default; with engine times cut to that, `timeUnit=MICROSECOND` says nothing else.
    time_resolution = MILLISECOND
    has_update_ids = True

    def __init__(self, markets: list[Market]) -> None:
        self._symbols: dict[str, Market] = {}
        super().__init__(markets)
        self._windows = {
            "@depth@100ms": Windows[BookChange](100 * MILLISECOND),
            "@depth": Windows[BookChange](SECOND),
        }
        self._rest = BinanceRest(self._symbols, self.renderers)
        self._connections = 0

    def add(self, market: Market) -> None:
        super().add(market)
        self._symbols[symbol_of(market.spec.name)] = market

    def renderer(self, market: Market) -> Renderer:
        return PaddedRenderer(market.spec.price_decimals, market.spec.amount_decimals)

    def serves(self, path: str) -> bool:
        return path.strip("/").partition("/")[0] in ("ws", "stream")

    def connect(self, path: str, query: Query) -> Session:
        root, _, rest = path.strip("/").partition("/")
        self._connections += 1
        names = query.get("streams", "") if root == "stream" else rest
        scale = 1000 if query.get("timeUnit", "").upper() == "MICROSECOND" else 1
        return BinanceSession(names.split("/") if names else [], root == "stream", scale, self._connections)

    def publish(self, event: Event) -> list[Message]:
        if isinstance(event, Trade):
            return [self._trade(event)]
        if isinstance(event, Quote):
            return [self._quote(event)]
        for windows in self._windows.values():
            windows.add(event.market, event.timestamp, event)
        return []

    def flush(self, now: int) -> list[Message]:
        return [
            self._depth(market, suffix, end, changes)
            for suffix, windows in self._windows.items()
            for market, end, changes in windows.flush(now)
        ]

    def rest(self, path: str, query: Query, now: int, elapsed: float) -> HttpAnswer:
        return self._rest.answer(path, query, now, elapsed)

    def limited(self, status: int, retry_after: int) -> HttpAnswer:
        return self._rest.limited(status, retry_after)

    def _trade(self, trade: Trade) -> Message:
        symbol, renderer = symbol_of(trade.market), self.renderers[trade.market]
        sent = trade.timestamp + SENDING_LAG
        payload = TradeUpdate(
            symbol,
            sent // MILLISECOND,
            trade.id,
            renderer.price(trade.price),
            renderer.amount(trade.amount),
            trade.timestamp // MILLISECOND,
            trade.taker_side,
        )
        return Message(f"{symbol.lower()}@trade", sent, payload, [self.note_trade(trade)])

    def _quote(self, quote: Quote) -> Message:
        symbol = symbol_of(quote.market)
        bid, ask = self.renderers[quote.market].levels((quote.bid, quote.ask))
        payload = BestQuote(symbol, quote.id, bid, ask)
        note = self.note_quote(quote, quote.id, None)
        return Message(f"{symbol.lower()}@bookTicker", quote.timestamp, payload, [note])

    def _depth(self, market: str, suffix: str, end: int, changes: list[BookChange]) -> Message:
        """One window as a depthUpdate; of a level that changed more than once, the last amount counts."""
        renderer = self.renderers[market]
        bids = {price: amount for change in changes for price, amount in renderer.levels(change.bids)}
        asks = {price: amount for change in changes for price, amount in renderer.levels(change.asks)}
        symbol = symbol_of(market)
        first_id, last_id = changes[0].first_id, changes[-1].last_id
        payload = DepthUpdate(symbol, end // MILLISECOND, first_id, last_id, bids, asks)
        message = Message(f"{symbol.lower()}{suffix}", end, payload)
        # The 1000 ms stream says the same again, so only the 100 ms stream is noted.
        if suffix == "@depth@100ms":
            levels = [list(level) for level in bids.items()], [list(level) for level in asks.items()]
            message.records.append(book_record(self.name, market, (first_id, last_id), end, *levels))
        return message


class BinanceSession(Session):
    """One connection: its streams, and whether payloads come wrapped (`/stream`) or raw (`/ws`)."""

    def __init__(self, streams: list[str], combined: bool, scale: int, number: int) -> None:
        super().__init__()
        self.combined = combined
        self._scale = scale
        self._number = number
        self._received: deque[float] = deque()
        self._random = Random(number)
        self._held: dict[str, DepthUpdate] = {}
        self._held_since: float | None = None
        self._subscribe(streams)

    def receive(self, text: str, now: int, elapsed: float) -> list[str]:
        self._count_message(elapsed)
        try:
            request = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return [as_json({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"})]
        return [as_json(self._answer(request))]

    def frame(self, message: Message) -> str | None:
        payload: Payload = message.body
        if self.recut or message.stream in self._held:
            recut = self._recut(message.stream, payload)
            if recut is None:
                return None
            payload = recut
        return self._wrap(message.stream, payload)

    def tick(self, now: int, elapsed: float) -> list[str]:
        if not self._held:
            self._held_since = None
        elif self._held_since is None:
            self._held_since = elapsed
        elif elapsed - self._held_since >= RECUT_PATIENCE:
            return self.drain()
        return []

    def drain(self) -> list[str]:
        held, self._held, self._held_since = self._held, {}, None
        return [self._wrap(stream, payload) for stream, payload in held.items()]

    def _wrap(self, stream: str, payload: Payload) -> str:
        shift = 1 + self._number * 7 % 40 if self.restamp else 0
        data = payload.plain if not shift and self._scale == 1 else payload.text(shift, self._scale)
        return f'{{"stream":"{stream}","data":{data}}}' if self.combined else data

    def _recut(self, stream: str, payload: Payload) -> Payload | None:
        """Depth windows of this connection: shared windows, some of them merged, by a coin of its own."""
        if not isinstance(payload, DepthUpdate):
            return payload
        held = self._held.pop(stream, None)
        merged = held.merge(payload) if held else payload
        if held is None and self.recut and self._random.random() < 0.5:
            self._held[stream] = merged
            return None
        return merged

    def _count_message(self, elapsed: float) -> None:
        self._received.append(elapsed)
        while self._received[0] <= elapsed - 1:
            self._received.popleft()
        if len(self._received) > MAX_MESSAGES_PER_SECOND:
            raise DisconnectError(POLICY_VIOLATION, "Too many requests")

    def _answer(self, request: Any) -> dict[str, Any]:
        if not isinstance(request, dict) or "method" not in request:
            return _invalid("missing field `method` at line 1 column 1")
        method, params, request_id = request["method"], request.get("params", []), request.get("id")
        if not (request_id is None or isinstance(request_id, int | str)):
            return _invalid("request ID must be an unsigned integer")
        if method not in METHODS:
            expected = ", ".join(f"`{name}`" for name in METHODS)
            return _invalid(f"unknown variant `{method}`, expected one of {expected} at line 1 column 1")
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(method, params, request_id)
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": sorted(self.streams), "id": request_id}
        if not (isinstance(params, list) and all(isinstance(name, str) for name in params)):
            return _invalid("params must be an array of strings")
        if method == "SUBSCRIBE":
            self._subscribe(params)
        else:
            self.streams.difference_update(params)
        return {"result": None, "id": request_id}

    def _subscribe(self, names: list[str]) -> None:
        self.streams.update(names)
        if len(self.streams) > MAX_STREAMS:
            raise DisconnectError(POLICY_VIOLATION, "Too many subscriptions")

    def _property(self, method: str, params: Any, request_id: Any) -> dict[str, Any]:
        if not (isinstance(params, list) and params and params[0] == "combined"):
            return {"code": 0, "msg": "Unknown property", "id": request_id}
        if method == "GET_PROPERTY":
            return {"result": self.combined, "id": request_id}
        if len(params) != 2 or not isinstance(params[1], bool):
            return {"code": 1, "msg": "Invalid value type: expected Boolean"}
        self.combined = params[1]
        return {"result": None, "id": request_id}


def _invalid(reason: str) -> dict[str, Any]:
    return {"code": 2, "msg": f"Invalid request: {reason}"}
