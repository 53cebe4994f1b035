"""Coinbase Advanced Trade.

Source: "Coinbase Advanced Trade WebSocket": Channels (``market_trades``, ``level2``, ``ticker``, ``heartbeats``) and
Sequence Numbers.

- ``sequence_num`` counts all frames of a connection, control frames included. A missing number shows that *some* stream
  lost a frame. Trades are also numbered per market, so they show their own loss.
- Every channel begins with a snapshot. The snapshot of ``market_trades`` holds the last trades, newest first.
- The ``side`` of a trade is the maker's, so the taker's is the opposite: recordings show sells at the best ask.
- The engine time of a level2 event is the newest ``event_time`` of its levels.
- The only time of a ticker is the frame's, which is the time of sending.
- Products that are an alias of another are not listed: their frames come under the other's name.
- REST books are not used: the meaning of their ``time`` is not documented.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.coinbase.frames import parse
from booktape.exchanges.coinbase.instruments import instruments
from booktape.exchanges.coinbase.trades import TRADES_OVER_REST
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Request, Rest, Subscription, by_channel
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES
from booktape.model.sequence import CONNECTION_COUNTER, CONTIGUOUS


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
            Channel("market_trades", (TRADES,), CONTIGUOUS, stale_after=600),
            Channel("level2", (BOOK_SNAPSHOTS, BOOK_UPDATES), CONNECTION_COUNTER),
            Channel("ticker", (QUOTES,), CONNECTION_COUNTER, stale_after=600),
        ),
        limits=LIMITS,
        symbol=lambda market: market,
        market=lambda symbol: symbol,
        parser=lambda: parse,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://api.coinbase.com",
            weight_per_minute=600,  # public endpoints: 10 a second
            listing=Listing((Request("/api/v3/brokerage/market/products?product_type=SPOT"),), instruments),
            trades=TRADES_OVER_REST,
        ),
        connection_channels=("heartbeats",),
    ),
)
