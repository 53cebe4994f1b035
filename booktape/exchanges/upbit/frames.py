"""Parser of Upbit frames. The facts stand in :mod:`booktape.exchanges.upbit`."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Raw, Struct, ValidationError, json

from booktape.exchanges.spec import Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import MILLISECOND, decimal_text, encode_levels
from booktape.model.records import BOOK_SNAPSHOTS, TRADES, BookSnapshot, Trade

_TAKER: Final = {"ASK": "sell", "BID": "buy"}


class _Trade(Struct, tag_field="ty", tag="trade", gc=False):
    cd: str
    tp: Raw
    tv: Raw
    ab: str
    ttms: int
    sid: int


class _Unit(Struct, rename={"ask_size": "as"}, gc=False):
    """One level of each side."""

    ap: Raw
    bp: Raw
    bs: Raw
    ask_size: Raw


class _Book(Struct, tag_field="ty", tag="orderbook", gc=False):
    cd: str
    tms: int
    obu: list[_Unit]


class _Error(Struct):
    name: str
    message: str = ""


class _Control(Struct):
    ty: str = ""
    status: str = ""
    error: _Error | None = None


_data = json.Decoder(_Trade | _Book)
_other = json.Decoder(_Control)


def parse(frame: bytes, received: int) -> Sequence[Message]:
    """Parse one frame, which holds one record at most."""
    try:
        data = _data.decode(frame)
    except ValidationError:
        return _control(_other.decode(frame))
    if isinstance(data, _Trade):
        time, side = data.ttms * MILLISECOND, _TAKER.get(data.ab, "unknown")
        return (
            (
                TRADES,
                data.cd,
                time,
                Trade(data.sid, time, side, decimal_text(data.tp), decimal_text(data.tv), received),
            ),
        )
    time = data.tms * MILLISECOND
    snapshot = BookSnapshot(
        timestamp=time,
        bids=_side((unit.bp, unit.bs) for unit in data.obu),
        asks=_side((unit.ap, unit.ask_size) for unit in data.obu),
        origin="stream",
        local_timestamp=received,
    )
    return ((BOOK_SNAPSHOTS, data.cd, time, snapshot),)


def _side(levels: Iterable[tuple[Raw, Raw]]) -> Raw:
    pairs = ((decimal_text(price), decimal_text(amount)) for price, amount in levels)
    return encode_levels(pair for pair in pairs if pair[0].strip("0."))


def _control(content: _Control) -> Sequence[Message]:
    if content.error is not None:
        raise SubscriptionRefusedError(f"{content.error.name}: {content.error.message}")
    if content.status == "UP" and not content.ty:
        return ()
    raise UnknownFrameError(content.ty or "frame without type")
