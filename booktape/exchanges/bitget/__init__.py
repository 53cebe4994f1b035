"""Bitget: spot and futures margined in USDT, USDC and coins.

Source: "Bitget API docs" (v2): Websocket API intro; Spot and Contract websocket public channels ``trade`` (Trading /
New Trades Channel), ``books`` and ``books1`` (Depth / Order Book Channel), ``ticker``; REST Get Symbol Info, Get
Contract Config.

- Spot and futures share the names of their symbols, so a future's is ``BTCUSDT.USDT-FUTURES`` here: name, product type.
- Every update of a book has a CRC32 over the 25 best levels of each side after it; a snapshot has none. A checksum that
  the venue left 0 differs, and is told as such. ``seq`` rises with each change, by unknown steps.
- ``ts`` of a book is the matching engine's, the frame's own ``ts`` that of sending. A trade's ``ts`` is its filling.
- A subscription to trades begins with the last ones. Messages have the newest trade first. That ids rise is not said.
- There is no channel of liquidations without the unified account's API (v3). Spot's ``ticker`` tells nothing of ours.
- No books over REST: they have a time only, while those of the stream go by ``seq``.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec import json

from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, QUOTES, TRADES
from booktape.core.sequence import CHECKSUM, NONE
from booktape.exchanges.bitget.frames import checksum, parse
from booktape.exchanges.bitget.instruments import INSTRUMENT_PAGES, instruments, market, native, symbol
from booktape.exchanges.spec import BookChecksum, Channel, Exchange, Limits, Listing, Ping, Request, Rest, Subscription
from booktape.exchanges.wire import chunks

_DEPTH: Final = 1000
"""Deeper than the venue's books, so that none of its levels is forgotten."""

LIMITS: Final = Limits(
    streams_per_connection=48,  # 1000 are allowed, no more than 50 advised
    messages_per_second=5,  # 10 are allowed, pings included
    subscriptions_per_message=48,
    connection_lifetime=24 * 3600,
    connections_per_minute=60,  # 300 in five minutes, 100 at once
)


def _requests(operation: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    arguments = [_argument(channel, *native(symbol)) for channel, symbol in subscriptions]
    return [
        json.encode({"op": operation, "args": chunk}) for chunk in chunks(arguments, LIMITS.subscriptions_per_message)
    ]


def _argument(channel: str, name: str, kind: str) -> dict[str, str]:
    return {"instType": kind, "channel": channel, "instId": name}


EXCHANGES: Final = (
    Exchange(
        id="bitget",
        title="Bitget",
        docs="https://www.bitget.com/api-doc/common/websocket-intro",
        websocket_url="wss://ws.bitget.com/v2/ws/public",
        channels=(
            Channel("trade", (TRADES,), NONE, quiet=600),
            Channel("books", (BOOK_SNAPSHOTS, BOOK_UPDATES), CHECKSUM, quiet=300),
            Channel("books1", (QUOTES,), NONE, quiet=600),
            Channel("ticker", (DERIVATIVE_TICKER,), NONE, quiet=None),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        subscribe=partial(_requests, "subscribe"),
        unsubscribe=partial(_requests, "unsubscribe"),
        rest=Rest(
            url="https://api.bitget.com",
            budget=600,  # 20 a second for each endpoint
            listing=Listing(tuple(Request(page) for page in INSTRUMENT_PAGES), instruments),
        ),
        ping=Ping(b"ping", seconds=25),
        book_checksum=BookChecksum(checksum, _DEPTH),
    ),
)
