"""Coinbase Advanced Trade's public WebSocket feed.

Sources: docs.cdp.coinbase.com "Advanced Trade WebSocket Overview" and "Advanced Trade WebSocket Channels",
`advanced-trade-asyncapi.json` ("verified against the production feed": no `client_id`, `heartbeat_counter` an integer;
market_trades "collected over the last 250 ms"), and recorded frames of 2026-08-09. A trade's `side` is the maker's:
"Maker order side" in Coinbase's own trade endpoints, and recorded prices move that way. Not simulated: candles,
status, ticker_batch, authenticated channels, the closing of quiet channels after 60 to 90 seconds.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from sandbox.exchanges.book import Level
from sandbox.exchanges.clock import MILLISECOND, iso_trimmed
from sandbox.exchanges.coinbase_rest import CoinbaseRest, DayStatistics
from sandbox.exchanges.ledger import book_record
from sandbox.exchanges.market import BookChange, Event, Market, Quote, Trade
from sandbox.exchanges.text import Renderer, TrimmedRenderer
from sandbox.exchanges.venue import DisconnectError, HttpAnswer, Message, Query, Session, Venue, as_json
from sandbox.exchanges.windows import Windows

TRADE_WINDOW = 250 * MILLISECOND
# Between the engine's stamp and the envelope's; recorded frames show about as much.
SENDING_LAG = 40 * MILLISECOND
SUBSCRIBE_WITHIN = 5.0
SNAPSHOT_TRADES = 100
MAKER_SIDE = {"buy": "SELL", "sell": "BUY"}
# What a client subscribes to → what the frames say.
FRAME_CHANNELS = {"market_trades": "market_trades", "level2": "l2_data", "ticker": "ticker"}


@dataclass(frozen=True, slots=True)
class Body:
    """The text around `sequence_num`, which each connection counts for itself."""

    head: str
    tail: str


def envelope(channel: str, timestamp: int, events: str) -> Body:
    """The frame around `events`, sent at `timestamp` (µs)."""
    # The venue writes nanoseconds; the digits below the microsecond mean nothing but have to be there.
    nanoseconds = (timestamp + SENDING_LAG) * 1000 + timestamp * 7919 % 1000
    return Body(
        f'{{"channel":"{channel}","timestamp":"{iso_trimmed(nanoseconds)}","sequence_num":', f',"events":[{events}]}}'
    )


class Coinbase(Venue):
    """The venue: one l2 message per book change, trades in windows, a ticker per change of the best quote."""

    name = "coinbase"

    def __init__(self, markets: list[Market]) -> None:
        self.statistics: dict[str, DayStatistics] = {}
        super().__init__(markets)
        self._trade_windows = Windows[Trade](TRADE_WINDOW)
        self._rest = CoinbaseRest(self.markets, self.renderers, self.statistics)

    def add(self, market: Market) -> None:
        super().add(market)
        self.statistics[market.spec.name] = DayStatistics(market)

    def renderer(self, market: Market) -> Renderer:
        return TrimmedRenderer(market.spec.price_decimals, market.spec.amount_decimals)

    def serves(self, path: str) -> bool:
        return path == "/"

    def connect(self, path: str, query: Query) -> Session:
        return CoinbaseSession(self)

    def publish(self, event: Event) -> list[Message]:
        if isinstance(event, Trade):
            self.statistics[event.market].add(event)
            self._trade_windows.add(event.market, event.timestamp, event)
            return []
        return [self._book(event) if isinstance(event, BookChange) else self._ticker(event)]

    def flush(self, now: int) -> list[Message]:
        return [self._trades(market, end, trades) for market, end, trades in self._trade_windows.flush(now)]

    def rest(self, path: str, query: Query, now: int, elapsed: float) -> HttpAnswer:
        return self._rest.answer(path, query, now)

    def limited(self, status: int, retry_after: int) -> HttpAnswer:
        return self._rest.limited(status, retry_after)

    def snapshot_body(self, channel: str, market: str, now: int) -> Body:
        """The first message of a subscription."""
        if channel == "market_trades":
            events = self._trades_event("snapshot", self._sent_trades(market))
        elif channel == "level2":
            book = self.markets[market].book
            events = self._l2_event("snapshot", market, now, book.bids.levels(), book.asks.levels())
        else:
            book = self.markets[market].book
            events = self._ticker_event("snapshot", market, book.bids.best(), book.asks.best())
        return envelope(FRAME_CHANNELS[channel], now, events)

    def _sent_trades(self, market: str) -> list[Trade]:
        """The last trades, without those that the next update is going to bring."""
        pending = len(self._trade_windows.pending.get(market, ()))
        trades = self.markets[market].recent_trades(SNAPSHOT_TRADES + pending)
        return trades[: len(trades) - pending]

    def _trades(self, market: str, end: int, trades: list[Trade]) -> Message:
        body = envelope("market_trades", end, self._trades_event("update", trades))
        return Message(f"market_trades:{market}", end, body, [self.note_trade(trade) for trade in trades])

    def _trades_event(self, kind: str, trades: list[Trade]) -> str:
        """Newest first, as the venue sends them."""
        rows = ",".join(self._trade_row(trade) for trade in reversed(trades))
        return f'{{"type":"{kind}","trades":[{rows}]}}'

    def _trade_row(self, trade: Trade) -> str:
        renderer = self.renderers[trade.market]
        return (
            f'{{"product_id":"{trade.market}","trade_id":"{trade.id}","price":"{renderer.price(trade.price)}",'
            f'"size":"{renderer.amount(trade.amount)}","time":"{iso_trimmed(trade.timestamp * 1000)}",'
            f'"side":"{MAKER_SIDE[trade.taker_side]}"}}'
        )

    def _book(self, change: BookChange) -> Message:
        market, time = change.market, change.timestamp
        renderer = self.renderers[market]
        bids, asks = renderer.levels(change.bids), renderer.levels(change.asks)
        body = envelope("l2_data", time, self._l2_event("update", market, time, list(change.bids), list(change.asks)))
        record = book_record(self.name, market, (None, None), time, bids, asks)
        return Message(f"level2:{market}", time, body, [record])

    def _l2_event(self, kind: str, market: str, time: int, bids: list[Level], asks: list[Level]) -> str:
        renderer, event_time = self.renderers[market], iso_trimmed(time * 1000)
        rows = [
            f'{{"side":"{side}","event_time":"{event_time}","price_level":"{price}","new_quantity":"{amount}"}}'
            for side, levels in (("bid", bids), ("offer", asks))
            for price, amount in renderer.levels(levels)
        ]
        return f'{{"type":"{kind}","product_id":"{market}","updates":[{",".join(rows)}]}}'

    def _ticker(self, quote: Quote) -> Message:
        body = envelope("ticker", quote.timestamp, self._ticker_event("update", quote.market, quote.bid, quote.ask))
        # A ticker has no time of its own: what a collector can note is the envelope's.
        note = self.note_quote(quote, None, quote.timestamp + SENDING_LAG)
        return Message(f"ticker:{quote.market}", quote.timestamp, body, [note])

    def _ticker_event(self, kind: str, market: str, bid: Level, ask: Level) -> str:
        (bid_price, bid_amount), (ask_price, ask_amount) = self.renderers[market].levels((bid, ask))
        ticker = {
            "type": "ticker",
            "product_id": market,
            **self.statistics[market].ticker_fields(self.renderers[market]),
            "best_bid": bid_price,
            "best_ask": ask_price,
            "best_bid_quantity": bid_amount,
            "best_ask_quantity": ask_amount,
        }
        return as_json({"type": kind, "tickers": [ticker]})


class CoinbaseSession(Session):
    """One connection: its subscriptions by channel, and its counter, which control frames use as well."""

    def __init__(self, venue: Coinbase) -> None:
        super().__init__()
        self._venue = venue
        self._sequence = 0
        self._channels: dict[str, list[str]] = {}
        self._opened = 0.0
        self._next_heartbeat = 0.0

    def greet(self, now: int, elapsed: float) -> list[str]:
        self._opened = elapsed
        return []

    def receive(self, text: str, now: int, elapsed: float) -> list[str]:
        try:
            request = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return [_error("failed to unmarshal message")]
        if not isinstance(request, dict) or request.get("type") not in ("subscribe", "unsubscribe"):
            return [_error("invalid message type")]
        channel, products = str(request.get("channel")), request.get("product_ids") or []
        if refusal := self._refusal(channel, products):
            return [_error(refusal)]
        if request["type"] == "subscribe":
            frames = self._subscribe(channel, products, now, elapsed)
        else:
            frames = self._unsubscribe(channel, products)
        self.streams = {f"{name}:{product}" for name, listed in self._channels.items() for product in listed}
        return [*frames, self._subscriptions(now)]

    def frame(self, message: Message) -> str | None:
        return self._number(message.body)

    def tick(self, now: int, elapsed: float) -> list[str]:
        if not self._channels and not self._sequence and elapsed - self._opened > SUBSCRIBE_WITHIN:
            raise DisconnectError(1008, "no subscribe message received in 5 seconds")
        if "heartbeats" not in self._channels or elapsed < self._next_heartbeat:
            return []
        self._next_heartbeat = elapsed + 1.0
        current = iso_trimmed(now * 1000).replace("T", " ").rstrip("Z")
        beat = {"current_time": f"{current} +0000 UTC m=+{elapsed:.9f}", "heartbeat_counter": int(elapsed)}
        return [self._number(envelope("heartbeats", now, as_json(beat)))]

    def _number(self, body: Body) -> str:
        sequence, self._sequence = self._sequence, self._sequence + 1
        return f"{body.head}{sequence}{body.tail}"

    def _refusal(self, channel: str, products: Any) -> str | None:
        if channel != "heartbeats" and channel not in FRAME_CHANNELS:
            return "channel is not supported"
        if not isinstance(products, list):
            return "product_ids must be an array"
        unknown = [product for product in products if product not in self._venue.markets]
        return f"invalid product_ids: {unknown}" if unknown else None

    def _subscribe(self, channel: str, products: list[str], now: int, elapsed: float) -> list[str]:
        """Snapshots come first, then the answer that lists the subscriptions, as recorded."""
        if channel == "heartbeats":
            self._next_heartbeat = elapsed
            products = ["heartbeats"]
        listed = self._channels.setdefault(channel, [])
        added = [product for product in products if product not in listed]
        listed += added
        if channel == "heartbeats":
            return []
        return [self._number(self._venue.snapshot_body(channel, product, now)) for product in added]

    def _unsubscribe(self, channel: str, products: list[str]) -> list[str]:
        """Without products the whole channel goes."""
        kept = [product for product in self._channels.pop(channel, []) if products and product not in products]
        if kept:
            self._channels[channel] = kept
        return []

    def _subscriptions(self, now: int) -> str:
        channels = {channel: self._channels[channel] for channel in sorted(self._channels)}
        return self._number(envelope("subscriptions", now, as_json({"subscriptions": channels})))


def _error(reason: str) -> str:
    return as_json({"type": "error", "message": reason})
