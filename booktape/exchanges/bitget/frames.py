"""Parser of Bitget frames, and the book checksum. The facts stand in :mod:`booktape.exchanges.bitget`."""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Final
from zlib import crc32

from msgspec import Raw, Struct, json

from booktape.exchanges.bitget.instruments import SPOT
from booktape.exchanges.spec import Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import ABSENT, MILLISECOND, TextLevel, millis_to_micros
from booktape.model.book import Book
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

_CHECKED_LEVELS: Final = 25


class _Arg(Struct, gc=False):
    instType: str
    channel: str
    instId: str = ""


class _Frame(Struct, gc=False):
    arg: _Arg | None = None
    action: str = ""
    data: Raw = ABSENT
    ts: int = 0
    event: str = ""
    code: int = 0
    msg: str = ""


class _Trade(Struct, gc=False):
    tradeId: int
    ts: int
    price: str
    size: str
    side: str


class _Book(Struct, gc=False):
    asks: Raw
    bids: Raw
    ts: int
    seq: int | None = None
    checksum: int | None = None


class _Best(Struct, gc=False):
    asks: list[TextLevel]
    bids: list[TextLevel]
    ts: int
    seq: int | None = None


class _Ticker(Struct, gc=False):
    ts: int
    lastPr: str
    markPrice: str
    indexPrice: str
    fundingRate: str = ""
    nextFundingTime: str = ""
    holdingAmount: str = ""


# strict=False, because whole numbers are sent as text.
_frame = json.Decoder(_Frame, strict=False)
_trades = json.Decoder(list[_Trade], strict=False)
_books = json.Decoder(list[_Book], strict=False)
_bests = json.Decoder(list[_Best], strict=False)
_tickers = json.Decoder(list[_Ticker], strict=False)


def parse(frame: bytes, received: int) -> Sequence[Message]:
    """Parse one frame into records."""
    if frame == b"pong":
        return ()
    content = _frame.decode(frame)
    if content.data is ABSENT or content.arg is None:
        return _control(content)
    kind, channel, name = content.arg.instType, content.arg.channel, content.arg.instId
    read = _READERS.get(channel)
    if read is None:
        if channel.startswith("candle"):
            return ()
        raise UnknownFrameError(channel)
    if kind == SPOT:
        return () if channel == "ticker" else list(read(content, name, received))
    return list(read(content, f"{name}.{kind}", received))


def _control(frame: _Frame) -> Sequence[Message]:
    if frame.event == "error":
        raise SubscriptionRefusedError(f"{frame.msg} (code {frame.code})")
    if frame.event in ("subscribe", "unsubscribe"):
        return ()
    raise UnknownFrameError(frame.event or "frame without data or event")


def _trade(frame: _Frame, symbol: str, received: int) -> Iterator[Message]:
    for trade in reversed(_trades.decode(frame.data)):
        time = trade.ts * MILLISECOND
        yield (TRADES, symbol, time, Trade(trade.tradeId, time, trade.side, trade.price, trade.size, received))


def _book(frame: _Frame, symbol: str, received: int) -> Iterator[Message]:
    sent = millis_to_micros(frame.ts)
    for book in _books.decode(frame.data):
        time = book.ts * MILLISECOND
        if frame.action == "snapshot":
            snapshot = BookSnapshot(
                last_id=book.seq,
                timestamp=time,
                bids=book.bids,
                asks=book.asks,
                origin="stream",
                local_timestamp=received,
                sent_timestamp=sent,
            )
            yield (BOOK_SNAPSHOTS, symbol, time, snapshot)
        elif frame.action == "update":
            update = BookUpdate(
                last_id=book.seq,
                timestamp=time,
                bids=book.bids,
                asks=book.asks,
                checksum=book.checksum,
                local_timestamp=received,
                sent_timestamp=sent,
            )
            yield (BOOK_UPDATES, symbol, time, update)
        else:
            raise UnknownFrameError(f"books {frame.action}")


def _quote(frame: _Frame, symbol: str, received: int) -> Iterator[Message]:
    sent = millis_to_micros(frame.ts)
    for best in _bests.decode(frame.data):
        if best.bids and best.asks:
            bid, ask, time = best.bids[0], best.asks[0], best.ts * MILLISECOND
            quote = Quote(best.seq, time, bid.price, bid.amount, ask.price, ask.amount, received, sent)
            yield (QUOTES, symbol, time, quote)


def _ticker(frame: _Frame, symbol: str, received: int) -> Iterator[Message]:
    for item in _tickers.decode(frame.data):
        time = item.ts * MILLISECOND
        ticker = DerivativeTicker(
            timestamp=time,
            funding_timestamp=millis_to_micros(item.nextFundingTime),
            funding_rate=item.fundingRate or None,
            open_interest=item.holdingAmount or None,
            last_price=item.lastPr or None,
            index_price=item.indexPrice or None,
            mark_price=item.markPrice or None,
            local_timestamp=received,
            sent_timestamp=millis_to_micros(frame.ts),
        )
        yield (DERIVATIVE_TICKER, symbol, time, ticker)


_READERS: Final[dict[str, Callable[[_Frame, str, int], Iterator[Message]]]] = {
    "trade": _trade,
    "books": _book,
    "books1": _quote,
    "ticker": _ticker,
}


def checksum(book: Book) -> int:
    """Signed CRC32 over the 25 best levels, alternating bid and ask: ``price:amount`` of each, as the venue sent it."""
    turns = zip_longest(book.bids.top(_CHECKED_LEVELS), book.asks.top(_CHECKED_LEVELS))
    text = ":".join(number for turn in turns for level in turn if level is not None for number in level)
    unsigned = crc32(text.encode())
    return unsigned - 2**32 if unsigned >= 2**31 else unsigned
