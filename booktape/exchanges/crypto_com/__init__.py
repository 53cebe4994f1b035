"""Crypto.com Exchange, API v1: spot, perpetuals, futures and options on one connection.

Source: "Crypto.com Exchange API v1": Websocket Market Data (``trade``, ``book``, ``ticker``, ``funding``,
``estimatedfunding``, ``mark``, ``index``), Heartbeats and ``public/get-instruments``.

- The book has 50 levels a side and sends at most one delta every 10 ms. Each delta names the id of the one before it
  (``pu``). A subscription begins with a snapshot. ``tt`` is the time of the last change, ``t`` the time of publication.
- A delta without levels, which the venue sends as a sign of life of quiet books, is not recorded.
- ``s`` of a trade is the taker's side. The documentation says nothing about the ids, so loss cannot be detected. A
  subscription begins with the last fifty trades, newest first; they come again after a reconnect.
- ``funding`` is the rate that will settle at the end of the hour, ``estimatedfunding`` the rate of the next interval.
- An index has one name for all derivatives of a pair. It is recorded for the perpetual.
- Spot has no ``mark``, ``index`` and funding, so no subscriptions to these channels are sent for spot markets.
- The documentation recommends waiting a second after connecting, because limits are counted by the calendar second.
  Booktape does not wait; it sends few messages a second instead.
- API v2 of 2021 sent full books without ids, with JSON numbers. They are parsed as snapshots that stand on their own.
- REST books are not used: no id that relates them to the deltas is documented.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.crypto_com.frames import DERIVATIVE, parse
from booktape.exchanges.crypto_com.instruments import instruments, market, symbol
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Request, Rest, Subscription
from booktape.exchanges.wire import chunks
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, QUOTES, TRADES
from booktape.model.sequence import LINKED, NONE

_BOOKS: Final = {"book_subscription_type": "SNAPSHOT_AND_UPDATE", "book_update_frequency": 10}


def _requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    names = [_name(subscription) for subscription in subscriptions if _exists(subscription)]
    books = _BOOKS if method == "subscribe" else {}
    return [
        json.encode({"id": number, "method": method, "params": {"channels": part, **books}})
        for number, part in enumerate(chunks(names, LIMITS.subscriptions_per_message), 1)
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
    messages_per_second=2,  # 100 are allowed, but fewer in the second of connecting
    subscriptions_per_message=50,
)

EXCHANGES: Final = (
    Exchange(
        id="crypto-com",
        title="Crypto.com Exchange",
        docs="https://exchange-developer.crypto.com/exchange/v1/docs/api/websocket/websocket-market-data",
        websocket_url="wss://stream.crypto.com/exchange/v1/market",
        channels=(
            Channel("trade", (TRADES,), NONE, stale_after=600),
            Channel("book", (BOOK_SNAPSHOTS, BOOK_UPDATES), LINKED),
            Channel("ticker", (QUOTES, DERIVATIVE_TICKER), NONE, stale_after=600),
            *(Channel(name, (DERIVATIVE_TICKER,), NONE, stale_after=None) for name in DERIVATIVE),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://api.crypto.com",
            weight_per_minute=1200,
            listing=Listing((Request("/exchange/v1/public/get-instruments"),), instruments),
        ),
    ),
)
