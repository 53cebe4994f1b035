"""Parser of Bitfinex frames, except those of the channel ``status``.

The facts stand in :mod:`booktape.exchanges.bitfinex`.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import DecodeError, Raw, Struct, json

from booktape.exchanges.bitfinex.status_frames import closed, ticker
from booktape.exchanges.spec import FrameNumber, Leaving, Message, Output, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import MILLISECOND, decimal_text, encode_levels, side_and_amount
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, TRADES, BookSnapshot, BookUpdate, Trade

ALL_LIQUIDATIONS: Final = "liq:global"
DERIVATIVE: Final = "deriv:"

_LEAVING: Final = {
    20051: "the venue restarts its WebSocket servers",
    20060: "the venue begins maintenance",
    20061: "the venue has ended maintenance: subscribe again",
}
_CONTROL: Final = frozenset({"info", "conf", "unsubscribed", "pong"})


class _Event(Struct):
    event: str
    channel: str = ""
    chanId: int = 0
    symbol: str = ""
    key: str = ""
    code: int = 0
    msg: str = ""
    status: str = "OK"


class _Data(Struct, array_like=True, gc=False):
    """``[channel, content, number, time]``, or with a tag before the content: ``[channel, "te", content, …]``."""

    channel: int
    content: Raw
    third: Raw
    fourth: int | None = None
    fifth: int | None = None


class _Level(Struct, array_like=True, gc=False):
    price: Raw
    count: int
    amount: Raw


class _Trade(Struct, array_like=True, gc=False):
    id: int
    time: int
    amount: Raw
    price: Raw


_event = json.Decoder(_Event)
_data = json.Decoder(_Data)
_number = json.Decoder(int)
_level = json.Decoder(_Level)
_levels = json.Decoder(list[_Level])
_trade = json.Decoder(_Trade)


class Parser:
    """Parser of one connection. It remembers the channel and the symbol of each channel number."""

    def __init__(self) -> None:
        self._channels: dict[int, tuple[str, str]] = {}

    def __call__(self, frame: bytes, received: int) -> Sequence[Output]:
        """Parse one frame into its number and its records."""
        if frame[:1] == b"{":
            return self._about(_event.decode(frame))
        data = _data.decode(frame)
        content, tag = bytes(data.content), b""
        if content.startswith(b'"'):
            tag, content = content, bytes(data.third)
            if tag == b'"hb"':
                return (FrameNumber(_number.decode(content)),)
            number, sent = data.fourth, data.fifth
        else:
            number, sent = _number.decode(data.third), data.fourth
        if number is None:
            raise UnknownFrameError("a message without its number")
        try:
            channel, symbol = self._channels[data.channel]
        except KeyError:
            raise UnknownFrameError("a channel that was not subscribed to", number) from None
        counter = FrameNumber(number)
        sent = sent * MILLISECOND if sent is not None else None
        try:
            if channel == "book":
                return (counter, _book(content, symbol, received, sent))
            if channel == "trades":
                return (counter, _executed(content, symbol, received)) if tag == b'"te"' else (counter,)
            if channel == DERIVATIVE:
                return (counter, ticker(content, symbol, received, sent))
            if channel == ALL_LIQUIDATIONS:
                return (counter, *closed(content, received, sent))
        except (DecodeError, UnknownFrameError) as error:
            raise UnknownFrameError(f"a message of {channel} with other content", number) from error
        return (counter,)

    def _about(self, event: _Event) -> Sequence[Leaving]:
        if event.event == "subscribed":
            kind, symbol = event.channel, event.symbol
            if event.key.startswith(DERIVATIVE):
                kind, symbol = DERIVATIVE, event.key.removeprefix(DERIVATIVE)
            elif event.key:
                kind = event.key
            self._channels[event.chanId] = (kind, symbol)
            return ()
        if event.event == "error":
            raise SubscriptionRefusedError(f"{event.msg} (code {event.code}) {event.symbol or event.key}".strip())
        if event.status != "OK":
            raise SubscriptionRefusedError(f"{event.event}: {event.status}")
        if event.code in _LEAVING:
            return (Leaving(_LEAVING[event.code]),)
        if event.event in _CONTROL:
            return ()
        raise UnknownFrameError(event.event)


def _book(content: bytes, symbol: str, received: int, sent: int | None) -> Message:
    if content.startswith((b"[[", b"[]")):
        bids, asks = _sides(_levels.decode(content))
        snapshot = BookSnapshot(bids=bids, asks=asks, origin="stream", local_timestamp=received, sent_timestamp=sent)
        return (BOOK_SNAPSHOTS, symbol, sent or 0, snapshot)
    bids, asks = _sides([_level.decode(content)])
    update = BookUpdate(bids=bids, asks=asks, local_timestamp=received, sent_timestamp=sent)
    return (BOOK_UPDATES, symbol, sent or 0, update)


def _sides(levels: list[_Level]) -> tuple[Raw, Raw]:
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []
    for level in levels:
        amount = decimal_text(level.amount)
        side = asks if amount.startswith("-") else bids
        side.append((decimal_text(level.price), amount.removeprefix("-") if level.count else "0"))
    return encode_levels(bids), encode_levels(asks)


def _executed(content: bytes, symbol: str, received: int) -> Message:
    trade = _trade.decode(content)
    time, (side, amount) = trade.time * MILLISECOND, side_and_amount(trade.amount)
    return (TRADES, symbol, time, Trade(trade.id, time, side, decimal_text(trade.price), amount, received))
