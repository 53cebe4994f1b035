"""Parser of Deribit frames. The facts stand in :mod:`booktape.exchanges.deribit`."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message, Output, Reply, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import (
    ABSENT,
    MILLISECOND,
    OPPOSITE,
    best_quote,
    decimal_text,
    encode_levels,
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

_ALIVE: Final = Reply(b'{"jsonrpc":"2.0","id":0,"method":"public/test","params":{}}')


class _Params(Struct):
    channel: str = ""
    data: Raw = ABSENT
    type: str = ""


class _Error(Struct):
    code: int
    message: str


class _Frame(Struct):
    method: str = ""
    params: _Params | None = None
    id: int | str | None = None
    result: Raw = ABSENT
    error: _Error | None = None


class _Level(Struct, array_like=True, gc=False):
    """``["new", price, amount]``. A removed level has the action ``delete`` and the amount zero."""

    action: str
    price: Raw
    amount: Raw


class _Book(Struct):
    type: str
    instrument_name: str
    timestamp: int
    change_id: int
    bids: list[_Level]
    asks: list[_Level]
    prev_change_id: int | None = None


class _Trade(Struct, gc=False):
    trade_id: str
    trade_seq: int
    instrument_name: str
    timestamp: int
    direction: str
    price: Raw
    amount: Raw
    liquidation: str = ""


class _Quote(Struct, gc=False):
    instrument_name: str
    timestamp: int
    best_bid_price: Raw
    best_bid_amount: Raw
    best_ask_price: Raw
    best_ask_amount: Raw


class _Ticker(Struct, gc=False):
    instrument_name: str
    timestamp: int
    last_price: Raw = ABSENT
    index_price: Raw = ABSENT
    mark_price: Raw = ABSENT
    open_interest: Raw = ABSENT
    current_funding: Raw = ABSENT


_frame = json.Decoder(_Frame)
_book = json.Decoder(_Book)
_trades = json.Decoder(list[_Trade])
_quote = json.Decoder(_Quote)
_ticker = json.Decoder(_Ticker)


def parse(frame: bytes, received: int) -> Sequence[Output]:
    """Parse one frame into records."""
    content = _frame.decode(frame)
    params = content.params
    if params is None or content.method != "subscription":
        return _control(content)
    kind = params.channel.partition(".")[0]
    if kind == "book":
        return (_book_message(_book.decode(params.data), received),)
    if kind == "quote":
        return _quote_messages(_quote.decode(params.data), received)
    if kind == "trades":
        return list(_trade_messages(params.data, received))
    if kind == "ticker":
        return (_ticker_message(_ticker.decode(params.data), received),)
    raise UnknownFrameError(kind or "notification without channel")


def _control(frame: _Frame) -> Sequence[Reply]:
    if frame.error is not None:
        raise SubscriptionRefusedError(f"{frame.error.message} (code {frame.error.code})")
    if frame.method == "heartbeat" and frame.params is not None:
        return (_ALIVE,) if frame.params.type == "test_request" else ()
    if frame.id is None or not frame.result:
        raise UnknownFrameError(frame.method or "frame without method or result")
    if bytes(frame.result) == b"[]":
        raise SubscriptionRefusedError("none of the channels exists")
    return ()


def _book_message(book: _Book, received: int) -> Message:
    time, bids, asks = book.timestamp * MILLISECOND, _side(book.bids), _side(book.asks)
    if book.type == "snapshot":
        snapshot = BookSnapshot(
            last_id=book.change_id, timestamp=time, bids=bids, asks=asks, origin="stream", local_timestamp=received
        )
        return (BOOK_SNAPSHOTS, book.instrument_name, time, snapshot)
    update = BookUpdate(
        last_id=book.change_id,
        previous_id=book.prev_change_id,
        timestamp=time,
        bids=bids,
        asks=asks,
        local_timestamp=received,
    )
    return (BOOK_UPDATES, book.instrument_name, time, update)


def _side(levels: list[_Level]) -> Raw:
    return encode_levels(
        (decimal_text(level.price), "0" if level.action == "delete" else decimal_text(level.amount)) for level in levels
    )


def _trade_messages(data: Raw, received: int) -> Iterator[Message]:
    for trade in sorted(_trades.decode(data), key=lambda trade: trade.trade_seq):
        time, symbol, side = trade.timestamp * MILLISECOND, trade.instrument_name, trade.direction
        price, amount = decimal_text(trade.price), decimal_text(trade.amount)
        yield (TRADES, symbol, time, Trade(trade.trade_id, time, side, price, amount, received, trade.trade_seq))
        for liquidated in (who for who in trade.liquidation if who in "MT"):
            liquidation = Liquidation(
                id=trade.trade_id,
                timestamp=time,
                side=side if liquidated == "T" else OPPOSITE[side],
                price=price,
                amount=amount,
                local_timestamp=received,
            )
            yield (LIQUIDATIONS, symbol, time, liquidation)


def _quote_messages(quote: _Quote, received: int) -> Sequence[Message]:
    time = quote.timestamp * MILLISECOND
    numbers = best_quote(quote.best_bid_price, quote.best_bid_amount, quote.best_ask_price, quote.best_ask_amount)
    if numbers is None:
        return ()
    return ((QUOTES, quote.instrument_name, time, Quote(None, time, *numbers, received)),)


def _ticker_message(ticker: _Ticker, received: int) -> Message:
    time = ticker.timestamp * MILLISECOND
    record = DerivativeTicker(
        timestamp=time,
        funding_rate=optional_decimal_text(ticker.current_funding),
        open_interest=optional_decimal_text(ticker.open_interest),
        last_price=optional_decimal_text(ticker.last_price),
        index_price=optional_decimal_text(ticker.index_price),
        mark_price=optional_decimal_text(ticker.mark_price),
        local_timestamp=received,
    )
    return (DERIVATIVE_TICKER, ticker.instrument_name, time, record)
