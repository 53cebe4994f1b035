"""Hyperliquid: perpetuals, builders' perpetuals and spot.

Source: "Hyperliquid Docs", For developers, API: Websocket (Subscriptions, Timeouts and heartbeats), Info endpoint
(``l2Book``, ``allPerpMetas``, ``spotMeta``), Notation, Asset IDs, Rate limits.

- The symbol of a perpetual is ``BTC``, of a builder's perpetual ``xyz:TSLA``, of a spot pair ``PURR/USDC`` or, mostly,
  ``@107``: its index in a list, which the parser does not know. So the market name of ``@107`` is ``@107-SPOT``; the
  list of instruments holds its assets.
- A message of ``l2Book`` is always the whole of the 20 best levels a side, since July 2026 at most every five seconds
  (the documentation still says half a second, which ``fast`` gives, with 5 levels only). There are no ids, so loss
  cannot be detected, but the next book makes up for it. Times are those of blocks. ``bbo`` carries every block that
  changes the best bid or ask.
- The REST book has the shape and depth of the stream's book, and the same ``time`` places it. All requests to the Info
  endpoint have one URL; the shape of the answer shows which request it belongs to.
- ``tid`` is unique, but in no order. ``side`` is the taker's: ``B`` buys, ``A`` sells. A subscription begins with some
  earlier trades; they come again after a reconnect.
- ``funding`` is the rate of the current hour. Asset contexts carry no time.
- A best bid and ask with a missing side is left out.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.hyperliquid.frames import parse, parse_rest
from booktape.exchanges.hyperliquid.instruments import instruments, market, symbol
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Ping, Request, Rest, RestBook, Subscription
from booktape.model.records import BOOK_SNAPSHOTS, DERIVATIVE_TICKER, QUOTES, TRADES
from booktape.model.sequence import NONE


def _requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [
        json.encode({"method": method, "subscription": {"type": channel, "coin": symbol}})
        for channel, symbol in subscriptions
    ]


EXCHANGES: Final = (
    Exchange(
        id="hyperliquid",
        title="Hyperliquid",
        docs="https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions",
        websocket_url="wss://api.hyperliquid.xyz/ws",
        channels=(
            Channel("trades", (TRADES,), NONE, stale_after=600),
            Channel("l2Book", (BOOK_SNAPSHOTS,), NONE),
            Channel("bbo", (QUOTES,), NONE, stale_after=600),
            Channel("activeAssetCtx", (DERIVATIVE_TICKER,), NONE, stale_after=None),
        ),
        limits=Limits(
            streams_per_connection=500,  # 1000 are allowed for one IP address
            messages_per_second=10,  # 2000 a minute are allowed
            subscriptions_per_message=1,
            connections_per_minute=30,
        ),
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        parse_rest=parse_rest,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://api.hyperliquid.xyz",
            weight_per_minute=1200,
            listing=Listing(
                (Request("/info", b'{"type":"allPerpMetas"}'), Request("/info", b'{"type":"spotMeta"}')),
                instruments,
                weight=20,
            ),
            book=RestBook(lambda symbol: Request("/info", json.encode({"type": "l2Book", "coin": symbol})), weight=2),
        ),
        ping=Ping(b'{"method":"ping"}', seconds=50),  # the venue ends a connection after 60 s of silence
    ),
)
