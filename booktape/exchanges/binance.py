"""Binance spot.

Source: "Binance Spot API Docs": Web Socket Streams (``<symbol>@trade``, ``@depth@100ms``, ``@bookTicker``) and General
REST endpoints (``GET /api/v3/depth``).

- Trades rise by one per market. ``m`` tells whether the buyer was the maker: then the taker sold.
- A depth event covers the update ids ``U..u``; the next one begins at ``u + 1``. Its only time, ``E``, is stamped for
  each connection, and two connections may cut their windows differently.
- ``bookTicker`` carries the book's update id and no time at all.
- A REST book's ``lastUpdateId`` places it among the depth events.
- ``@aggTrade`` (an older recorder's choice) is understood as trades with ids of its own; never subscribe to both.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

from msgspec import Raw, Struct, json

from booktape.core.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    QUOTES,
    TRADES,
    BookSnapshot,
    BookUpdate,
    Instrument,
    Quote,
    Trade,
)
from booktape.core.sequence import CONTIGUOUS, MONOTONIC, RANGED
from booktape.exchanges.spec import (
    Channel,
    Exchange,
    Limits,
    Listing,
    Message,
    NotUnderstood,
    Refused,
    Request,
    Rest,
    RestBook,
    Subscription,
)
from booktape.exchanges.wire import MILLISECOND, split_pair

_NOTHING: Final = Raw(b"")


class _Error(Struct):
    code: int = 0
    msg: str = ""


class _Event(Struct, gc=False):
    """Every field of the three streams; ``a`` and ``b`` mean prices in one and levels in another."""

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
    id: int | str | None = None
    error: _Error | None = None


class _Depth(Struct):
    lastUpdateId: int
    bids: Raw
    asks: Raw


_frame = json.Decoder(_Frame)
_depth = json.Decoder(_Depth)
_text = json.Decoder(str)
_number = json.Decoder(int)


def parse(frame: bytes, received: int) -> Sequence[Message]:
    """A frame of the combined stream endpoint to its one message."""
    content = _frame.decode(frame)
    event = content.data
    if event is None:
        return _control(content)
    kind = event.e
    if kind == "trade":
        return (_trade(event, event.t, received),)
    if kind == "depthUpdate":
        if event.b is _NOTHING or event.a is _NOTHING or not (event.u and event.E):
            raise NotUnderstood("depthUpdate without its fields")
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
    raise NotUnderstood(kind or "event without a name")


def _trade(event: _Event, identifier: int, received: int) -> Message:
    time, price, amount = event.T * MILLISECOND, event.p, event.q
    if not (time and price and amount):
        raise NotUnderstood(f"{event.e} without its fields")
    side = "sell" if event.m else "buy"
    return (TRADES, event.s, time, Trade(identifier, time, side, price, amount, received))


def _control(frame: _Frame) -> Sequence[Message]:
    if frame.error is not None:
        raise Refused(f"{frame.error.msg} (code {frame.error.code})")
    if frame.id is None:
        raise NotUnderstood("frame without stream or id")
    return ()


def parse_rest(url: str, body: bytes, received: int, sent: int | None) -> Sequence[Message]:
    """An answer of ``GET /api/v3/depth`` to the snapshot it is."""
    parts = urlsplit(url)
    if not parts.path.endswith("/depth"):
        return ()
    symbol = parse_qs(parts.query)["symbol"][0]
    book = _depth.decode(body)
    snapshot = BookSnapshot(
        last_id=book.lastUpdateId,
        bids=book.bids,
        asks=book.asks,
        origin="rest",
        local_timestamp=received,
        sent_timestamp=sent,
    )
    return ((BOOK_SNAPSHOTS, symbol, sent or 0, snapshot),)


def _requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    names = [f"{subscription.symbol.lower()}@{subscription.channel}" for subscription in subscriptions]
    size = LIMITS.subscriptions_per_message
    return [
        json.encode({"method": method, "params": names[start : start + size], "id": start // size + 1})
        for start in range(0, len(names), size)
    ]


class _Filter(Struct):
    filterType: str
    tickSize: str = ""
    stepSize: str = ""


class _Symbol(Struct):
    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    filters: list[_Filter]


class _Symbols(Struct):
    symbols: list[_Symbol]


_symbols = json.Decoder(_Symbols)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """The answer of ``GET /api/v3/exchangeInfo``."""
    return [_instrument(symbol, received) for symbol in _symbols.decode(body).symbols]


def _instrument(symbol: _Symbol, received: int) -> Instrument:
    filters = {found.filterType: found for found in symbol.filters}
    return Instrument(
        symbol=symbol.symbol,
        market=split_pair(symbol.symbol),
        base=symbol.baseAsset,
        quote=symbol.quoteAsset,
        kind="spot",
        status=symbol.status.lower(),
        price_increment=filters["PRICE_FILTER"].tickSize if "PRICE_FILTER" in filters else None,
        amount_increment=filters["LOT_SIZE"].stepSize if "LOT_SIZE" in filters else None,
        local_timestamp=received,
    )


LIMITS: Final = Limits(
    streams_per_connection=1024,
    messages_per_second=4,  # 5 are allowed, pings and pongs included
    subscriptions_per_message=100,
    connection_lifetime=24 * 3600,
)

EXCHANGES: Final = (
    Exchange(
        id="binance",
        title="Binance spot",
        docs="https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams",
        websocket_url="wss://stream.binance.com:9443/stream",
        channels=(
            Channel("trade", (TRADES,), CONTIGUOUS, quiet=600),
            Channel("depth@100ms", (BOOK_UPDATES,), RANGED),
            Channel("bookTicker", (QUOTES,), MONOTONIC),
        ),
        limits=LIMITS,
        symbol=lambda name: name.replace("-", ""),
        market=split_pair,
        parser=lambda: parse,
        parse_rest=parse_rest,
        subscribe=lambda subscriptions: _requests("SUBSCRIBE", subscriptions),
        unsubscribe=lambda subscriptions: _requests("UNSUBSCRIBE", subscriptions),
        rest=Rest(
            url="https://api.binance.com",
            budget=6000,
            listing=Listing((Request("/api/v3/exchangeInfo"),), instruments, weight=20),
            book=RestBook(lambda symbol: Request(f"/api/v3/depth?symbol={symbol}&limit=1000"), weight=50),
        ),
    ),
)
