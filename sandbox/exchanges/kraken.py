"""Kraken spot's WebSocket v2.

Sources: docs.kraken.com, spot-websocket-v2 pages `book`, `trade`, `instrument`, `status`, `heartbeat`, `ping`, and the
guide "Book checksum (WebSocket v2)"; the order of the keys and the full-precision numbers are those of frames that
others recorded in 2026. Prices and quantities are JSON numbers with all their decimals ("pushed onto the wire
containing full precision"), which no JSON library writes: hence the text templates. Heartbeats come once a second only
"in the absence of any other channel updates". Not simulated: v1, tickers, candles, level3, authenticated channels.
"""

import re
from typing import Any

import msgspec

from sandbox.exchanges.book import Level
from sandbox.exchanges.clock import iso_micros
from sandbox.exchanges.kraken_book import CHECKSUM_LEVELS, DepthView, checksum
from sandbox.exchanges.kraken_rest import KrakenRest, instrument_data, ws_symbol
from sandbox.exchanges.ledger import book_record
from sandbox.exchanges.market import BookChange, Event, Market, Quote, Trade
from sandbox.exchanges.text import Renderer
from sandbox.exchanges.venue import HttpAnswer, Message, Query, Session, Venue, as_json

SNAPSHOT_TRADES = 50
DEPTHS = (10, 25, 100, 500, 1000)
# channel → whether a subscription that does not say gets a snapshot
SNAPSHOT_BY_DEFAULT = {"book": True, "trade": False, "instrument": True}
HEARTBEAT = '{"channel":"heartbeat"}'


