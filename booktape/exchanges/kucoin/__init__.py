"""KuCoin spot.

Source: "KuCoin API documentation" (docs-new): WebSocket base info, Orderbook - Increment, Orderbook - Level1, Trade;
REST Get Public Token, Get Part OrderBook, Get All Symbols; Rate Limit.

- The WebSocket URL and a token must be requested over REST before each connection.
- A book message covers the sequences ``sequenceStart..sequenceEnd``; each change in it has its own. A change whose
  price is 0 only advances the sequence. The ``sequence`` of the REST book places it among them. The whole REST book
  requires a login, so the book begins with the 100 best levels.
- The ``sequence`` of a trade rises in its market by unknown steps. It is used as the id: ``tradeId`` is the same number
  in the documentation's example, and was a hexadecimal text in 2021. ``side`` is the taker's.
- The time of a trade is the engine's, in ns. A quote has nothing but its ``timestamp`` to distinguish it from others.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec import json

from booktape.exchanges.kucoin.frames import parse, parse_rest, websocket_url
from booktape.exchanges.kucoin.instruments import instruments
from booktape.exchanges.spec import (
    Channel,
    Exchange,
    Limits,
    Listing,
    Ping,
    Request,
    Rest,
    RestBook,
    Subscription,
    UrlRequest,
    by_channel,
)
from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES
from booktape.model.sequence import MONOTONIC, NONE, RANGED

LIMITS: Final = Limits(
    streams_per_connection=400,
    messages_per_second=8,  # 100 in ten seconds are allowed
    subscriptions_per_message=100,
    connection_lifetime=24 * 3600,
    connections_per_minute=30,
)


def _requests(kind: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [
        json.encode(
            {"id": f"{kind}-{number}", "type": kind, "topic": f"{channel}:{','.join(symbols)}", "response": True}
        )
        for number, (channel, symbols) in enumerate(by_channel(subscriptions, LIMITS.subscriptions_per_message))
    ]


EXCHANGES: Final = (
    Exchange(
        id="kucoin",
        title="KuCoin spot",
        docs="https://www.kucoin.com/docs-new",
        websocket_url="wss://ws-api-spot.kucoin.com",
        url_request=UrlRequest("/api/v1/bullet-public", websocket_url),
        channels=(
            Channel("/market/match", (TRADES,), MONOTONIC, stale_after=600),
            Channel("/market/level2", (BOOK_UPDATES,), RANGED, stale_after=300),
            Channel("/spotMarket/level1", (QUOTES,), NONE, stale_after=600),
        ),
        limits=LIMITS,
        symbol=lambda market: market,
        market=lambda symbol: symbol,
        parser=lambda: parse,
        parse_rest=parse_rest,
        subscribe=partial(_requests, "subscribe"),
        unsubscribe=partial(_requests, "unsubscribe"),
        rest=Rest(
            url="https://api.kucoin.com",
            weight_per_minute=4000,  # 2000 in 30 seconds, of public endpoints
            listing=Listing((Request("/api/v2/symbols"),), instruments, weight=4),
            book=RestBook(lambda symbol: Request(f"/api/v1/market/orderbook/level2_100?symbol={symbol}"), weight=4),
        ),
        ping=Ping(b'{"id":"ping","type":"ping"}', seconds=18),
    ),
)
