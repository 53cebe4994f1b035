"""Parser of Coinbase frames. The facts stand in :mod:`booktape.exchanges.coinbase`."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import FrameNumber, Message, Output, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import OPPOSITE, iso_to_micros
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES, BookSnapshot, BookUpdate, Quote, Trade

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


def parse(frame: bytes, received: int) -> Sequence[Output]:
    """Parse one frame into its number and its records."""
    content = _frame.decode(frame)
    if content.type == "error":
        raise SubscriptionRefusedError(content.message)
    if content.sequence_num < 0:
        raise UnknownFrameError(content.channel or content.type or "frame without channel")
    counter = FrameNumber(content.sequence_num)
    channel = content.channel
    if channel == "l2_data":
        return [counter, *(_book(event, received) for event in _books.decode(content.events) if event.updates)]
    if channel == "market_trades":
        return [counter, *_trade_messages(content.events, received)]
    if channel == "ticker":
        return [counter, *_quotes(content.events, iso_to_micros(content.timestamp), received)]
    if channel in _CONTROL:
        return (counter,)
    raise UnknownFrameError(channel, content.sequence_num)


def _trade_messages(events: Raw, received: int) -> Iterator[Message]:
    trades = [trade for event in _trades.decode(events) for trade in event.trades]
    for trade in sorted(trades, key=lambda trade: int(trade.trade_id)):
        time = iso_to_micros(trade.time)
        side = OPPOSITE.get(trade.side, "unknown")
        record = Trade(int(trade.trade_id), time, side, trade.price, trade.size, received)
        yield (TRADES, trade.product_id, time, record)


def _book(event: _Book, received: int) -> Message:
    time = iso_to_micros(max(level.event_time for level in event.updates))
    bids, asks = _side(event, "bid"), _side(event, "offer")
    if event.type == "snapshot":
        snapshot = BookSnapshot(timestamp=time, bids=bids, asks=asks, origin="stream", local_timestamp=received)
        return (BOOK_SNAPSHOTS, event.product_id, time, snapshot)
    update = BookUpdate(timestamp=time, bids=bids, asks=asks, local_timestamp=received)
    return (BOOK_UPDATES, event.product_id, time, update)


def _side(event: _Book, side: str) -> Raw:
    return Raw(json.encode([(level.price_level, level.new_quantity) for level in event.updates if level.side == side]))


def _quotes(events: Raw, sent: int, received: int) -> Iterator[Message]:
    for event in _tickers.decode(events):
        for ticker in event.tickers:
            if not (ticker.best_bid and ticker.best_bid_quantity and ticker.best_ask and ticker.best_ask_quantity):
                continue  # one side of the book is empty
            quote = Quote(
                None,
                None,
                ticker.best_bid,
                ticker.best_bid_quantity,
                ticker.best_ask,
                ticker.best_ask_quantity,
                received,
                sent,
            )
            yield (QUOTES, ticker.product_id, sent, quote)
