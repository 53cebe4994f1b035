"""OKX: spot, perpetual swaps, dated futures and options.

Source: "OKX API guide" (v5): WebSocket channels ``trades-all``, ``books``, ``bbo-tbt``, ``funding-rate``,
``mark-price``, ``open-interest``, ``liquidation-orders``, Notification; REST GET / Order book; the changelog's "Delist
initial snapshot and checksum field in order book channels" and the notice "Order Book Channels Checksum Field
Deprecation" (2026).

- Trade ids rise by one per instrument: the documentation of ``trades`` says that id 123 with ``count`` 3 stands for
  123, 122 and 121, and the ids of a recording do so. ``trades-all`` sends each trade by itself, on another path.
- A book message names the ``seqId`` before it. Every connection gets the same ids. After a minute without a change, the
  venue sends an empty message whose two ids are equal. When the ids begin again (maintenance), the connection is
  replaced.
- ``checksum`` is always 0 since June 2026. ``ts`` of a book is the time of its generation, ``ts`` of a trade the time
  of its fill.
- The REST book is as deep as the stream's (400 levels). Its ``seqId`` is the stream's and may lie within a message:
  ``prevSeqId <= seqId of the book < seqId`` (changelog). Its ``ts`` belongs to a cache of 50 ms, the stream's to one of
  100 ms. The two do not compare, so the REST book's counts as the time of sending.
- The changelog announced the end of the stream's own snapshot for August 2026. A recording of 2026-08-24 still has it.
- A level is ``[price, amount, "0", orders]``. Amounts are contracts, except on spot.
- Liquidations come for all instruments of a kind at once, at most one a second for each. Their price is the bankruptcy
  price.
- ``ts`` of a funding rate is the time of the answer. Only perpetual swaps have funding rates, and spot has neither open
  interest nor a mark price: such subscriptions are left out.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from booktape.exchanges.okx.frames import parse, parse_rest
from booktape.exchanges.okx.instruments import INSTRUMENT_PAGES, instruments, is_perpetual, is_spot, market, symbol
from booktape.exchanges.okx.trades import TRADES_OVER_REST
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Ping, Request, Rest, RestBook, Subscription
from booktape.exchanges.wire import op_messages
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import CONTIGUOUS, LINKED, NONE

_LIQUIDATED: Final = ("SWAP", "FUTURES")

LIMITS: Final = Limits(
    streams_per_connection=150,  # the guide recommends fewer than 30 books
    messages_per_second=2,
    subscriptions_per_message=100,  # a message may have 64 KB
    connections_per_minute=120,  # 3 a second are allowed
)


def _requests(operation: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    arguments = [
        argument for subscription in subscriptions if _exists(subscription) for argument in _arguments(subscription)
    ]
    return op_messages(operation, arguments, LIMITS.subscriptions_per_message)


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
            Channel("trades-all", (TRADES,), CONTIGUOUS, stale_after=600),
            Channel("books", (BOOK_SNAPSHOTS, BOOK_UPDATES), LINKED, stale_after=300),
            Channel("bbo-tbt", (QUOTES,), NONE, stale_after=300),
            Channel("funding-rate", (DERIVATIVE_TICKER,), NONE, stale_after=None),
            Channel("mark-price", (DERIVATIVE_TICKER,), NONE, stale_after=None),
            Channel("open-interest", (DERIVATIVE_TICKER,), NONE, stale_after=None),
            Channel("liquidation-orders", (LIQUIDATIONS,), NONE, stale_after=None, venue_wide=True),
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
            weight_per_minute=300,  # 20 in 2 seconds for each kind of instrument
            listing=Listing(tuple(Request(page) for page in INSTRUMENT_PAGES), instruments),
            book=RestBook(lambda symbol: Request(f"/api/v5/market/books?instId={symbol}&sz=400")),
            trades=TRADES_OVER_REST,
        ),
        ping=Ping(b"ping", seconds=20),
    ),
)
