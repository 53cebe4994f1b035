"""Parser of Binance futures frames. The facts stand in :mod:`booktape.exchanges.binance`."""

from collections.abc import Sequence

from msgspec import Raw, Struct, ValidationError, json

from booktape.exchanges.binance.common_frames import control
from booktape.exchanges.spec import Leaving, Message, Output, UnknownFrameError
from booktape.exchanges.wire import MILLISECOND, SIDES, millis_to_micros
from booktape.model.records import (
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    QUOTES,
    TRADES,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Quote,
    Trade,
)


class _Trade(Struct, gc=False, tag_field="e", tag="trade"):
    s: str
    t: int
    T: int
    p: str
    q: str
    m: bool


class _AggTrade(Struct, gc=False, tag_field="e", tag="aggTrade"):
    s: str
    a: int
    T: int
    p: str
    q: str
    m: bool


class _Depth(Struct, gc=False, tag_field="e", tag="depthUpdate"):
    s: str
    T: int
    E: int
    U: int
    u: int
    pu: int
    b: Raw
    a: Raw


class _BookTicker(Struct, gc=False, tag_field="e", tag="bookTicker"):
    s: str
    u: int
    T: int
    E: int
    b: str
    B: str
    a: str
    A: str


class _MarkPrice(Struct, gc=False, tag_field="e", tag="markPriceUpdate"):
    s: str
    E: int
    p: str
    T: int
    r: str
    i: str = ""


class _Order(Struct, gc=False):
    s: str
    S: str
    p: str
    z: str
    T: int


class _ForceOrder(Struct, gc=False, tag_field="e", tag="forceOrder"):
    E: int
    o: _Order


class _Shutdown(Struct, gc=False, tag_field="e", tag="serverShutdown"):
    E: int


_Event = _BookTicker | _Trade | _Depth | _MarkPrice | _ForceOrder | _AggTrade | _Shutdown


class _Frame(Struct, gc=False):
    data: _Event | None = None


class _Named(Struct):
    e: str


class _NamedFrame(Struct):
    data: _Named


_frame = json.Decoder(_Frame)
_named = json.Decoder(_NamedFrame)


def parse(frame: bytes, received: int) -> Sequence[Output]:
    """Parse one frame of the combined stream endpoint, which holds one record at most."""
    try:
        event = _frame.decode(frame).data
    except ValidationError as error:
        raise UnknownFrameError(_named.decode(frame).data.e) from error
    if isinstance(event, _BookTicker):
        time, sent = event.T * MILLISECOND, event.E * MILLISECOND
        quote = Quote(event.u, time, event.b, event.B, event.a, event.A, received, sent)
        return ((QUOTES, event.s, time, quote),)
    if isinstance(event, _Trade):
        return (_trade(event, event.t, received),)
    if isinstance(event, _Depth):
        return (_book_update(event, received),)
    if event is None:
        return control(frame)
    return (_rare(event, received),)


def _rare(event: _MarkPrice | _ForceOrder | _AggTrade | _Shutdown, received: int) -> Output:
    if isinstance(event, _MarkPrice):
        return _ticker(event, received)
    if isinstance(event, _ForceOrder):
        return _liquidation(event, received)
    if isinstance(event, _AggTrade):
        return _trade(event, event.a, received)
    return Leaving("serverShutdown")


def _trade(event: _Trade | _AggTrade, identifier: int, received: int) -> Message:
    time = event.T * MILLISECOND
    side = "sell" if event.m else "buy"
    return (TRADES, event.s, time, Trade(identifier, time, side, event.p, event.q, received))


def _book_update(event: _Depth, received: int) -> Message:
    time = event.T * MILLISECOND
    update = BookUpdate(
        first_id=event.U,
        last_id=event.u,
        previous_id=event.pu,
        timestamp=time,
        bids=event.b,
        asks=event.a,
        local_timestamp=received,
        sent_timestamp=event.E * MILLISECOND,
    )
    return (BOOK_UPDATES, event.s, time, update)


def _ticker(event: _MarkPrice, received: int) -> Message:
    sent = event.E * MILLISECOND
    ticker = DerivativeTicker(
        funding_timestamp=millis_to_micros(event.T),
        funding_rate=event.r or None,
        index_price=event.i or None,
        mark_price=event.p,
        local_timestamp=received,
        sent_timestamp=sent,
    )
    return (DERIVATIVE_TICKER, event.s, sent, ticker)


def _liquidation(event: _ForceOrder, received: int) -> Message:
    order = event.o
    time = order.T * MILLISECOND
    liquidation = Liquidation(
        timestamp=time,
        side=SIDES[order.S],
        price=order.p,
        amount=order.z,
        local_timestamp=received,
        sent_timestamp=event.E * MILLISECOND,
    )
    return (LIQUIDATIONS, order.s, time, liquidation)
