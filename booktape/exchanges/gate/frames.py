"""Parser of Gate frames, of spot and of futures, and of the spot REST book that older recordings have.

The facts stand in :mod:`booktape.exchanges.gate`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import (
    ABSENT,
    EMPTY_SIDE,
    MILLISECOND,
    decimal_millis_to_micros,
    decimal_text,
    millis_to_micros,
    path_and_query,
    side_and_amount,
)
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

_SECONDS_BELOW: Final = 100_000_000_000
"""A liquidation's time below this is in seconds, else in milliseconds."""


class _Error(Struct):
    code: int = 0
    message: str = ""


class _Frame(Struct, gc=False):
    channel: str = ""
    event: str = ""
    time_ms: int = 0
    error: _Error | None = None
    result: Raw = ABSENT


class _SpotTrade(Struct, gc=False):
    id: int
    create_time_ms: Raw
    side: str
    currency_pair: str
    amount: str
    price: str
    id_market: int | None = None


class _FuturesTrade(Struct, gc=False):
    id: int
    create_time_ms: Raw
    contract: str
    size: Raw
    price: Raw


class _Book(Struct, gc=False):
    t: int
    s: str
    u: int
    U: int = 0
    full: bool = False
    b: Raw = EMPTY_SIDE
    a: Raw = EMPTY_SIDE


class _Best(Struct, gc=False):
    t: int
    u: int
    s: str
    b: str
    B: Raw
    a: str
    A: Raw


class _Ticker(Struct, gc=False):
    contract: str
    last: str
    funding_rate: str
    mark_price: str
    index_price: str
    total_size: str = ""


class _Liquidated(Struct, gc=False):
    contract: str
    price: Raw
    size: Raw
    time_ms: int = 0
    time: int = 0


_frame = json.Decoder(_Frame)
_spot_trade = json.Decoder(_SpotTrade)
_futures_trades = json.Decoder(list[_FuturesTrade])
_book = json.Decoder(_Book)
_best = json.Decoder(_Best, strict=False)  # strict=False, because the futures documentation has u as text
_tickers = json.Decoder(list[_Ticker])
_liquidated = json.Decoder(list[_Liquidated])


def parse(frame: bytes, received: int) -> Sequence[Message]:
    """Parse one frame into records."""
    content = _frame.decode(frame)
    if content.error is not None:
        raise SubscriptionRefusedError(f"{content.error.message} (code {content.error.code})")
    read = _READERS.get(content.channel)
    if read is None:
        if content.channel not in _WITHOUT_RECORD:
            raise UnknownFrameError(content.channel or "frame without channel")
        return ()
    if content.event in ("subscribe", "unsubscribe"):
        return ()
    return list(read(content, received))


def _trade(frame: _Frame, received: int) -> Iterator[Message]:
    trade = _spot_trade.decode(frame.result)
    when = decimal_millis_to_micros(trade.create_time_ms)
    record = Trade(trade.id, when, trade.side, trade.price, trade.amount, received, trade.id_market)
    yield (TRADES, trade.currency_pair, when, record)


def _futures_trade(frame: _Frame, received: int) -> Iterator[Message]:
    for trade in sorted(_futures_trades.decode(frame.result), key=lambda trade: trade.id):
        when, (side, amount) = decimal_millis_to_micros(trade.create_time_ms), side_and_amount(trade.size)
        record = Trade(trade.id, when, side, decimal_text(trade.price), amount, received)
        yield (TRADES, trade.contract, when, record)


