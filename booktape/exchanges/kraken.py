"""Kraken spot, WebSocket v2.

Source: "Kraken API Center": Spot WebSocket v2 (``trade``, ``book``, ``instrument``) and the guide "Book checksum
(WebSocket v2)".

- Trades are numbered by one per market; a subscription begins with the last fifty, if asked to.
- Book messages have no ids, only a CRC32 over the ten best levels of each side after the message. Books are cut to the
  subscribed depth, and levels that fall out are not announced.
- Prices and quantities are JSON numbers with their full precision. The checksum needs every digit, and so do the
  published prices: they are kept as the text that was sent.
- No books over REST: they have no ids, and only their levels have times.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.kraken_frames import checksum, parse
from booktape.exchanges.kraken_instruments import instruments, market, symbol
from booktape.exchanges.kraken_trades import TRADES_OVER_REST
from booktape.exchanges.spec import (
    BookChecksum,
    Channel,
    Exchange,
    Limits,
    Listing,
    Ping,
    Request,
    Rest,
    Subscription,
    by_channel,
)
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, TRADES
from booktape.model.sequence import CHECKSUM, CONTIGUOUS

DEPTH: Final = 1000


def _requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [
        json.encode({"method": method, "params": _params(method, channel, symbols)})
        for channel, symbols in by_channel(subscriptions, LIMITS.subscriptions_per_message)
    ]


def _params(method: str, channel: str, symbols: list[str]) -> dict[str, object]:
    if channel == "instrument":
        return {"channel": channel}
    depth = {"depth": DEPTH} if channel == "book" else {}
    snapshot = {"snapshot": True} if method == "subscribe" else {}
    return {"channel": channel, "symbol": symbols, **snapshot, **depth}


LIMITS: Final = Limits(streams_per_connection=400, messages_per_second=5, subscriptions_per_message=100)

EXCHANGES: Final = (
    Exchange(
        id="kraken",
        title="Kraken spot",
        docs="https://docs.kraken.com/api/docs/websocket-v2/book",
        websocket_url="wss://ws.kraken.com/v2",
        channels=(
            Channel("trade", (TRADES,), CONTIGUOUS, quiet=600),
            Channel("book", (BOOK_SNAPSHOTS, BOOK_UPDATES), CHECKSUM),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://api.kraken.com",
            budget=60,  # public endpoints: one a second
            listing=Listing((Request("/0/public/AssetPairs"),), instruments),
            trades=TRADES_OVER_REST,
        ),
        ping=Ping(b'{"method":"ping"}', seconds=30),
        book_checksum=BookChecksum(checksum, DEPTH),
        connection_channels=("instrument",),
    ),
)
