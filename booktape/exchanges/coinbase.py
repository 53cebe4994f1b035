"""Coinbase Advanced Trade.

Source: "Coinbase Advanced Trade WebSocket": Channels (``market_trades``, ``level2``, ``ticker``, ``heartbeats``) and
Sequence Numbers.

- ``sequence_num`` is one counter over the whole connection, control frames included: a hole in it says that *some*
  stream lost something. Trades are also numbered per market, so they show their own loss.
- Every channel begins with a snapshot: that of ``market_trades`` holds the last trades, newest first.
- A trade's ``side`` is the maker's, so the taker's is the other one (real recordings show it: sells at the best ask).
- A level2 event's engine time is the newest ``event_time`` of its levels.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.core.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    QUOTES,
    TRADES,
    TRADING,
    BookSnapshot,
    BookUpdate,
    Instrument,
    Quote,
    Trade,
)
from booktape.core.sequence import CONNECTION_COUNTER, CONTIGUOUS
from booktape.exchanges.spec import (
    COUNTER,
    Channel,
    Exchange,
    Limits,
    Message,
    NotUnderstood,
    Refused,
    Subscription,
    Listing,
    Request,
    Rest,
    by_channel,
)
from booktape.exchanges.wire import micros

_TAKER: Final = {"SELL": "buy", "BUY": "sell"}
_CONTROL: Final = frozenset({"heartbeats", "subscriptions", "candles", "status"})


class _Trade(Struct, gc=False):
    trade_id: str
    product_id: str
    price: str
    size: str
    side: str
    time: str


class _Level(Struct, gc=False):
    side: str
    event_time: str
    price_level: str
    new_quantity: str


class _Book(Struct):
    type: str
    product_id: str
    updates: list[_Level]


class _Trades(Struct):
    trades: list[_Trade]


class _Ticker(Struct, gc=False):
    product_id: str
    best_bid: str = ""
    best_bid_quantity: str = ""
    best_ask: str = ""
    best_ask_quantity: str = ""


class _Tickers(Struct):
    tickers: list[_Ticker]


class _Frame(Struct):
    channel: str = ""
    timestamp: str = ""
    sequence_num: int = -1
    events: Raw = Raw(b"[]")
    type: str = ""
    message: str = ""


_frame = json.Decoder(_Frame)
_books = json.Decoder(list[_Book])
_trades = json.Decoder(list[_Trades])
_tickers = json.Decoder(list[_Tickers])


def parse(frame: bytes, received: int) -> Sequence[Message]:
    """A frame to its counter and its records."""
    content = _frame.decode(frame)
    if content.type == "error":
        raise Refused(content.message)
    if content.sequence_num < 0:
        raise NotUnderstood(content.channel or content.type or "frame without channel")
    counter = (COUNTER, "", 0, content.sequence_num)
    channel = content.channel
    if channel == "l2_data":
        return [counter, *(_book(event, received) for event in _books.decode(content.events) if event.updates)]
    if channel == "market_trades":
        return [counter, *_trade_messages(content.events, received)]
    if channel == "ticker":
        return [counter, *_quotes(content.events, micros(content.timestamp), received)]
    if channel in _CONTROL:
        return (counter,)
    raise NotUnderstood(channel, content.sequence_num)


def _trade_messages(events: Raw, received: int) -> Iterator[Message]:
    trades = [trade for event in _trades.decode(events) for trade in event.trades]
    for trade in sorted(trades, key=lambda trade: int(trade.trade_id)):
        time = micros(trade.time)
        side = _TAKER.get(trade.side, "unknown")
        record = Trade(int(trade.trade_id), time, side, trade.price, trade.size, received)
        yield (TRADES, trade.product_id, time, record)


def _book(event: _Book, received: int) -> Message:
    time = micros(max(level.event_time for level in event.updates))
    bids, asks = _side(event, "bid"), _side(event, "offer")
    if event.type == "snapshot":
        snapshot = BookSnapshot(timestamp=time, bids=bids, asks=asks, origin="stream", local_timestamp=received)
        return (BOOK_SNAPSHOTS, event.product_id, time, snapshot)
    update = BookUpdate(timestamp=time, bids=bids, asks=asks, local_timestamp=received)
    return (BOOK_UPDATES, event.product_id, time, update)


def _side(event: _Book, side: str) -> Raw:
    return Raw(json.encode([(level.price_level, level.new_quantity) for level in event.updates if level.side == side]))


def _quotes(events: Raw, time: int, received: int) -> Iterator[Message]:
    for event in _tickers.decode(events):
        for ticker in event.tickers:
            quote = Quote(
                None,
                time,
                ticker.best_bid,
                ticker.best_bid_quantity,
                ticker.best_ask,
                ticker.best_ask_quantity,
                received,
            )
            yield (QUOTES, ticker.product_id, time, quote)


class _Product(Struct):
    product_id: str
    base_currency_id: str
    quote_currency_id: str
    price_increment: str
    base_increment: str
    status: str
    product_type: str


class _Products(Struct):
    products: list[_Product]


_products = json.Decoder(_Products)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """The answer of ``GET /api/v3/brokerage/market/products``."""
    return [
        Instrument(
            symbol=product.product_id,
            market=product.product_id,
            base=product.base_currency_id,
            quote=product.quote_currency_id,
            kind="spot",
            status=TRADING if product.status == "online" else product.status.lower(),
            price_increment=product.price_increment,
            amount_increment=product.base_increment,
            local_timestamp=received,
        )
        for product in _products.decode(body).products
        if product.product_type == "SPOT"
    ]


def _requests(kind: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [
        json.encode({"type": kind, "product_ids": symbols, "channel": channel})
        for channel, symbols in by_channel(subscriptions, LIMITS.subscriptions_per_message)
    ]


LIMITS: Final = Limits(streams_per_connection=300, messages_per_second=8, subscriptions_per_message=100)

EXCHANGES: Final = (
    Exchange(
        id="coinbase",
        title="Coinbase Advanced Trade",
        docs="https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels",
        websocket_url="wss://advanced-trade-ws.coinbase.com",
        channels=(
            Channel("market_trades", (TRADES,), CONTIGUOUS, quiet=600),
            Channel("level2", (BOOK_SNAPSHOTS, BOOK_UPDATES), CONNECTION_COUNTER),
            Channel("ticker", (QUOTES,), CONNECTION_COUNTER, quiet=600),
        ),
        limits=LIMITS,
        symbol=lambda market: market,
        market=lambda symbol: symbol,
        parser=lambda: parse,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://api.coinbase.com",
            budget=600,  # public endpoints: 10 a second
            listing=Listing((Request("/api/v3/brokerage/market/products?product_type=SPOT"),), instruments),
        ),
        connection_channels=("heartbeats",),
    ),
)
