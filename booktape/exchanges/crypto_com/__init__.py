"""Crypto.com Exchange, API v1: spot, perpetuals, futures and options on one connection.

Source: "Crypto.com Exchange API v1": Websocket Market Data (``trade``, ``book``, ``ticker``, ``funding``,
``estimatedfunding``, ``mark``, ``index``), Heartbeats and ``public/get-instruments``.

- The book is 50 levels a side, a delta every 10 ms if there is one. Each names the id (``pu``) of the one before it; a
  subscription begins with a snapshot. ``tt`` is the time of its last change, ``t`` that of its publication.
- A delta without levels, sent so that quiet books show a sign of life, is no record.
- Trades: ``s`` is the taker's side. Nothing is said of the ids, so loss cannot be seen. A subscription begins with the
  last fifty trades, the newest first; after a reconnect they come again.
- ``funding`` is the rate that will settle at the end of the hour; ``estimatedfunding`` that of the next interval.
- An index has one name for all derivatives of a pair; it is taken for the perpetual's.
- Spot has no ``mark``, ``index`` and funding: these channels are not asked for in its markets.
- The documentation recommends to wait a second after connecting, for limits are counted by the calendar second. This
  framework does not wait; instead it sends little at a time.
- API v2 of 2021 sent full books without ids, in JSON numbers: they are understood, and stand for themselves.
- No books over REST: no id is documented of them that the deltas would know.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, QUOTES, TRADES
from booktape.core.sequence import LINKED, NONE
from booktape.exchanges.crypto_com.frames import DERIVATIVE, parse
from booktape.exchanges.crypto_com.instruments import instruments, market, symbol
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Request, Rest, Subscription
from booktape.exchanges.wire import chunks

_BOOKS: Final = {"book_subscription_type": "SNAPSHOT_AND_UPDATE", "book_update_frequency": 10}


def _requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    names = [_name(subscription) for subscription in subscriptions if _exists(subscription)]
    books = _BOOKS if method == "subscribe" else {}
    return [
        json.encode({"id": number, "method": method, "params": {"channels": some, **books}})
        for number, some in enumerate(chunks(names, LIMITS.subscriptions_per_message), 1)
    ]


def _exists(subscription: Subscription) -> bool:
    return subscription.channel not in DERIVATIVE or "_" not in subscription.symbol


def _name(subscription: Subscription) -> str:
    channel, symbol = subscription
    if channel == "book":
        return f"book.{symbol}.50"
    return f"index.{symbol.partition('-')[0]}-INDEX" if channel == "index" else f"{channel}.{symbol}"


LIMITS: Final = Limits(
    streams_per_connection=400,
    messages_per_second=2,  # 100 are allowed, but fewer in the second in which one connects
    subscriptions_per_message=50,
)

EXCHANGES: Final = (
    Exchange(
        id="crypto-com",
        title="Crypto.com Exchange",
        docs="https://exchange-developer.crypto.com/exchange/v1/docs/api/websocket/websocket-market-data",
        websocket_url="wss://stream.crypto.com/exchange/v1/market",
        channels=(
            Channel("trade", (TRADES,), NONE, quiet=600),
            Channel("book", (BOOK_SNAPSHOTS, BOOK_UPDATES), LINKED),
            Channel("ticker", (QUOTES, DERIVATIVE_TICKER), NONE, quiet=600),
            *(Channel(name, (DERIVATIVE_TICKER,), NONE, quiet=None) for name in DERIVATIVE),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://api.crypto.com",
            budget=1200,
            listing=Listing((Request("/exchange/v1/public/get-instruments"),), instruments),
        ),
    ),
)
