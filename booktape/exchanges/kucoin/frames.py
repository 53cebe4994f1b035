"""Parser of KuCoin frames, REST books and the answer that holds the WebSocket URL.

The facts stand in :mod:`booktape.exchanges.kucoin`.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import MILLISECOND, NANOSECONDS, encode_levels, millis_to_micros, path_and_query
from booktape.model.book import is_zero
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES, BookSnapshot, BookUpdate, Quote, Trade

_WITHOUT_RECORD: Final = frozenset(
    {"trade.ticker", "trade.candles.add", "trade.candles.update", "trade.snapshot", "level2"}
)


class _Frame(Struct, gc=False):
    type: str = ""
    subject: str = ""
    topic: str = ""
    data: Raw = Raw(b"null")
    code: int = 0


class _Trade(Struct, gc=False):
    symbol: str
    sequence: int
    side: str
    price: str
    size: str
    time: int


class _Change(Struct, array_like=True, gc=False):
    price: str
    size: str
    sequence: int


class _Changes(Struct):
    asks: list[_Change]
    bids: list[_Change]


class _Update(Struct):
    symbol: str
    sequenceStart: int
    sequenceEnd: int
    changes: _Changes
    time: int | None = None


class _Best(Struct):
    asks: list[str]
    bids: list[str]
    timestamp: int


_frame = json.Decoder(_Frame)
_text = json.Decoder(str)
_best = json.Decoder(_Best)
# strict=False, because whole numbers are sent as text.
_trades = json.Decoder(_Trade, strict=False)
_updates = json.Decoder(_Update, strict=False)


def parse(frame: bytes, received: int) -> Sequence[Message]:
    """Parse one frame, which holds one record at most."""
    content = _frame.decode(frame)
    if content.type == "message":
        read = _READERS.get(content.subject)
        if read is not None:
            return read(content, received)
        if content.subject in _WITHOUT_RECORD:
            return ()
        raise UnknownFrameError(content.subject or "message without subject")
    if content.type in ("welcome", "ack", "pong"):
        return ()
    if content.type == "error":
        raise SubscriptionRefusedError(f"{_text.decode(content.data)} (code {content.code})")
    raise UnknownFrameError(content.type or "frame without type")


def _trade(frame: _Frame, received: int) -> Sequence[Message]:
    trade = _trades.decode(frame.data)
    time = trade.time // NANOSECONDS
    record = Trade(trade.sequence, time, trade.side, trade.price, trade.size, received)
    return ((TRADES, trade.symbol, time, record),)


def _update(frame: _Frame, received: int) -> Sequence[Message]:
    update = _updates.decode(frame.data)
    time = millis_to_micros(update.time)
    record = BookUpdate(
        first_id=update.sequenceStart,
        last_id=update.sequenceEnd,
        timestamp=time,
        bids=_side(update.changes.bids),
        asks=_side(update.changes.asks),
        local_timestamp=received,
    )
    return ((BOOK_UPDATES, update.symbol, time or 0, record),)


def _side(changes: list[_Change]) -> Raw:
    if len(changes) > 1:
        changes.sort(key=lambda change: change.sequence)
    return encode_levels((change.price, change.size) for change in changes if not is_zero(change.price))


def _quote(frame: _Frame, received: int) -> Sequence[Message]:
    best = _best.decode(frame.data)
    if not (best.bids and best.asks):
        return ()
    (bid, bid_size), (ask, ask_size), time = best.bids, best.asks, best.timestamp * MILLISECOND
    quote = Quote(None, time, bid, bid_size, ask, ask_size, received)
    return ((QUOTES, frame.topic.partition(":")[2], time, quote),)


_READERS: Final[dict[str, Callable[[_Frame, int], Sequence[Message]]]] = {
    "trade.l3match": _trade,
    "trade.l2update": _update,
    "level1": _quote,
}


class _RestBook(Struct):
    time: int
    sequence: int
    bids: Raw
    asks: Raw


class _RestAnswer(Struct):
    data: _RestBook


_rest_answer = json.Decoder(_RestAnswer, strict=False)


def parse_rest(url: str, body: bytes, received: int, sent: int | None) -> Sequence[Message]:
    """Parse an answer of Get Part OrderBook, or of the whole book that older recordings have, into a snapshot."""
    path, query = path_and_query(url)
    if "/market/orderbook/level2" not in path:
        return ()
    book = _rest_answer.decode(body).data
    time = book.time * MILLISECOND
    snapshot = BookSnapshot(
        last_id=book.sequence,
        bids=book.bids,
        asks=book.asks,
        origin="rest",
        local_timestamp=received,
        sent_timestamp=time,
    )
    return ((BOOK_SNAPSHOTS, query["symbol"], time, snapshot),)


class _Server(Struct):
    endpoint: str


class _Token(Struct):
    token: str
    instanceServers: list[_Server]


class _TokenAnswer(Struct):
    data: _Token


def websocket_url(answer: bytes) -> str:
    """The WebSocket URL in the answer of Get Public Token."""
    answered = json.decode(answer, type=_TokenAnswer).data
    return f"{answered.instanceServers[0].endpoint}?token={answered.token}"
