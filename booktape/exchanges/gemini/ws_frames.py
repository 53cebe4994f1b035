"""Parser of the frames of the new Gemini WebSocket API. The facts stand in :mod:`booktape.exchanges.gemini`."""

from collections.abc import Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import ABSENT, NANOSECONDS, decimal_text
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES, BookSnapshot, BookUpdate, Quote, Trade

_DONE: Final = 200


class _Error(Struct):
    msg: str = ""
    code: int = 0


class _Frame(Struct, gc=False):
    """The fields of all streams and answers; ``a`` and ``b`` are prices in one stream and levels in another."""

    e: str = ""
    E: int = 0
    s: str = ""
    t: int = 0
    p: str = ""
    q: str = ""
    m: bool | None = None
    U: int = 0
    u: int = 0
    b: Raw = ABSENT
    a: Raw = ABSENT
    B: str = ""
    A: str = ""
    status: int = 0
    error: _Error | None = None


_frame = json.Decoder(_Frame)


class Parser:
    """Parser of one connection. It remembers the markets whose book has begun."""

    def __init__(self) -> None:
        self._begun: set[str] = set()

    def __call__(self, frame: bytes, received: int) -> Sequence[Message]:
        """Parse one frame, which holds one record at most."""
        content = _frame.decode(frame)
        if content.e == "depthUpdate":
            return (self._book(content, received),)
        if content.e:
            raise UnknownFrameError(content.e)
        if content.t and content.s:
            return (_trade(content, received),)
        if content.u and content.s:
            return _quote(content, received)
        if content.error is not None:
            raise SubscriptionRefusedError(f"{content.error.msg} (code {content.error.code})")
        if content.status == _DONE:
            return ()
        raise UnknownFrameError("a frame of no known stream")

    def _book(self, depth: _Frame, received: int) -> Message:
        if not (depth.s and depth.u and depth.E) or depth.b is ABSENT or depth.a is ABSENT:
            raise UnknownFrameError("depthUpdate without its fields")
        sent = depth.E // NANOSECONDS
        if depth.u == depth.U or depth.s not in self._begun:
            self._begun.add(depth.s)
            snapshot = BookSnapshot(
                last_id=depth.u,
                bids=depth.b,
                asks=depth.a,
                origin="stream",
                local_timestamp=received,
                sent_timestamp=sent,
            )
            return (BOOK_SNAPSHOTS, depth.s, sent, snapshot)
        update = BookUpdate(
            first_id=depth.U + 1,
            last_id=depth.u,
            bids=depth.b,
            asks=depth.a,
            local_timestamp=received,
            sent_timestamp=sent,
        )
        return (BOOK_UPDATES, depth.s, sent, update)


def _trade(trade: _Frame, received: int) -> Message:
    if not (trade.E and trade.p and trade.q) or trade.m is None:
        raise UnknownFrameError("a trade without its fields")
    time, side = trade.E // NANOSECONDS, "sell" if trade.m else "buy"
    return (TRADES, trade.s, time, Trade(trade.t, time, side, trade.p, trade.q, received))


def _quote(ticker: _Frame, received: int) -> Sequence[Message]:
    if ticker.a is ABSENT or ticker.b is ABSENT or not (ticker.A and ticker.B):
        return ()
    sent = ticker.E // NANOSECONDS
    quote = Quote(ticker.u, None, decimal_text(ticker.b), ticker.B, decimal_text(ticker.a), ticker.A, received, sent)
    return ((QUOTES, ticker.s, sent, quote),)
