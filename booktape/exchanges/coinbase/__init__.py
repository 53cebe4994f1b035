"""Coinbase Advanced Trade.

Source: "Coinbase Advanced Trade WebSocket": Channels (``market_trades``, ``level2``, ``ticker``, ``heartbeats``) and
Sequence Numbers.

- ``sequence_num`` is one counter over the whole connection, control frames included: a hole in it says that *some*
  stream lost something. Trades are also numbered per market, so they show their own loss.
- Every channel begins with a snapshot: that of ``market_trades`` holds the last trades, newest first.
- A trade's ``side`` is the maker's, so the taker's is the other one (real recordings show it: sells at the best ask).
- A level2 event's engine time is the newest ``event_time`` of its levels.
- A ticker has no time but the frame's, that of sending.
- Products that are another's alias are not listed: their frames come under the other's name.
- No books over REST: what the ``time`` of one means is not documented.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES
from booktape.core.sequence import CONNECTION_COUNTER, CONTIGUOUS
from booktape.exchanges.coinbase.frames import parse
from booktape.exchanges.coinbase.instruments import instruments
from booktape.exchanges.coinbase.trades import TRADES_OVER_REST
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Request, Rest, Subscription, by_channel


def _requests(kind: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [
        json.encode({"type": kind, "product_ids": symbols, "channel": channel})
        for channel, symbols in by_channel(subscriptions, LIMITS.subscriptions_per_message)
    ]


LIMITS: Final = Limits(streams_per_connection=300, messages_per_second=8, subscriptions_per_message=100)

EXCHANGES: Final = (
    Exchange(
        id="coinbase",
        title="Coinbase Advanced Trade",
        docs="https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels",
        websocket_url="wss://advanced-trade-ws.coinbase.com",
        channels=(
            Channel("market_trades", (TRADES,), CONTIGUOUS, quiet=600),
            Channel("level2", (BOOK_SNAPSHOTS, BOOK_UPDATES), CONNECTION_COUNTER),
            Channel("ticker", (QUOTES,), CONNECTION_COUNTER, quiet=600),
        ),
        limits=LIMITS,
        symbol=lambda market: market,
        market=lambda symbol: symbol,
        parser=lambda: parse,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://api.coinbase.com",
            budget=600,  # public endpoints: 10 a second
            listing=Listing((Request("/api/v3/brokerage/market/products?product_type=SPOT"),), instruments),
            trades=TRADES_OVER_REST,
        ),
        connection_channels=("heartbeats",),
    ),
)
