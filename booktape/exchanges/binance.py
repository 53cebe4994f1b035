"""Binance spot, and Binance.US, which runs the same API.

Source: "Binance Spot API Docs": Web Socket Streams (``<symbol>@trade``, ``@depth@100ms``, ``@bookTicker``) and General
REST endpoints (``GET /api/v3/depth``, ``GET /api/v3/exchangeInfo``); "Binance.US API Docs", its pages of these names.

- Trades rise by one per market. ``m`` tells whether the buyer was the maker: then the taker sold. Nobody has promised
  or proven that of Binance.US, so its trades count as rising only.
- A depth event covers the update ids ``U..u``; the next one begins at ``u + 1``. Its only time, ``E``, is stamped for
  each connection, and two connections may cut their windows differently.
- ``bookTicker`` carries the book's update id and no time at all.
- A REST book's ``lastUpdateId`` places it among the depth events.
- ``@aggTrade`` (an older recorder's choice) is understood as trades with ids of its own; never subscribe to both.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from msgspec import Raw, Struct, ValidationError, json

from booktape.exchanges import binance_shared as shared
from booktape.exchanges.binance_trades import TRADES_OVER_REST
from booktape.exchanges.spec import Channel, Exchange, Limits, Message, NotUnderstood
from booktape.exchanges.wire import MILLISECOND
from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES, BookUpdate, Quote, Trade
from booktape.model.sequence import CONTIGUOUS, MONOTONIC, RANGED

_NOTHING: Final = Raw(b"")


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


_frame = json.Decoder(_Frame)
_text = json.Decoder(str)
_number = json.Decoder(int)


def parse(frame: bytes, received: int) -> Sequence[Message]:
    """A frame of the combined stream endpoint to its one message."""
    try:
        event = _frame.decode(frame).data
    except ValidationError:
        return shared.leaving(frame)
    if event is None:
        return shared.control(frame)
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


LIMITS: Final = Limits(
    streams_per_connection=1024,
    messages_per_second=4,  # 5 are allowed, pings and pongs included
    subscriptions_per_message=shared.SUBSCRIPTIONS_PER_MESSAGE,
    connection_lifetime=shared.CONNECTION_LIFETIME,
    connections_per_minute=60,  # 300 in 5 minutes
)


_TRADE: Final = Channel("trade", (TRADES,), CONTIGUOUS, quiet=600)
_OTHERS: Final = (
    Channel("depth@100ms", (BOOK_UPDATES,), RANGED),
    Channel("bookTicker", (QUOTES,), MONOTONIC),
)

_BINANCE: Final = Exchange(
    id="binance",
    title="Binance spot",
    docs="https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams",
    websocket_url="wss://stream.binance.com:9443/stream",
    channels=(_TRADE, *_OTHERS),
    limits=LIMITS,
    symbol=lambda market: market.replace("-", ""),
    market=shared.pair,
    parser=lambda: parse,
    parse_rest=shared.parse_rest,
    subscribe=shared.subscribe,
    unsubscribe=shared.unsubscribe,
    rest=replace(
        shared.spot_rest("https://api.binance.com", 6000, listing_weight=20, book_weight=50, market=shared.pair),
        trades=TRADES_OVER_REST,
    ),
)

EXCHANGES: Final = (
    _BINANCE,
    replace(
        _BINANCE,
        id="binance-us",
        title="Binance.US",
        docs="https://github.com/binance-us/binance-us-api-docs/blob/master/web-socket-streams.md",
        websocket_url="wss://stream.binance.us:9443/stream",
        channels=(replace(_TRADE, rule=MONOTONIC), *_OTHERS),
        market=shared.us_pair,
        rest=shared.spot_rest("https://api.binance.us", 1200, listing_weight=10, book_weight=10, market=shared.us_pair),
    ),
)
