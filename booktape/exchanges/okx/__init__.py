"""OKX: spot, perpetual swaps, dated futures and options.

Source: "OKX API guide" (v5): WebSocket channels ``trades-all``, ``books``, ``bbo-tbt``, ``funding-rate``,
``mark-price``, ``open-interest``, ``liquidation-orders``, Notification; REST GET / Order book; the changelog's "Delist
initial snapshot and checksum field in order book channels" and the notice "Order Book Channels Checksum Field
Deprecation" (2026).

- Trade ids rise by one per instrument: ``trades`` documents that id 123 with ``count`` 3 stands for 123, 122 and 121,
  and a recording's ids do so. ``trades-all`` sends each trade by itself, and lives on another path.
- A book message names the ``seqId`` before it. Every connection is sent the same ids. After a minute without a change
  comes an empty message whose two ids are equal. When the ids begin again (maintenance) the connection is made anew.
- ``checksum`` is always 0 since June 2026. ``ts`` of a book is the time of its generation, that of a trade its filling.
- The REST book is as deep as the stream's (400 levels). Its ``seqId`` is the stream's, and may lie within a message:
  ``prevSeqId <= seqId of the book < seqId`` (changelog). Its ``ts`` is that of a cache of 50 ms, the stream's that of
  100 ms: they do not compare, so it counts as the time of sending.
- The changelog has meant to end the stream's own snapshot since August 2026. It still came on 2026-08-24 (a recording).
- A level is ``[price, amount, "0", orders]``. Amounts are contracts, except for spot.
- Liquidations come for all instruments of a kind at once, one a second each at most; their price is the bankruptcy's.
- ``ts`` of a funding rate is the time of the answer. Only perpetual swaps have funding rates, and spot has neither
  open interest nor a mark price: such subscriptions are left out.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec import json

from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.core.sequence import CONTIGUOUS, LINKED, NONE
from booktape.exchanges.okx.frames import parse, parse_rest
from booktape.exchanges.okx.instruments import INSTRUMENT_PAGES, instruments, is_perpetual, is_spot, market, symbol
from booktape.exchanges.okx.trades import TRADES_OVER_REST
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Ping, Request, Rest, RestBook, Subscription
from booktape.exchanges.wire import chunks

_LIQUIDATED: Final = ("SWAP", "FUTURES")

LIMITS: Final = Limits(
    streams_per_connection=150,  # the guide advises fewer than 30 books
    messages_per_second=2,
    subscriptions_per_message=100,  # a message may have 64 KB
    connections_per_minute=120,  # 3 a second are allowed
)


def _requests(operation: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    arguments = [argument for wanted in subscriptions if _exists(wanted) for argument in _arguments(wanted)]
    return [
        json.encode({"op": operation, "args": chunk}) for chunk in chunks(arguments, LIMITS.subscriptions_per_message)
    ]


def _exists(subscription: Subscription) -> bool:
    channel, instrument = subscription
    if channel == "funding-rate":
        return is_perpetual(instrument)
    return channel not in ("open-interest", "mark-price", "liquidation-orders") or not is_spot(instrument)


def _arguments(subscription: Subscription) -> list[dict[str, str]]:
    channel, instrument = subscription
    if channel == "liquidation-orders":
        return [{"channel": channel, "instType": kind} for kind in _LIQUIDATED]
    return [{"channel": channel, "instId": instrument}]


EXCHANGES: Final = (
    Exchange(
        id="okx",
        title="OKX",
        docs="https://www.okx.com/docs-v5/en/",
        websocket_url="wss://ws.okx.com:8443/ws/v5",
        path=lambda subscription: "/business" if subscription.channel == "trades-all" else "/public",
        channels=(
            Channel("trades-all", (TRADES,), CONTIGUOUS, quiet=600),
            Channel("books", (BOOK_SNAPSHOTS, BOOK_UPDATES), LINKED, quiet=300),
            Channel("bbo-tbt", (QUOTES,), NONE, quiet=300),
            Channel("funding-rate", (DERIVATIVE_TICKER,), NONE, quiet=None),
            Channel("mark-price", (DERIVATIVE_TICKER,), NONE, quiet=None),
            Channel("open-interest", (DERIVATIVE_TICKER,), NONE, quiet=None),
            Channel("liquidation-orders", (LIQUIDATIONS,), NONE, quiet=None, venue_wide=True),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        parse_rest=parse_rest,
        subscribe=partial(_requests, "subscribe"),
        unsubscribe=partial(_requests, "unsubscribe"),
        rest=Rest(
            url="https://www.okx.com",
            budget=300,  # 20 in 2 seconds for each kind of instrument
            listing=Listing(tuple(Request(page) for page in INSTRUMENT_PAGES), instruments),
            book=RestBook(lambda symbol: Request(f"/api/v5/market/books?instId={symbol}&sz=400")),
            trades=TRADES_OVER_REST,
        ),
        ping=Ping(b"ping", seconds=20),
    ),
)
