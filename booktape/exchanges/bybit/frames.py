"""Parser of Bybit frames and REST books. The facts stand in :mod:`booktape.exchanges.bybit`."""

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from msgspec import Raw, Struct, json
from msgspec.structs import astuple

from booktape.exchanges.spec import Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import MILLISECOND, OPPOSITE, SIDES, TextLevel
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


class _Frame(Struct):
    topic: str = ""
    type: str = ""
    ts: int = 0
    cts: int = 0
    data: Raw = Raw(b"")
    success: bool | None = None
    ret_msg: str = ""


class _Book(Struct, gc=False):
    s: str
    b: Raw
    a: Raw
    u: int
    seq: int


class _Liquidation(Struct, gc=False):
    T: int
    s: str
    S: str
    v: str
    p: str


class _Trade(_Liquidation, gc=False):
    i: str


class _Ticker(Struct, gc=False):
    symbol: str
    lastPrice: str = ""
    markPrice: str = ""
    indexPrice: str = ""
    openInterest: str = ""
    fundingRate: str = ""
    nextFundingTime: str = ""


class _Answer(Struct):
    retCode: int
    retMsg: str
    result: Raw


class _RestBook(_Book):
    ts: int
    cts: int


_frame = json.Decoder(_Frame)
_book = json.Decoder(_Book)
_levels = json.Decoder(list[TextLevel])
_trades = json.Decoder(list[_Trade])
_liquidations = json.Decoder(list[_Liquidation])
_ticker = json.Decoder(_Ticker)
_answer = json.Decoder(_Answer)
_rest_book = json.Decoder(_RestBook)


Read = Callable[[_Frame, int], Sequence[Message]]


def parse(readers: dict[str, Read], frame: bytes, received: int) -> Sequence[Message]:
    """Parse one frame into records.

    :param readers: the function that parses the messages of each kind of topic.
    """
    content = _frame.decode(frame)
    if not content.topic and content.success:
        return ()
    if content.success is False:
        raise SubscriptionRefusedError(content.ret_msg)
    kind = content.topic.partition(".")[0]
    read = readers.get(kind)
    if read is None:
        raise UnknownFrameError(kind or "frame without topic")
    return read(content, received)


def _read_book(content: _Frame, received: int) -> Sequence[Message]:
    book = _book.decode(content.data)
    if not content.cts or not content.ts:
        raise UnknownFrameError("book without its times")
    time, sent = content.cts * MILLISECOND, content.ts * MILLISECOND
    if content.topic.startswith("orderbook.1."):
        return _quote(book, content.type, time, sent, received)
    if content.type == "delta":
        update = BookUpdate(
            first_id=book.u,
            last_id=book.u,
            timestamp=time,
            bids=book.b,
            asks=book.a,
            local_timestamp=received,
            sent_timestamp=sent,
        )
        return ((BOOK_UPDATES, book.s, time, update),)
    if content.type == "snapshot":
        return (_snapshot(book, "stream", time, sent, received),)
    raise UnknownFrameError(f"orderbook {content.type}")


def _snapshot(book: _Book, origin: str, time: int, sent: int, received: int) -> Message:
    snapshot = BookSnapshot(
        last_id=book.u,
        timestamp=time,
        bids=book.b,
        asks=book.a,
        origin=origin,
        local_timestamp=received,
        sent_timestamp=sent,
    )
    return (BOOK_SNAPSHOTS, book.s, time, snapshot)


def _quote(book: _Book, kind: str, time: int, sent: int, received: int) -> Sequence[Message]:
    """The best bid and ask. No record if one of them is missing."""
    if kind != "snapshot":
        raise UnknownFrameError(f"orderbook.1 {kind}")
    return [
        (QUOTES, book.s, time, Quote(book.seq, time, bid.price, bid.amount, ask.price, ask.amount, received, sent))
        for bid, ask in zip(_levels.decode(book.b), _levels.decode(book.a), strict=False)
    ]


def _read_trades(content: _Frame, received: int) -> Sequence[Message]:
    return [_trade(trade, received) for trade in _trades.decode(content.data)]


def _trade(trade: _Trade, received: int) -> Message:
    time = trade.T * MILLISECOND
    return (TRADES, trade.s, time, Trade(trade.i, time, SIDES.get(trade.S, "unknown"), trade.p, trade.v, received))


def _read_liquidations(content: _Frame, received: int) -> Sequence[Message]:
    return [_liquidation(item, content.ts * MILLISECOND, received) for item in _liquidations.decode(content.data)]


def _liquidation(item: _Liquidation, sent: int, received: int) -> Message:
    time = item.T * MILLISECOND
    liquidation = Liquidation(
        timestamp=time,
        side=OPPOSITE[item.S],
        price=item.p,
        amount=item.v,
        local_timestamp=received,
        sent_timestamp=sent,
    )
    return (LIQUIDATIONS, item.s, time, liquidation)


def _read_ticker(content: _Frame, received: int) -> Sequence[Message]:
    ticker = _ticker.decode(content.data)
    _, *values = astuple(ticker)
    if not any(values):
        return ()
    if not content.ts:
        raise UnknownFrameError("ticker without its time")
    time = content.ts * MILLISECOND
    record = DerivativeTicker(
        timestamp=time,
        funding_timestamp=int(ticker.nextFundingTime or 0) * MILLISECOND or None,
        funding_rate=ticker.fundingRate or None,
        open_interest=ticker.openInterest or None,
        last_price=ticker.lastPrice or None,
        index_price=ticker.indexPrice or None,
        mark_price=ticker.markPrice or None,
        local_timestamp=received,
    )
    return ((DERIVATIVE_TICKER, ticker.symbol, time, record),)


SPOT: Final[dict[str, Read]] = {
    "orderbook": _read_book,
    "publicTrade": _read_trades,
    "tickers": lambda content, received: (),  # only other recorders subscribe to this and to candles
    "kline": lambda content, received: (),
}
CONTRACTS: Final[dict[str, Read]] = SPOT | {"tickers": _read_ticker, "allLiquidation": _read_liquidations}


def parse_rest(url: str, body: bytes, received: int, sent: int | None) -> Sequence[Message]:
    """Parse an answer of ``GET /v5/market/orderbook`` into a snapshot."""
    if not urlsplit(url).path.endswith("/market/orderbook"):
        return ()
    answer = _answer.decode(body)
    if answer.retCode:
        raise SubscriptionRefusedError(f"{answer.retMsg} (code {answer.retCode})")
    book = _rest_book.decode(answer.result)
    return (_snapshot(book, "rest", book.cts * MILLISECOND, book.ts * MILLISECOND, received),)
