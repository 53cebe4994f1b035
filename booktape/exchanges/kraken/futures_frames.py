"""Parser of Kraken Futures frames. The facts stand in :mod:`booktape.exchanges.kraken`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import (
    ABSENT,
    EMPTY_SIDE,
    MILLISECOND,
    best_quote,
    decimal_text,
    encode_levels,
    millis_to_micros,
    optional_decimal_text,
)
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    QUOTES,
    TRADES,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Quote,
    Trade,
)

HEARTBEAT: Final = "heartbeat"
_ACKNOWLEDGED: Final = frozenset({"info", "subscribed", "unsubscribed"})
_REFUSED: Final = frozenset({"error", "alert", "subscribed_failed", "unsubscribed_failed"})


class _Header(Struct):
    feed: str = ""
    event: str = ""
    message: str = ""


class _Level(Struct, gc=False):
    price: Raw
    qty: Raw


class _Update(Struct, gc=False):
    product_id: str
    side: str
    seq: int
    price: Raw
    qty: Raw
    timestamp: int


class _Snapshot(Struct):
    product_id: str
    seq: int
    timestamp: int
    bids: list[_Level]
    asks: list[_Level]


class _Trade(Struct, gc=False):
    product_id: str
    side: str
    type: str
    seq: int
    time: int
    qty: Raw
    price: Raw
    uid: str = ""


class _Trades(Struct):
    trades: list[_Trade]


class _Ticker(Struct, gc=False):
    product_id: str
    time: int
    bid: Raw = ABSENT
    bid_size: Raw = ABSENT
    ask: Raw = ABSENT
    ask_size: Raw = ABSENT
    last: Raw = ABSENT
    index: Raw = ABSENT
    markPrice: Raw = ABSENT
    openInterest: Raw = ABSENT
    relative_funding_rate: Raw = ABSENT
    relative_funding_rate_prediction: Raw = ABSENT
    next_funding_rate_time: int | None = None


_header = json.Decoder(_Header)
_update = json.Decoder(_Update)
_snapshot = json.Decoder(_Snapshot)
_trade = json.Decoder(_Trade)
_trades = json.Decoder(_Trades)
_ticker = json.Decoder(_Ticker)


def parse(frame: bytes, received: int) -> Sequence[Message]:
    """Parse one frame into records."""
    content = _header.decode(frame)
    if content.event in _REFUSED:
        raise SubscriptionRefusedError(content.message or content.event)
    if content.event in _ACKNOWLEDGED:
        return ()
    read = _FEEDS.get(content.feed)
    if read is None or content.event:
        raise UnknownFrameError(content.event or content.feed or "frame without feed or event")
    return read(frame, received)


def _read_update(frame: bytes, received: int) -> Sequence[Message]:
    level = _update.decode(frame)
    time, changed = level.timestamp * MILLISECOND, _side((level,))
    bid = level.side == "buy"
    if not bid and level.side != "sell":
        raise UnknownFrameError("book with another side")
    update = BookUpdate(
        first_id=level.seq,
        last_id=level.seq,
        timestamp=time,
        bids=changed if bid else EMPTY_SIDE,
        asks=EMPTY_SIDE if bid else changed,
        local_timestamp=received,
    )
    return ((BOOK_UPDATES, level.product_id, time, update),)


def _read_snapshot(frame: bytes, received: int) -> Sequence[Message]:
    book = _snapshot.decode(frame)
    time = book.timestamp * MILLISECOND
    bids, asks = _side(book.bids), _side(book.asks)
    snapshot = BookSnapshot(
        last_id=book.seq, timestamp=time, bids=bids, asks=asks, origin="stream", local_timestamp=received
    )
    return ((BOOK_SNAPSHOTS, book.product_id, time, snapshot),)


def _side(levels: Iterable[_Level | _Update]) -> Raw:
    """One side of a book. A negative quantity, which the venue sends now and then, removes the level."""
    pairs = ((decimal_text(level.price), decimal_text(level.qty)) for level in levels)
    return encode_levels((price, "0" if amount.startswith("-") else amount) for price, amount in pairs)


def _read_trade(frame: bytes, received: int) -> Sequence[Message]:
    trade = _trade.decode(frame)
    message = _trade_message(trade, received)
    if trade.type != "liquidation":
        return (message,)
    return (message, _liquidation(trade, received))


def _read_old_trades(frame: bytes, received: int) -> Sequence[Message]:
    trades = sorted(_trades.decode(frame).trades, key=lambda trade: trade.seq)
    return [_trade_message(trade, received) for trade in trades]


def _trade_message(trade: _Trade, received: int) -> Message:
    time = trade.time * MILLISECOND
    price, amount = decimal_text(trade.price), decimal_text(trade.qty)
    record = Trade(trade.uid or trade.seq, time, trade.side, price, amount, received, trade.seq)
    return (TRADES, trade.product_id, time, record)


def _liquidation(trade: _Trade, received: int) -> Message:
    time = trade.time * MILLISECOND
    liquidation = Liquidation(
        id=trade.uid or trade.seq,
        timestamp=time,
        side=trade.side,
        price=decimal_text(trade.price),
        amount=decimal_text(trade.qty),
        local_timestamp=received,
    )
    return (LIQUIDATIONS, trade.product_id, time, liquidation)


def _read_ticker(frame: bytes, received: int) -> Sequence[Message]:
    return list(_ticker_messages(_ticker.decode(frame), received))


def _ticker_messages(ticker: _Ticker, received: int) -> Iterator[Message]:
    sent, symbol = ticker.time * MILLISECOND, ticker.product_id
    numbers = best_quote(ticker.bid, ticker.bid_size, ticker.ask, ticker.ask_size)
    if numbers is not None:
        yield (QUOTES, symbol, sent, Quote(None, None, *numbers, received, sent))
    absent = "0" if symbol.startswith("P") and ticker.next_funding_rate_time else None
    derivative = DerivativeTicker(
        funding_timestamp=millis_to_micros(ticker.next_funding_rate_time),
        funding_rate=optional_decimal_text(ticker.relative_funding_rate) or absent,
        predicted_funding_rate=optional_decimal_text(ticker.relative_funding_rate_prediction) or absent,
        open_interest=optional_decimal_text(ticker.openInterest),
        last_price=optional_decimal_text(ticker.last),
        index_price=optional_decimal_text(ticker.index),
        mark_price=optional_decimal_text(ticker.markPrice),
        local_timestamp=received,
        sent_timestamp=sent,
    )
    yield (DERIVATIVE_TICKER, symbol, sent, derivative)


_FEEDS: Final[dict[str, Callable[[bytes, int], Sequence[Message]]]] = {
    "book": _read_update,
    "book_snapshot": _read_snapshot,
    "trade": _read_trade,
    "trade_snapshot": _read_old_trades,
    "ticker": _read_ticker,
    "ticker_lite": lambda frame, received: (),  # it has no sizes, so there is no quote to record
    HEARTBEAT: lambda frame, received: (),
}
