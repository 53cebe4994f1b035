"""Parser of Crypto.com frames. The facts stand in :mod:`booktape.exchanges.crypto_com`."""

from collections.abc import Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message, Output, Reply, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import (
    ABSENT,
    MILLISECOND,
    SIDES,
    NumberLevel,
    best_quote,
    decimal_text,
    number_levels,
    optional_decimal_text,
)
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    QUOTES,
    TRADES,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Quote,
    Trade,
)

_HOUR: Final = 3_600_000
DERIVATIVE: Final = ("mark", "index", "funding", "estimatedfunding")


class _Result(Struct):
    channel: str
    instrument_name: str = ""
    data: Raw = Raw()


class _Frame(Struct):
    id: int = -1
    method: str = ""
    code: int = 0
    message: str = ""
    result: _Result | None = None


class _Trade(Struct, gc=False):
    d: int
    t: int
    p: Raw
    q: Raw
    s: str


class _Levels(Struct):
    bids: list[NumberLevel] = []
    asks: list[NumberLevel] = []


class _Book(Struct):
    t: int
    bids: list[NumberLevel]
    asks: list[NumberLevel]
    tt: int | None = None
    u: int | None = None


class _Delta(Struct):
    t: int
    u: int
    pu: int
    update: _Levels
    tt: int | None = None


class _Ticker(Struct):
    t: int
    a: Raw = ABSENT
    b: Raw = ABSENT
    bs: Raw = ABSENT
    k: Raw = ABSENT
    ks: Raw = ABSENT
    oi: Raw = ABSENT


class _Value(Struct):
    v: str
    t: int


# strict=False, because numbers may come as text.
_frame = json.Decoder(_Frame, strict=False)
_trades = json.Decoder(list[_Trade], strict=False)
_books = json.Decoder(list[_Book], strict=False)
_deltas = json.Decoder(list[_Delta], strict=False)
_tickers = json.Decoder(list[_Ticker], strict=False)
_values = json.Decoder(list[_Value], strict=False)


def parse(frame: bytes, received: int) -> Sequence[Output]:
    """Parse one frame into records."""
    content = _frame.decode(frame)
    result = content.result
    if content.code:
        raise SubscriptionRefusedError(f"{content.message} (code {content.code})")
    if content.method == "public/heartbeat":
        return (Reply(json.encode({"id": content.id, "method": "public/respond-heartbeat"})),)
    if content.method not in ("subscribe", "unsubscribe"):
        raise UnknownFrameError(content.method or "frame without method")
    if result is None:
        return ()
    channel, symbol = result.channel, result.instrument_name
    if channel == "book.update":
        deltas = _deltas.decode(result.data)
        return [_delta(item, symbol, received) for item in deltas if item.u != item.pu or item.update != _Levels()]
    if channel == "trade":
        trades = sorted(_trades.decode(result.data), key=lambda trade: trade.d)
        return [_trade(trade, symbol, received) for trade in trades]
    if channel == "ticker":
        return [message for item in _tickers.decode(result.data) for message in _ticker(item, symbol, received)]
    if channel == "book":
        return [_book(item, symbol, received) for item in _books.decode(result.data)]
    if channel in DERIVATIVE:
        return [_value(item, channel, symbol, received) for item in _values.decode(result.data)]
    if channel == "candlestick":
        return ()
    raise UnknownFrameError(channel)


def _trade(trade: _Trade, symbol: str, received: int) -> Message:
    time, side = trade.t * MILLISECOND, SIDES.get(trade.s, "unknown")
    return (TRADES, symbol, time, Trade(trade.d, time, side, decimal_text(trade.p), decimal_text(trade.q), received))


def _delta(delta: _Delta, symbol: str, received: int) -> Message:
    time = delta.tt * MILLISECOND if delta.tt is not None else None
    update = BookUpdate(
        first_id=delta.pu + 1,
        last_id=delta.u,
        previous_id=delta.pu,
        timestamp=time,
        bids=number_levels(delta.update.bids),
        asks=number_levels(delta.update.asks),
        local_timestamp=received,
        sent_timestamp=delta.t * MILLISECOND,
    )
    return (BOOK_UPDATES, symbol, time or delta.t * MILLISECOND, update)


def _book(book: _Book, symbol: str, received: int) -> Message:
    time = book.tt * MILLISECOND if book.tt is not None else None
    snapshot = BookSnapshot(
        last_id=book.u,
        timestamp=time,
        bids=number_levels(book.bids),
        asks=number_levels(book.asks),
        origin="stream" if book.u is not None else "rest",  # without an id, updates cannot continue it
        local_timestamp=received,
        sent_timestamp=book.t * MILLISECOND,
    )
    return (BOOK_SNAPSHOTS, symbol, time or book.t * MILLISECOND, snapshot)


def _ticker(ticker: _Ticker, symbol: str, received: int) -> list[Message]:
    sent = ticker.t * MILLISECOND
    messages: list[Message] = []
    numbers = best_quote(ticker.b, ticker.bs, ticker.k, ticker.ks)
    if numbers is not None:
        messages.append((QUOTES, symbol, sent, Quote(None, None, *numbers, received, sent)))
    if "_" not in symbol:
        record = DerivativeTicker(
            open_interest=optional_decimal_text(ticker.oi),
            last_price=optional_decimal_text(ticker.a),
            local_timestamp=received,
            sent_timestamp=sent,
        )
        messages.append((DERIVATIVE_TICKER, symbol, sent, record))
    return messages


def _value(item: _Value, channel: str, symbol: str, received: int) -> Message:
    time = item.t * MILLISECOND
    funding_time = (item.t // _HOUR + 1) * _HOUR * MILLISECOND if channel == "funding" else None
    ticker = DerivativeTicker(
        timestamp=time,
        funding_timestamp=funding_time,
        funding_rate=item.v if channel == "funding" else None,
        predicted_funding_rate=item.v if channel == "estimatedfunding" else None,
        index_price=item.v if channel == "index" else None,
        mark_price=item.v if channel == "mark" else None,
        local_timestamp=received,
    )
    if channel == "index":
        symbol = symbol.removesuffix("-INDEX") + "-PERP"
    return (DERIVATIVE_TICKER, symbol, time, ticker)
