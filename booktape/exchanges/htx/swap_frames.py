"""Parser of the frames of HTX swaps and futures. The facts stand in :mod:`booktape.exchanges.htx`."""

from collections.abc import Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.htx.spot_frames import DepthData, pong, whole_book
from booktape.exchanges.spec import Leaving, Message, Output, Reply, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import MILLISECOND, NumberLevel, decimal_text, gunzip, half, number_levels
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    QUOTES,
    TRADES,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Quote,
    Trade,
)

BOOK: Final = "depth.size_150.high_freq"


class _Frame(Struct, rename={"error": "err-msg", "code": "err-code"}):
    ch: str = ""
    ts: int | str = 0
    tick: Raw = Raw()
    ping: int | None = None
    subbed: str = ""
    unsubbed: str = ""
    status: str = ""
    op: str = ""
    topic: str = ""
    data: Raw = Raw()
    error: str = ""
    code: int | str = 0


class _Trade(Struct, gc=False):
    id: int
    ts: int
    price: Raw
    amount: Raw
    direction: str


class _Trades(Struct):
    data: list[_Trade]


class _Change(Struct):
    event: str
    version: int
    ts: int
    bids: list[NumberLevel]
    asks: list[NumberLevel]


class _Best(Struct):
    mrid: int
    ts: int
    bid: NumberLevel | None = None
    ask: NumberLevel | None = None


class _Funding(Struct):
    contract_code: str
    funding_time: str
    funding_rate: str
    estimated_rate: str | None = None


class _Liquidation(Struct):
    contract_code: str
    direction: str
    price: Raw
    volume: Raw
    created_at: int


_frame = json.Decoder(_Frame)
_trades = json.Decoder(_Trades)
_change = json.Decoder(_Change)
_depth = json.Decoder(DepthData)
_best = json.Decoder(_Best)
_fundings = json.Decoder(list[_Funding])
_liquidations = json.Decoder(list[_Liquidation])


def parse(frame: bytes, received: int) -> Sequence[Output]:
    """Parse one frame into records."""
    content = _frame.decode(gunzip(frame))
    if not content.ch:
        return _notification(content, received) if content.op else _control(content)
    _, symbol, kind = content.ch.split(".", 2)
    if kind == BOOK:
        return (_book(_change.decode(content.tick), symbol, received),)
    if kind == "trade.detail":
        trades = sorted(_trades.decode(content.tick).data, key=lambda trade: trade.id)
        return [_trade(trade, symbol, received) for trade in trades]
    if kind == "bbo":
        best = _best.decode(content.tick)
        if best.bid is None or best.ask is None:
            return ()
        time, bid, ask = best.ts * MILLISECOND, best.bid, best.ask
        prices = (decimal_text(bid.price), decimal_text(bid.amount), decimal_text(ask.price), decimal_text(ask.amount))
        return ((QUOTES, symbol, time, Quote(best.mrid, time, *prices, received, int(content.ts) * MILLISECOND)),)
    if kind == "depth.step0":
        return (whole_book(_depth.decode(content.tick), symbol, int(content.ts) * MILLISECOND, received, None),)
    raise UnknownFrameError(kind)


def _trade(trade: _Trade, symbol: str, received: int) -> Message:
    time, price, amount = trade.ts * MILLISECOND, decimal_text(trade.price), half(decimal_text(trade.amount))
    return (TRADES, symbol, time, Trade(trade.id, time, trade.direction, price, amount, received))


def _book(change: _Change, symbol: str, received: int) -> Message:
    time = change.ts * MILLISECOND
    bids, asks = number_levels(change.bids), number_levels(change.asks)
    if change.event == "snapshot":
        snapshot = BookSnapshot(
            last_id=change.version,
            timestamp=time,
            bids=bids,
            asks=asks,
            origin="stream",
            local_timestamp=received,
        )
        return (BOOK_SNAPSHOTS, symbol, time, snapshot)
    if change.event != "update":
        raise UnknownFrameError(f"book event {change.event}")
    update = BookUpdate(
        first_id=change.version,
        last_id=change.version,
        timestamp=time,
        bids=bids,
        asks=asks,
        local_timestamp=received,
    )
    return (BOOK_UPDATES, symbol, time, update)


def _control(content: _Frame) -> Sequence[Output]:
    if content.ping is not None:
        return (pong(content.ping),)
    if content.status == "error":
        raise SubscriptionRefusedError(f"{content.error} ({content.code})")
    if content.subbed or content.unsubbed:
        return ()
    raise UnknownFrameError("frame without channel")


def _notification(content: _Frame, received: int) -> Sequence[Output]:
    if content.op == "notify" and content.topic.endswith(".funding_rate"):
        sent = int(content.ts) * MILLISECOND
        return [_funding(row, sent, received) for row in _fundings.decode(content.data)]
    if content.op == "notify" and content.topic.endswith(".liquidation_orders"):
        return [_liquidation(row, received) for row in _liquidations.decode(content.data)]
    if content.op == "ping":
        return (Reply(json.encode({"op": "pong", "ts": content.ts})),)
    if content.op == "close":
        return (Leaving("the venue closes the connection"),)
    if content.code != 0:
        raise SubscriptionRefusedError(f"{content.error} ({content.code})")
    if content.op in ("sub", "unsub"):
        return ()
    raise UnknownFrameError(f"{content.op} {content.topic}")


def _funding(row: _Funding, sent: int, received: int) -> Message:
    ticker = DerivativeTicker(
        funding_timestamp=int(row.funding_time) * MILLISECOND,
        funding_rate=row.funding_rate,
        predicted_funding_rate=row.estimated_rate or None,
        local_timestamp=received,
        sent_timestamp=sent,
    )
    return (DERIVATIVE_TICKER, row.contract_code, sent, ticker)


def _liquidation(row: _Liquidation, received: int) -> Message:
    time = row.created_at * MILLISECOND
    record = Liquidation(
        timestamp=time,
        side=row.direction,
        price=decimal_text(row.price),
        amount=decimal_text(row.volume),
        local_timestamp=received,
    )
    return (LIQUIDATIONS, row.contract_code, time, record)
