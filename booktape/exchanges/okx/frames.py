"""Parser of OKX frames and REST books. The facts stand in :mod:`booktape.exchanges.okx`."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Leaving, Message, Output, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import ABSENT, MILLISECOND, TextLevel, path_and_query, text_levels
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

_WITHOUT_RECORD: Final = frozenset({"subscribe", "unsubscribe", "channel-conn-count"})


class _Arg(Struct, gc=False):
    channel: str
    instId: str = ""


class _Frame(Struct, gc=False):
    arg: _Arg | None = None
    action: str = ""
    data: Raw = ABSENT
    event: str = ""
    code: str = ""
    msg: str = ""


class _Trade(Struct, gc=False):
    tradeId: int
    px: str
    sz: str
    side: str
    ts: int


class _Book(Struct, gc=False):
    asks: list[TextLevel]
    bids: list[TextLevel]
    ts: int
    seqId: int
    prevSeqId: int = -1


class _Funding(Struct, gc=False):
    fundingRate: str
    fundingTime: int
    ts: int
    nextFundingRate: str = ""


class _Mark(Struct, gc=False):
    markPx: str
    ts: int


class _Interest(Struct, gc=False):
    oi: str
    ts: int


class _Detail(Struct, gc=False):
    side: str
    bkPx: str
    sz: str
    ts: int


class _Liquidated(Struct, gc=False):
    instId: str
    details: list[_Detail]


_frame = json.Decoder(_Frame)
# strict=False, because whole numbers are sent as text.
_trades = json.Decoder(list[_Trade], strict=False)
_books = json.Decoder(list[_Book], strict=False)
_fundings = json.Decoder(list[_Funding], strict=False)
_marks = json.Decoder(list[_Mark], strict=False)
_interests = json.Decoder(list[_Interest], strict=False)
_liquidated = json.Decoder(list[_Liquidated], strict=False)


def parse(frame: bytes, received: int) -> Sequence[Output]:
    """Parse one frame into records."""
    if frame == b"pong":
        return ()
    content = _frame.decode(frame)
    if content.data is ABSENT or content.arg is None:
        return _control(content)
    channel = content.arg.channel
    read = _READERS.get(channel)
    if read is None:
        if channel.startswith(("candle", "index-")) or channel in ("tickers", "books5"):
            return ()
        raise UnknownFrameError(channel)
    return list(read(content, content.arg.instId, received))


def _control(frame: _Frame) -> Sequence[Leaving]:
    if frame.event == "error":
        raise SubscriptionRefusedError(f"{frame.msg} (code {frame.code})")
    if frame.event == "notice":
        return (Leaving(f"{frame.msg} (code {frame.code})"),)
    if frame.event in _WITHOUT_RECORD:
        return ()
    raise UnknownFrameError(frame.event or "frame without data or event")


def _trade(frame: _Frame, instrument: str, received: int) -> Iterator[Message]:
    for trade in _trades.decode(frame.data):
        time = trade.ts * MILLISECOND
        yield (TRADES, instrument, time, Trade(trade.tradeId, time, trade.side, trade.px, trade.sz, received))


def _book(frame: _Frame, instrument: str, received: int) -> Iterator[Output]:
    for book in _books.decode(frame.data):
        time, bids, asks = book.ts * MILLISECOND, text_levels(book.bids), text_levels(book.asks)
        if frame.action == "snapshot":
            snapshot = BookSnapshot(
                last_id=book.seqId, timestamp=time, bids=bids, asks=asks, origin="stream", local_timestamp=received
            )
            yield (BOOK_SNAPSHOTS, instrument, time, snapshot)
        elif frame.action != "update":
            raise UnknownFrameError(f"books {frame.action}")
        elif book.seqId > book.prevSeqId:
            update = BookUpdate(
                last_id=book.seqId,
                previous_id=book.prevSeqId,
                timestamp=time,
                bids=bids,
                asks=asks,
                local_timestamp=received,
            )
            yield (BOOK_UPDATES, instrument, time, update)
        elif book.seqId < book.prevSeqId:
            yield Leaving(f"the ids of {instrument}'s book began again")


def _quote(frame: _Frame, instrument: str, received: int) -> Iterator[Message]:
    for book in _books.decode(frame.data):
        if book.bids and book.asks:
            (bid, *_), (ask, *_), time = book.bids, book.asks, book.ts * MILLISECOND
            quote = Quote(book.seqId, time, bid.price, bid.amount, ask.price, ask.amount, received)
            yield (QUOTES, instrument, time, quote)


def _funding(frame: _Frame, instrument: str, received: int) -> Iterator[Message]:
    for item in _fundings.decode(frame.data):
        ticker = DerivativeTicker(
            funding_timestamp=item.fundingTime * MILLISECOND,
            funding_rate=item.fundingRate,
            predicted_funding_rate=item.nextFundingRate or None,
            local_timestamp=received,
            sent_timestamp=item.ts * MILLISECOND,
        )
        yield (DERIVATIVE_TICKER, instrument, item.ts * MILLISECOND, ticker)


def _mark(frame: _Frame, instrument: str, received: int) -> Iterator[Message]:
    for item in _marks.decode(frame.data):
        time = item.ts * MILLISECOND
        ticker = DerivativeTicker(timestamp=time, mark_price=item.markPx, local_timestamp=received)
        yield (DERIVATIVE_TICKER, instrument, time, ticker)


def _interest(frame: _Frame, instrument: str, received: int) -> Iterator[Message]:
    for item in _interests.decode(frame.data):
        time = item.ts * MILLISECOND
        ticker = DerivativeTicker(timestamp=time, open_interest=item.oi, local_timestamp=received)
        yield (DERIVATIVE_TICKER, instrument, time, ticker)


def _liquidation(frame: _Frame, _: str, received: int) -> Iterator[Message]:
    for item in _liquidated.decode(frame.data):
        for order in item.details:
            if not order.bkPx:  # the bankruptcy price is unknown
                continue
            time = order.ts * MILLISECOND
            record = Liquidation(
                timestamp=time, side=order.side, price=order.bkPx, amount=order.sz, local_timestamp=received
            )
            yield (LIQUIDATIONS, item.instId, time, record)


_READERS: Final[dict[str, Callable[[_Frame, str, int], Iterator[Output]]]] = {
    "trades-all": _trade,
    "trades": _trade,  # what an older recorder subscribed to
    "books": _book,
    "bbo-tbt": _quote,
    "funding-rate": _funding,
    "mark-price": _mark,
    "open-interest": _interest,
    "liquidation-orders": _liquidation,
}


class _Answer(Struct):
    code: str
    msg: str
    data: list[_Book]


_answer = json.Decoder(_Answer, strict=False)
_FINE: Final = "0"


def parse_rest(url: str, body: bytes, received: int, sent: int | None) -> Sequence[Message]:
    """Parse an answer of ``GET /api/v5/market/books`` into a snapshot, which its id places, not its time."""
    path, query = path_and_query(url)
    if not path.endswith("/market/books"):
        return ()
    answer = _answer.decode(body)
    if answer.code != _FINE:
        raise SubscriptionRefusedError(f"{answer.msg} (code {answer.code})")
    return [_rest_book(book, query["instId"], received) for book in answer.data]


def _rest_book(book: _Book, instrument: str, received: int) -> Message:
    time = book.ts * MILLISECOND
    snapshot = BookSnapshot(
        last_id=book.seqId,
        bids=text_levels(book.bids),
        asks=text_levels(book.asks),
        origin="rest",
        local_timestamp=received,
        sent_timestamp=time,
    )
    return (BOOK_SNAPSHOTS, instrument, time, snapshot)
