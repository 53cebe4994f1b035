"""Parser of HTX spot frames. The facts stand in :mod:`booktape.exchanges.htx`."""

from collections.abc import Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message, Output, Reply, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import MILLISECOND, NumberLevel, best_quote, decimal_text, gunzip, number_levels
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES, BookSnapshot, BookUpdate, Quote, Trade

BOOK: Final = "mbp.400"
_MOST_HELD: Final = 300
"""After so many updates, half a minute's, without an answer the snapshot is requested again."""


class _Frame(Struct, rename={"error": "err-msg", "code": "err-code"}):
    ch: str = ""
    rep: str = ""
    ts: int = 0
    tick: Raw = Raw()
    data: Raw = Raw()
    ping: int | None = None
    subbed: str = ""
    unsubbed: str = ""
    status: str = ""
    error: str = ""
    code: str = ""


class _Trade(Struct, gc=False):
    tradeId: int
    ts: int
    price: Raw
    amount: Raw
    direction: str


class _Trades(Struct):
    data: list[_Trade]


class _Update(Struct):
    seqNum: int
    prevSeqNum: int
    bids: list[NumberLevel] = []
    asks: list[NumberLevel] = []


class _Snapshot(Struct):
    seqNum: int
    bids: list[NumberLevel]
    asks: list[NumberLevel]


class DepthData(Struct):
    """A whole book of ``depth.step0``."""

    ts: int
    bids: list[NumberLevel]
    asks: list[NumberLevel]
    version: int


class _Best(Struct):
    seqId: int
    quoteTime: int
    bid: Raw
    bidSize: Raw
    ask: Raw
    askSize: Raw


_frame = json.Decoder(_Frame)
_trades = json.Decoder(_Trades)
_update = json.Decoder(_Update)
_snapshot = json.Decoder(_Snapshot)
_depth = json.Decoder(DepthData)
_best = json.Decoder(_Best)


_UpdateMessage = tuple[str, str, int, BookUpdate]


class Parser:
    """Parser of one connection. It holds the updates of books whose snapshot has not come yet, by channel."""

    def __init__(self) -> None:
        self._held: dict[str, list[_UpdateMessage]] = {}

    def __call__(self, frame: bytes, received: int) -> Sequence[Output]:
        """Parse one frame into records."""
        content = _frame.decode(gunzip(frame))
        if not content.ch:
            return self._control(content, received)
        _, symbol, kind = content.ch.split(".", 2)
        if kind == BOOK:
            return self._updated(content, symbol, received)
        if kind == "trade.detail":
            rows = sorted(_trades.decode(content.tick).data, key=lambda trade: trade.tradeId)
            return [_trade(row, symbol, received) for row in rows]
        if kind == "bbo":
            return _quote(_best.decode(content.tick), symbol, content.ts * MILLISECOND, received)
        if kind == "depth.step0":
            depth = _depth.decode(content.tick)
            return (whole_book(depth, symbol, content.ts * MILLISECOND, received, last_id=depth.version),)
        raise UnknownFrameError(kind)

    def _updated(self, content: _Frame, symbol: str, received: int) -> Sequence[Output]:
        tick, sent = _update.decode(content.tick), content.ts * MILLISECOND
        update = BookUpdate(
            first_id=tick.prevSeqNum + 1,
            last_id=tick.seqNum,
            previous_id=tick.prevSeqNum,
            bids=number_levels(tick.bids),
            asks=number_levels(tick.asks),
            local_timestamp=received,
            sent_timestamp=sent,
        )
        message = (BOOK_UPDATES, symbol, sent, update)
        held = self._held.get(content.ch)
        if held is None:
            return (message,)
        held.append(message)
        if len(held) <= _MOST_HELD:
            return ()
        self._held[content.ch] = []
        return [*held, _snapshot_request(content.ch)]

    def _answered(self, content: _Frame, received: int) -> Sequence[Output]:
        channel, book, sent = content.rep, _snapshot.decode(content.data), content.ts * MILLISECOND
        symbol, held = channel.split(".", 2)[1], self._held.pop(channel, [])
        snapshot = BookSnapshot(
            last_id=book.seqNum,
            bids=number_levels(book.bids),
            asks=number_levels(book.asks),
            origin="stream",
            local_timestamp=received,
            sent_timestamp=sent or None,
        )
        message = (BOOK_SNAPSHOTS, symbol, sent, snapshot)
        for index, (_, _, _, update) in enumerate(held):
            if update.previous_id == book.seqNum:
                return [*held[:index], message, *held[index:]]
        last = held[-1][3].last_id or 0 if held else 0
        if last > book.seqNum:  # it is older than the held updates, or lies within one of them
            self._held[channel] = held
            return (_snapshot_request(channel),)
        return [*held, message] if last == book.seqNum else (message,)

    def _control(self, content: _Frame, received: int) -> Sequence[Output]:
        if content.ping is not None:
            return (pong(content.ping),)
        if content.status == "error":
            raise SubscriptionRefusedError(f"{content.error} ({content.code})")
        if content.rep.endswith(BOOK):
            return self._answered(content, received)
        if content.subbed.endswith(BOOK):
            self._held[content.subbed] = []
            return (_snapshot_request(content.subbed),)
        if content.unsubbed:
            self._held.pop(content.unsubbed, None)
        elif not content.subbed:
            raise UnknownFrameError("frame without channel")
        return ()


def _snapshot_request(channel: str) -> Reply:
    """The request for the snapshot of a book."""
    return Reply(json.encode({"req": channel, "id": channel}))


def pong(number: int) -> Reply:
    """The answer to a ping."""
    return Reply(b'{"pong":%d}' % number)


def whole_book(depth: DepthData, symbol: str, sent: int, received: int, last_id: int | None) -> Message:
    """A book of ``depth.step0``. It has no relation to the incremental stream, so it counts as a REST book.

    :param sent: the time of sending in µs.
    :param last_id: the id of the book, where it has one.
    """
    time = depth.ts * MILLISECOND
    snapshot = BookSnapshot(
        last_id=last_id,
        timestamp=time,
        bids=number_levels(depth.bids),
        asks=number_levels(depth.asks),
        origin="rest",
        local_timestamp=received,
        sent_timestamp=sent,
    )
    return (BOOK_SNAPSHOTS, symbol, time, snapshot)


def _trade(trade: _Trade, symbol: str, received: int) -> Message:
    time, price, amount = trade.ts * MILLISECOND, decimal_text(trade.price), decimal_text(trade.amount)
    return (TRADES, symbol, time, Trade(trade.tradeId, time, trade.direction, price, amount, received))


def _quote(row: _Best, symbol: str, sent: int, received: int) -> Sequence[Message]:
    numbers = best_quote(row.bid, row.bidSize, row.ask, row.askSize)
    if numbers is None:
        return ()
    time = row.quoteTime * MILLISECOND
    return ((QUOTES, symbol, time, Quote(row.seqId, time, *numbers, received, sent)),)
