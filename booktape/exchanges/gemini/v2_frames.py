"""Parser of Gemini Market Data v2 frames. The facts stand in :mod:`booktape.exchanges.gemini`."""

from collections.abc import Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import ABSENT, MILLISECOND, NANOSECONDS, SIDES, encode_levels
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    TRADES,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Trade,
)

_CONTROL: Final = frozenset({"heartbeat", "auction_open", "auction_indicative", "auction_result"})


class _Frame(Struct, gc=False):
    type: str = ""
    symbol: str = ""
    changes: Raw = ABSENT
    trades: Raw = ABSENT
    result: str = ""
    reason: str = ""


class _Change(Struct, array_like=True, gc=False):
    side: str
    price: str
    amount: str


class _Trade(Struct, gc=False):
    symbol: str
    event_id: int
    timestamp: int
    price: str
    quantity: str
    side: str
    tid: int | None = None


class _Mark(Struct, gc=False):
    mark_price: str
    timestamp: int
    spot_index: str | None = None


_frame = json.Decoder(_Frame)
_changes = json.Decoder(list[_Change])
_trade = json.Decoder(_Trade)
_marks = json.Decoder(list[_Mark])


def parse(frame: bytes, received: int) -> Sequence[Message]:
    """Parse one frame into records."""
    content = _frame.decode(frame)
    kind = content.type
    if kind == "l2_updates":
        return (_book(content, received),)
    if kind == "trade":
        trade = _trade.decode(frame)
        identifier = trade.event_id if trade.tid is None else trade.tid
        time, side = trade.timestamp * MILLISECOND, SIDES.get(trade.side, "unknown")
        return ((TRADES, trade.symbol, time, Trade(identifier, time, side, trade.price, trade.quantity, received)),)
    if kind == "mark_price_updates":
        return [_ticker(content.symbol, mark, received) for mark in _marks.decode(_changed(content))]
    if kind in _CONTROL:
        return ()
    if content.result == "error":
        raise SubscriptionRefusedError(content.reason)
    raise UnknownFrameError(kind or "frame without type")


def _changed(frame: _Frame) -> Raw:
    if frame.changes is ABSENT or not frame.symbol:
        raise UnknownFrameError(f"{frame.type} without its fields")
    return frame.changes


def _book(frame: _Frame, received: int) -> Message:
    sides: dict[str, list[tuple[str, str]]] = {"buy": [], "sell": []}
    for change in _changes.decode(_changed(frame)):
        sides[change.side].append((change.price, change.amount))
    bids, asks = encode_levels(sides["buy"]), encode_levels(sides["sell"])
    if frame.trades is not ABSENT:
        snapshot = BookSnapshot(bids=bids, asks=asks, origin="stream", local_timestamp=received)
        return (BOOK_SNAPSHOTS, frame.symbol, 0, snapshot)
    update = BookUpdate(bids=bids, asks=asks, local_timestamp=received)
    return (BOOK_UPDATES, frame.symbol, 0, update)


def _ticker(symbol: str, mark: _Mark, received: int) -> Message:
    time = mark.timestamp // NANOSECONDS
    ticker = DerivativeTicker(
        timestamp=time, index_price=mark.spot_index, mark_price=mark.mark_price, local_timestamp=received
    )
    return (DERIVATIVE_TICKER, symbol, time, ticker)