class Kraken(Venue):
    """The venue: trades of one taker order in one message, one book message per change and depth.

    A depth is published (and noted in the ledger, with a `depth` field) from its first subscription on: before that
    nobody could have recorded it, and every subscription begins with a snapshot.
    """

    name = "kraken"

    def __init__(self, markets: list[Market]) -> None:
        self.names: dict[str, str] = {}
        self._views: dict[str, dict[int, DepthView]] = {}
        super().__init__(markets)
        self._matched: list[Trade] = []
        self._rest = KrakenRest(self.markets, self.renderers)
        self._connections = 0

    def add(self, market: Market) -> None:
        super().add(market)
        name = market.spec.name
        self.names[ws_symbol(name)] = name
        self._views[name] = {}

    def renderer(self, market: Market) -> Renderer:
        return Renderer(market.spec.price_decimals, market.spec.amount_decimals)

    def serves(self, path: str) -> bool:
        return path == "/v2"

    def connect(self, path: str, query: Query) -> Session:
        self._connections += 1
        return KrakenSession(self, self._connections)

    def publish(self, event: Event) -> list[Message]:
        """A taker's trades always end in a book change, so they are collected until that comes."""
        if isinstance(event, Trade):
            self._matched.append(event)
            return []
        if isinstance(event, Quote):
            return []
        matched, self._matched = self._matched, []
        return ([self._trade_update(matched)] if matched else []) + self._book_updates(event)

    def rest(self, path: str, query: Query, now: int, elapsed: float) -> HttpAnswer:
        return self._rest.answer(path, query, now)

    def limited(self, status: int, retry_after: int) -> HttpAnswer:
        return self._rest.limited(status, retry_after)

    def snapshots(self, channel: str, names: list[str], depth: int, now: int) -> list[str]:
        """The first messages of a subscription."""
        if channel == "instrument":
            data = as_json(instrument_data(market for market in self.markets.values() if market.trading))
            return [f'{{"channel":"instrument","type":"snapshot","data":{data}}}']
        if channel == "trade":
            return [_trade_frame("snapshot", self._trade_rows(name, SNAPSHOT_TRADES)) for name in names]
        return [self._book_snapshot(name, depth, now) for name in names]

    def publish_depth(self, name: str, depth: int, now: int) -> None:
        """From now on publish this market's book at this depth."""
        if depth not in self._views[name]:
            market = self.markets[name]
            self._views[name][depth] = DepthView(market.book, depth)
            self.notes.append({**self.snapshot(market, now, depth), "depth": depth})

    def _trade_rows(self, name: str, count: int) -> list[str]:
        return [self._trade_row(trade) for trade in self.markets[name].recent_trades(count)]

    def _trade_row(self, trade: Trade) -> str:
        renderer = self.renderers[trade.market]
        return (
            f'{{"symbol":"{ws_symbol(trade.market)}","side":"{trade.taker_side}",'
            f'"price":{renderer.price(trade.price)},"qty":{renderer.amount(trade.amount)},'
            f'"ord_type":"{"market" if trade.timestamp % 3 else "limit"}","trade_id":{trade.id},'
            f'"timestamp":"{iso_micros(trade.timestamp)}"}}'
        )

    def _trade_update(self, trades: list[Trade]) -> Message:
        symbol, timestamp = ws_symbol(trades[0].market), trades[0].timestamp
        frame = _trade_frame("update", [self._trade_row(trade) for trade in trades])
        return Message(f"trade:{symbol}", timestamp, frame, [self.note_trade(trade) for trade in trades])

    def _book_updates(self, change: BookChange) -> list[Message]:
        views = self._views[change.market]
        if not views:
            return []
        check = self._checksum(change.market)
        messages = []
        for depth, view in views.items():
            bids, asks = view.changes(change.bids, change.asks)
            if bids or asks:
                messages.append(self._book_update(change, depth, bids, asks, check))
        return messages

    def _book_update(self, change: BookChange, depth: int, bids: list[Level], asks: list[Level], check: int) -> Message:
        name, time = change.market, change.timestamp
        renderer = self.renderers[name]
        record = book_record(self.name, name, (None, None), time, renderer.levels(bids), renderer.levels(asks))
        frame = self._book_frame("update", name, bids, asks, check, time)
        return Message(f"book:{ws_symbol(name)}:{depth}", time, frame, [{**record, "depth": depth}])

    def _book_snapshot(self, name: str, depth: int, now: int) -> str:
        book = self.markets[name].book
        bids, asks = book.bids.levels(depth), book.asks.levels(depth)
        return self._book_frame("snapshot", name, bids, asks, self._checksum(name), now)

    def _checksum(self, name: str) -> int:
        book, renderer = self.markets[name].book, self.renderers[name]
        bids, asks = book.bids.levels(CHECKSUM_LEVELS), book.asks.levels(CHECKSUM_LEVELS)
        return checksum(renderer.levels(bids), renderer.levels(asks))

    def _book_frame(self, kind: str, name: str, bids: list[Level], asks: list[Level], check: int, time: int) -> str:
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{ws_symbol(name)}",'
            f'"bids":{self._levels(name, bids)},"asks":{self._levels(name, asks)},'
            f'"checksum":{check},"timestamp":"{iso_micros(time)}"}}]}}'
        )

    def _levels(self, name: str, levels: list[Level]) -> str:
        rows = (f'{{"price":{price},"qty":{amount}}}' for price, amount in self.renderers[name].levels(levels))
        return f"[{','.join(rows)}]"