def _levels(frame: _Frame, received: int) -> Iterator[Message]:
    book = _book.decode(frame.result)
    name = book.s.removeprefix("ob.").partition(".")[0]  # ob.BTC_USDT.400
    when, sent = book.t * MILLISECOND, millis_to_micros(frame.time_ms)
    if book.full:
        snapshot = BookSnapshot(
            last_id=book.u,
            timestamp=when,
            bids=book.b,
            asks=book.a,
            origin="stream",
            local_timestamp=received,
            sent_timestamp=sent,
        )
        yield (BOOK_SNAPSHOTS, name, when, snapshot)
        return
    if not book.U:
        raise UnknownFrameError("a book update without its first id")
    update = BookUpdate(
        first_id=book.U,
        last_id=book.u,
        timestamp=when,
        bids=book.b,
        asks=book.a,
        local_timestamp=received,
        sent_timestamp=sent,
    )
    yield (BOOK_UPDATES, name, when, update)


def _listed(result: Raw) -> bytes:
    """A result as a list. Sometimes the venue sends the only item instead of a list."""
    text = bytes(result)
    return b"[%b]" % text if text.startswith(b"{") else text


def _quote(frame: _Frame, received: int) -> Iterator[Message]:
    best = _best.decode(frame.result)
    if best.t and best.b and best.a:  # an empty side has the price "", a book without any orders so far has no time
        when, sent = best.t * MILLISECOND, millis_to_micros(frame.time_ms)
        quote = Quote(best.u, when, best.b, decimal_text(best.B), best.a, decimal_text(best.A), received, sent)
        yield (QUOTES, best.s, when, quote)


def _ticker(frame: _Frame, received: int) -> Iterator[Message]:
    sent = frame.time_ms * MILLISECOND
    for item in _tickers.decode(_listed(frame.result)):
        ticker = DerivativeTicker(
            funding_rate=item.funding_rate or None,
            open_interest=item.total_size or None,
            last_price=item.last or None,
            index_price=item.index_price or None,
            mark_price=item.mark_price or None,
            local_timestamp=received,
            sent_timestamp=sent or None,
        )
        yield (DERIVATIVE_TICKER, item.contract, sent, ticker)


def _liquidation(frame: _Frame, received: int) -> Iterator[Message]:
    for order in _liquidated.decode(_listed(frame.result)):
        time = order.time_ms or order.time  # name and unit have changed over the years
        when, (side, amount) = time * MILLISECOND * (1_000 if time < _SECONDS_BELOW else 1), side_and_amount(order.size)
        if not when:
            raise UnknownFrameError("a liquidation without its time")
        record = Liquidation(
            timestamp=when,
            side=side,
            price=decimal_text(order.price),
            amount=amount,
            local_timestamp=received,
            sent_timestamp=millis_to_micros(frame.time_ms),
        )
        yield (LIQUIDATIONS, order.contract, when, record)


_READERS: Final[dict[str, Callable[[_Frame, int], Iterator[Message]]]] = {
    "spot.trades": _trade,
    "spot.obu": _levels,
    "spot.order_book_update": _levels,  # what an older recorder subscribed to
    "spot.book_ticker": _quote,
    "futures.trades": _futures_trade,
    "futures.obu": _levels,
    "futures.book_ticker": _quote,
    "futures.tickers": _ticker,
    "futures.public_liquidates": _liquidation,
}

_WITHOUT_RECORD: Final = frozenset(
    {"spot.pong", "futures.pong", "spot.tickers", "spot.candlesticks", "futures.candlesticks"}
)


class _RestBook(Struct):
    id: int
    bids: Raw
    asks: Raw
    update: int | None = None


_rest_book = json.Decoder(_RestBook)


def parse_rest(url: str, body: bytes, received: int, sent: int | None) -> Sequence[Message]:
    """Parse an answer of ``GET /spot/order_book``, which belongs to ``spot.order_book_update``, into a snapshot."""
    path, query = path_and_query(url)
    if not path.endswith("/spot/order_book"):
        return ()
    book = _rest_book.decode(body)
    when = millis_to_micros(book.update)
    snapshot = BookSnapshot(
        last_id=book.id,
        timestamp=when,
        bids=book.bids,
        asks=book.asks,
        origin="rest",
        local_timestamp=received,
        sent_timestamp=sent,
    )
    return ((BOOK_SNAPSHOTS, query["currency_pair"], when or sent or 0, snapshot),)
