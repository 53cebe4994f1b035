"""Parser of Hyperliquid frames and REST books. The facts stand in :mod:`booktape.exchanges.hyperliquid`."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import ABSENT, MILLISECOND, encode_levels
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    DERIVATIVE_TICKER,
    QUOTES,
    TRADES,
    BookSnapshot,
    DerivativeTicker,
    Quote,
    Trade,
)

_CONTROL: Final = frozenset({"subscriptionResponse", "pong", "activeSpotAssetCtx"})
_SIDES: Final = {"B": "buy", "A": "sell"}


class _Frame(Struct):
    channel: str
    data: Raw = Raw()


class _Level(Struct, gc=False):
    px: str
    sz: str


class _Book(Struct):
    coin: str
    time: int
    levels: tuple[list[_Level], list[_Level]]


class _Best(Struct):
    coin: str
    time: int
    bbo: tuple[_Level | None, _Level | None]


class _Trade(Struct, gc=False):
    coin: str
    side: str
    px: str
    sz: str
    time: int
    tid: int


class _State(Struct, gc=False):
    funding: str
    openInterest: str
    oraclePx: str
    markPx: str


class _Context(Struct):
    coin: str
    ctx: _State


_frame = json.Decoder(_Frame)
_book = json.Decoder(_Book)
_best = json.Decoder(_Best)
_trades = json.Decoder(list[_Trade])
_context = json.Decoder(_Context)
_text = json.Decoder(str)


def parse(frame: bytes, received: int) -> Sequence[Message]:
    """Parse one frame into records."""
    content = _frame.decode(frame)
    channel = content.channel
    if channel == "l2Book":
        return (_snapshot(_book.decode(content.data), "stream", received),)
    if channel == "trades":
        return [_trade(trade, received) for trade in _trades.decode(content.data)]
    if channel == "bbo":
        return _quote(_best.decode(content.data), received)
    if channel == "activeAssetCtx":
        return (_ticker(_context.decode(content.data), received),)
    if channel == "error":
        raise SubscriptionRefusedError(_text.decode(content.data))
    if channel in _CONTROL:
        return ()
    raise UnknownFrameError(channel)


def _snapshot(book: _Book, origin: str, received: int, sent: int | None = None) -> Message:
    time = book.time * MILLISECOND
    bids, asks = (encode_levels((level.px, level.sz) for level in side) for side in book.levels)
    snapshot = BookSnapshot(
        timestamp=time, bids=bids, asks=asks, origin=origin, local_timestamp=received, sent_timestamp=sent
    )
    return (BOOK_SNAPSHOTS, book.coin, time, snapshot)


def _trade(trade: _Trade, received: int) -> Message:
    time, side = trade.time * MILLISECOND, _SIDES.get(trade.side, "unknown")
    return (TRADES, trade.coin, time, Trade(trade.tid, time, side, trade.px, trade.sz, received))


def _quote(best: _Best, received: int) -> Sequence[Message]:
    bid, ask = best.bbo
    if bid is None or ask is None:
        return ()
    time = best.time * MILLISECOND
    return ((QUOTES, best.coin, time, Quote(None, time, bid.px, bid.sz, ask.px, ask.sz, received)),)


def _ticker(context: _Context, received: int) -> Message:
    state = context.ctx
    ticker = DerivativeTicker(
        funding_rate=state.funding,
        open_interest=state.openInterest,
        index_price=state.oraclePx,
        mark_price=state.markPx,
        local_timestamp=received,
    )
    return (DERIVATIVE_TICKER, context.coin, 0, ticker)


class _Answer(Struct):
    levels: Raw = ABSENT


_answer = json.Decoder(_Answer | list[Raw] | None)


def parse_rest(url: str, body: bytes, received: int, sent: int | None) -> Sequence[Message]:
    """Parse an answer of ``POST /info`` into a book. Answers to other requests with the same URL hold no records."""
    if not urlsplit(url).path.endswith("/info"):
        return ()
    answer = _answer.decode(body)
    if not isinstance(answer, _Answer) or answer.levels is ABSENT:
        return ()
    return (_snapshot(_book.decode(body), "rest", received, sent),)
