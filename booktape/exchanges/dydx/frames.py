"""Parser of dYdX frames. The facts stand in :mod:`booktape.exchanges.dydx`."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import FrameNumber, Message, Output, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import EMPTY_SIDE, SIDES, encode_levels, iso_to_micros
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    SECOND,
    TRADES,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Trade,
)

_LONGEST_WAIT: Final = 10 * SECOND
_CONTROL: Final = frozenset({"connected", "unsubscribed", "pong"})


class _Frame(Struct):
    type: str
    message_id: int = -1
    channel: str = ""
    id: str = ""
    contents: Raw = Raw()
    message: str = ""


class _Level(Struct, gc=False):
    price: str
    size: str


class _Book(Struct):
    bids: list[_Level]
    asks: list[_Level]


class _Change(Struct):
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []


class _Trade(Struct, gc=False):
    id: str
    side: str
    size: str
    price: str
    createdAt: str
    type: str = ""


class _Trades(Struct):
    trades: list[_Trade]


class _Market(Struct):
    openInterest: str | None = None
    nextFundingRate: str | None = None
    oraclePrice: str | None = None


class _Oracle(Struct):
    oraclePrice: str
    effectiveAt: str


class _Markets(Struct):
    markets: dict[str, _Market] = {}
    trading: dict[str, _Market] = {}
    oraclePrices: dict[str, _Oracle] = {}


_frame = json.Decoder(_Frame)
_book = json.Decoder(_Book)
_change = json.Decoder(_Change)
_trades = json.Decoder(_Trades)
_markets = json.Decoder(_Markets)
_batch = json.Decoder(list[Raw])


class FrameOrder:
    """Puts the frame numbers of one connection in order; it waits for late numbers."""

    __slots__ = ("_early", "_next", "_since")

    def __init__(self) -> None:
        self._next = 0
        self._early: set[int] = set()
        self._since = 0

    def reportable(self, number: int, received: int) -> Sequence[int]:
        """The numbers that can be reported after a frame, in rising order: none while an earlier number is awaited.

        :param number: the number of the frame.
        :param received: its receive time in µs.
        """
        if number == self._next and not self._early:
            self._next = number + 1
            return (number,)
        if number == 0:  # in a capture, another connection begins
            self._next, self._early = 1, set()
            return (0,)
        if number < self._next:
            return ()
        self._since = self._since if self._early else received
        self._early.add(number)
        waiting = received - self._since < _LONGEST_WAIT
        numbers = []
        while self._early and (self._next in self._early or not waiting):
            self._next = min(self._early)
            self._early.remove(self._next)
            numbers.append(self._next)
            self._next += 1
        self._since = received if numbers else self._since
        return numbers


class Parser:
    """Parser of one connection."""

    def __init__(self) -> None:
        self._order = FrameOrder()
        self._numbers: list[int] = []

    def __call__(self, frame: bytes, received: int) -> Sequence[Output]:
        """Parse one frame into its number and its records."""
        content = _frame.decode(frame)
        if content.message_id < 0:
            raise UnknownFrameError(f"{content.type} without a number")
        self._numbers += self._order.reportable(content.message_id, received)
        records = list(_records(content, received))  # if this raises, the next frame reports the numbers
        numbers, self._numbers = self._numbers, []
        return [*map(FrameNumber, numbers), *records]


def _records(content: _Frame, received: int) -> Iterator[Message]:
    kind = content.type
    if kind == "channel_data":
        yield from _data(content, content.contents, received)
    elif kind == "channel_batch_data":
        for contents in _batch.decode(content.contents):
            yield from _data(content, contents, received)
    elif kind == "subscribed":
        if content.channel == "v4_orderbook":
            yield _snapshot(content, received)
        elif content.channel == "v4_markets":
            yield from _data(content, content.contents, received)
    elif kind == "error":
        raise SubscriptionRefusedError(content.message)
    elif kind not in _CONTROL:
        raise UnknownFrameError(kind)


def _data(content: _Frame, contents: Raw, received: int) -> Iterator[Message]:
    channel, symbol = content.channel, content.id
    if channel == "v4_orderbook":
        change = _change.decode(contents)
        bids = encode_levels(change.bids) if change.bids else EMPTY_SIDE
        asks = encode_levels(change.asks) if change.asks else EMPTY_SIDE
        yield (BOOK_UPDATES, symbol, 0, BookUpdate(bids=bids, asks=asks, local_timestamp=received))
    elif channel == "v4_trades":
        for trade in _trades.decode(contents).trades:
            yield from _trade(trade, symbol, received)
    elif channel == "v4_markets":
        yield from _tickers(_markets.decode(contents), received)
    elif channel not in ("v4_candles", "v4_block_height"):
        raise UnknownFrameError(channel)


def _snapshot(content: _Frame, received: int) -> Message:
    book = _book.decode(content.contents)
    snapshot = BookSnapshot(
        bids=encode_levels((level.price, level.size) for level in book.bids),
        asks=encode_levels((level.price, level.size) for level in book.asks),
        origin="stream",
        local_timestamp=received,
    )
    return (BOOK_SNAPSHOTS, content.id, 0, snapshot)


def _trade(trade: _Trade, symbol: str, received: int) -> Iterator[Message]:
    time, side = iso_to_micros(trade.createdAt), SIDES.get(trade.side, "unknown")
    yield (TRADES, symbol, time, Trade(trade.id, time, side, trade.price, trade.size, received))
    if trade.type == "LIQUIDATED":
        record = Liquidation(
            id=trade.id,
            timestamp=time,
            side=side,
            price=trade.price,
            amount=trade.size,
            local_timestamp=received,
        )
        yield (LIQUIDATIONS, symbol, time, record)


def _tickers(content: _Markets, received: int) -> Iterator[Message]:
    for ticker, state in (content.markets | content.trading).items():
        if (state.openInterest, state.nextFundingRate, state.oraclePrice) != (None, None, None):
            record = DerivativeTicker(
                funding_rate=state.nextFundingRate,
                open_interest=state.openInterest,
                index_price=state.oraclePrice,
                local_timestamp=received,
            )
            yield (DERIVATIVE_TICKER, ticker, 0, record)
    for ticker, oracle in content.oraclePrices.items():
        time = iso_to_micros(oracle.effectiveAt)
        record = DerivativeTicker(timestamp=time, index_price=oracle.oraclePrice, local_timestamp=received)
        yield (DERIVATIVE_TICKER, ticker, time, record)
