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

from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES, BookSnapshot, BookUpdate, Quote, Trade
from booktape.core.sequence import CONTIGUOUS, MONOTONIC, RANGED
from booktape.exchanges.spec import Channel, Exchange, Limits, Message, NotUnderstood, Refused, Rest, Subscription

_MILLISECOND: Final = 1_000
_NOTHING: Final = Raw(b"")

# No endpoint tells where a symbol such as BTCSTUSDT parts except exchangeInfo; the longest known quote asset decides.
_QUOTES: Final = (
    "FDUSD", "BUSD", "TUSD", "USDC", "USDP", "USDS", "USDT", "USD1", "IDRT", "BIDR", "BVND",
    "ARS", "AUD", "BNB", "BRL", "BTC", "COP", "CZK", "DAI", "DOT", "ETH", "EUR", "GBP", "IDR", "JPY", "KZT", "MXN",
    "NGN", "PAX", "PLN", "RON", "RUB", "SOL", "TRX", "TRY", "UAH", "USD", "VAI", "XRP", "ZAR", "DOGE",
)  # fmt: skip


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
        sent = event.E * _MILLISECOND
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
    time, price, amount = event.T * _MILLISECOND, event.p, event.q
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


def market(symbol: str) -> str:
    """``BTCUSDT`` to ``BTC-USDT``; a symbol with no known quote asset stays what it is."""
    quote = max((quote for quote in _QUOTES if symbol.endswith(quote)), key=len, default=symbol)
    return f"{symbol.removesuffix(quote)}-{quote}" if quote != symbol else symbol


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
        market=market,
        parse=parse,
        parse_rest=parse_rest,
        subscribe=lambda subscriptions: _requests("SUBSCRIBE", subscriptions),
        unsubscribe=lambda subscriptions: _requests("UNSUBSCRIBE", subscriptions),
        rest=Rest(
            url="https://api.binance.com",
            path=lambda symbol: f"/api/v3/depth?symbol={symbol}&limit=1000",
            weight=50,
            budget=6000,
        ),
    ),
)
