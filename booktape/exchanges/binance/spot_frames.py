"""Parser of the frames of Binance spot and Binance.US. The facts stand in :mod:`booktape.exchanges.binance`."""

from collections.abc import Sequence
from typing import Final

from msgspec import Raw, Struct, ValidationError, json

from booktape.exchanges.binance.common_frames import control, shutdown
from booktape.exchanges.spec import Message, Output, UnknownFrameError
from booktape.exchanges.wire import MILLISECOND
from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES, BookUpdate, Quote, Trade

_NOTHING: Final = Raw(b"")


class _Event(Struct, gc=False):
    """The fields of all three streams; ``a`` and ``b`` are prices in one stream and levels in another."""

    s: str
    e: str = ""
    E: int = 0
    T: int = 0
    t: int = 0
    p: str = ""
    q: str = ""
    m: bool = False
    U: int = 0
    u: int = 0
    b: Raw = _NOTHING
    a: Raw = _NOTHING
    B: str = ""
    A: str = ""


class _Frame(Struct, gc=False):
    data: _Event | None = None


_frame = json.Decoder(_Frame)
_text = json.Decoder(str)
_number = json.Decoder(int)


def parse(frame: bytes, received: int) -> Sequence[Output]:
    """Parse one frame of the combined stream endpoint, which holds one record at most."""
    try:
        event = _frame.decode(frame).data
    except ValidationError:
        return shutdown(frame)
    if event is None:
        return control(frame)
    kind = event.e
    if kind == "trade":
        return (_trade(event, event.t, received),)
    if kind == "depthUpdate":
        if event.b is _NOTHING or event.a is _NOTHING or not (event.u and event.E):
            raise UnknownFrameError("depthUpdate without its fields")
        sent = event.E * MILLISECOND
        update = BookUpdate(
            first_id=event.U,
            last_id=event.u,
            bids=event.b,
            asks=event.a,
            local_timestamp=received,
            sent_timestamp=sent,
        )
        return ((BOOK_UPDATES, event.s, sent, update),)
    if kind == "" and event.u:
        bid, ask = _text.decode(event.b), _text.decode(event.a)
        return ((QUOTES, event.s, 0, Quote(event.u, None, bid, event.B, ask, event.A, received)),)
    if kind == "aggTrade":
        return (_trade(event, _number.decode(event.a), received),)
    raise UnknownFrameError(kind or "event without a name")


def _trade(event: _Event, identifier: int, received: int) -> Message:
    time, price, amount = event.T * MILLISECOND, event.p, event.q
    if not (time and price and amount):
        raise UnknownFrameError(f"{event.e} without its fields")
    side = "sell" if event.m else "buy"
    return (TRADES, event.s, time, Trade(identifier, time, side, price, amount, received))