class KrakenSession(Session):
    """One connection. A subscription is (channel, symbol, depth), acknowledged symbol by symbol."""

    def __init__(self, venue: Kraken, number: int) -> None:
        super().__init__()
        self._venue = venue
        self._number = number
        self._subscribed = False
        self._last_update = 0.0
        self._updated = False

    def greet(self, now: int, elapsed: float) -> list[str]:
        status = {"version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": self._number}
        return [as_json({"channel": "status", "type": "update", "data": [status]})]

    def receive(self, text: str, now: int, elapsed: float) -> list[str]:
        try:
            request = msgspec.json.decode(text)
        except msgspec.DecodeError:
            request = None
        if not isinstance(request, dict):
            return [as_json({"error": "Malformed request", "success": False, **_times(now)})]
        method = request.get("method")
        echo = {"req_id": request["req_id"]} if "req_id" in request else {}
        if method == "ping":
            return [as_json({"method": "pong", **echo, **_times(now)})]
        params = request.get("params")
        if method not in ("subscribe", "unsubscribe") or not isinstance(params, dict):
            refusal = {"error": "Unsupported method", "method": method, **echo, "success": False, **_times(now)}
            return [as_json(refusal)]
        self._last_update = elapsed
        return self._change(method, params, echo, now)

    def frame(self, message: Message) -> str | None:
        self._updated = True
        frame: str = message.body
        return frame

    def tick(self, now: int, elapsed: float) -> list[str]:
        if self._updated:
            self._last_update, self._updated = elapsed, False
        if not self._subscribed or elapsed - self._last_update < 1.0:
            return []
        self._last_update = elapsed
        return [HEARTBEAT]

    def corrupt_checksum(self, frame: str) -> str:
        return re.sub(r'"checksum":(\d+)', lambda found: f'"checksum":{int(found[1]) ^ 1}', frame)

    def _change(self, method: str, params: dict[str, Any], echo: dict[str, Any], now: int) -> list[str]:
        channel = params.get("channel")
        if channel not in SNAPSHOT_BY_DEFAULT:
            return [self._refuse(method, echo, now, "Channel not supported", None)]
        depth = params.get("depth", DEPTHS[0])
        if channel == "book" and depth not in DEPTHS:
            return [self._refuse(method, echo, now, "Subscription depth not supported", None)]
        wants_snapshot = params.get("snapshot", SNAPSHOT_BY_DEFAULT[channel])
        symbols = [""] if channel == "instrument" else params.get("symbol", [])
        answers, added = [], []
        for symbol in symbols:
            refusal = self._toggle(method, channel, symbol, depth, now)
            if refusal:
                answers.append(self._refuse(method, echo, now, refusal, symbol))
                continue
            added.append(self._venue.names.get(symbol, ""))
            result = _result(channel, symbol, depth, wants_snapshot)
            answers.append(as_json({"method": method, **echo, "result": result, "success": True, **_times(now)}))
        if method == "subscribe" and wants_snapshot and added:
            answers += self._venue.snapshots(channel, added, depth, now)
        return answers

    def _toggle(self, method: str, channel: str, symbol: str, depth: int, now: int) -> str | None:
        """Add or remove one subscription; the reason if that cannot be."""
        if channel != "instrument" and symbol not in self._venue.names:
            return f"Currency pair not supported {symbol}"
        stream = f"{channel}:{symbol}:{depth}" if channel == "book" else f"{channel}:{symbol}"
        if method == "unsubscribe":
            if stream not in self.streams:
                return "Subscription Not Found"
            self.streams.discard(stream)
        else:
            if stream in self.streams:
                return "Already subscribed"
            self.streams.add(stream)
            if channel == "book":
                self._venue.publish_depth(self._venue.names[symbol], depth, now)
        self._subscribed = bool(self.streams)
        return None

    def _refuse(self, method: str, echo: dict[str, Any], now: int, reason: str, symbol: str | None) -> str:
        named = {} if symbol is None else {"symbol": symbol}
        return as_json({"error": reason, "method": method, **echo, "success": False, **named, **_times(now)})


def _trade_frame(kind: str, rows: list[str]) -> str:
    return f'{{"channel":"trade","type":"{kind}","data":[{",".join(rows)}]}}'


def _result(channel: str, symbol: str, depth: int, snapshot: bool) -> dict[str, Any]:
    """What the acknowledgement says, keys in the venue's order."""
    result: dict[str, Any] = {"channel": channel}
    if channel == "book":
        result["depth"] = depth
    result["snapshot"] = snapshot
    if symbol:
        result["symbol"] = symbol
    return result


def _times(now: int) -> dict[str, str]:
    return {"time_in": iso_micros(now), "time_out": iso_micros(now)}
