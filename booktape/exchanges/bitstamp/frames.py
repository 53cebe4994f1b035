"""Parser of Bitstamp frames and REST books. The facts stand in :mod:`booktape.exchanges.bitstamp`."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Leaving, Message, Output, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import TextLevel, decimal_text, text_levels
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    SECOND,
    TRADES,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Trade,
)

_SIDES: Final = {0: "buy", 1: "sell"}

_CONTROL: Final = frozenset(
    {
        "bts:heartbeat",
        "bts:subscription_succeeded",
        "bts:unsubscription_succeeded",
        "order_created",  # live_orders: order by order, not recorded
        "order_changed",
        "order_deleted",
    }
)


class _Frame(Struct, gc=False):
    event: str
    channel: str = ""
    data: Raw = Raw(b"{}")


class _Book(Struct, gc=False):
    microtimestamp: str
    bids: list[TextLevel]
    asks: list[TextLevel]


class _Trade(Struct, gc=False):
    id: int
    type: int
    amount_str: str
    price_str: str
    microtimestamp: str


class _Funding(Struct, gc=False):
    funding_rate: str
    mark_price: str
    index_price: str
    timestamp: str
    next_funding_time: str


class _Error(Struct):
    message: str = "no reason given"
    code: int | None = None


_frame = json.Decoder(_Frame)
_book = json.Decoder(_Book)
_trade = json.Decoder(_Trade)
_funding = json.Decoder(_Funding)
_error = json.Decoder(_Error)


def parse(frame: bytes, received: int) -> Sequence[Output]:
    """Parse one frame, which holds one record at most."""
    content = _frame.decode(frame)
    event = content.event
    if event == "data" and content.channel.startswith("diff_order_book_"):
        book = _book.decode(content.data)
        time = int(book.microtimestamp)
        update = BookUpdate(
            last_id=time,
            timestamp=time,
            bids=text_levels(book.bids),
            asks=text_levels(book.asks),
            local_timestamp=received,
        )
        return ((BOOK_UPDATES, _symbol(content.channel), time, update),)
    if event == "trade":
        trade = _trade.decode(content.data)
        time = int(trade.microtimestamp)
        side = _SIDES.get(trade.type, "unknown")
        record = Trade(trade.id, time, side, decimal_text(trade.price_str), decimal_text(trade.amount_str), received)
        return ((TRADES, _symbol(content.channel), time, record),)
    if event == "funding_rate_saved":
        return (_ticker(content, received),)
    return _control(content)


def _symbol(channel: str) -> str:
    return channel[channel.rindex("_") + 1 :]


def _ticker(frame: _Frame, received: int) -> Message:
    funding = _funding.decode(frame.data)
    time = int(funding.timestamp) * SECOND
    ticker = DerivativeTicker(
        timestamp=time,
        funding_timestamp=int(funding.next_funding_time) * SECOND,
        funding_rate=decimal_text(funding.funding_rate),
        index_price=decimal_text(funding.index_price),
        mark_price=decimal_text(funding.mark_price),
        local_timestamp=received,
    )
    return (DERIVATIVE_TICKER, _symbol(frame.channel), time, ticker)


def _control(frame: _Frame) -> Sequence[Leaving]:
    if frame.event in _CONTROL:
        return ()
    if frame.event == "bts:request_reconnect":
        return (Leaving("the venue asks for a reconnect"),)
    if frame.event == "bts:error":
        raise SubscriptionRefusedError(_error.decode(frame.data).message)
    raise UnknownFrameError(frame.event)


def parse_rest(url: str, body: bytes, received: int, sent: int | None) -> Sequence[Message]:
    """Parse an answer of ``GET /api/v2/order_book/<market>/`` into a snapshot, unless it lists single orders."""
    parts = urlsplit(url)
    path, _, symbol = parts.path.rstrip("/").rpartition("/")
    if not path.endswith("/order_book") or "group=2" in parts.query:
        return ()
    book = _book.decode(body)
    time = int(book.microtimestamp)
    snapshot = BookSnapshot(
        last_id=time,
        timestamp=time,
        bids=text_levels(book.bids),
        asks=text_levels(book.asks),
        origin="rest",
        local_timestamp=received,
        sent_timestamp=sent,
    )
    return ((BOOK_SNAPSHOTS, symbol, time, snapshot),)
