"""Bitget: spot, and futures margined in USDT, USDC and coins.

Source: "Bitget API docs" (v2): Websocket API intro; Spot and Contract websocket public channels ``trade`` (Trading /
New Trades Channel), ``books`` and ``books1`` (Depth / Order Book Channel), ``ticker``; REST Get Symbol Info, Get
Contract Config.

- Spot and futures use the same symbols, so Booktape's symbol of a future is the venue's with the product type behind
  it: ``BTCUSDT.USDT-FUTURES``.
- Every book update has a CRC32 over the 25 best levels of each side after it; a snapshot has none. A checksum that the
  venue left at 0 differs and is reported as different. ``seq`` rises with each change, by unknown steps.
- ``ts`` of a book is the matching engine's; the frame's own ``ts`` is the time of sending. The ``ts`` of a trade is the
  time of its fill.
- A subscription to trades begins with the last trades. Messages have the newest trade first. Whether ids rise is not
  documented.
- Liquidations are only available with the unified account's API (v3). The ``ticker`` of spot holds nothing that
  Booktape records.
- REST books are not used: they only have a time, while the stream is ordered by ``seq``.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from booktape.exchanges.bitget.frames import checksum, parse
from booktape.exchanges.bitget.instruments import INSTRUMENT_PAGES, instruments, market, split_symbol, symbol
from booktape.exchanges.spec import BookChecksum, Channel, Exchange, Limits, Listing, Ping, Request, Rest, Subscription
from booktape.exchanges.wire import op_messages
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, QUOTES, TRADES
from booktape.model.sequence import CHECKSUM, NONE

_DEPTH: Final = 1000
"""Deeper than the venue's books, so that no level is dropped."""

LIMITS: Final = Limits(
    streams_per_connection=48,  # 1000 are allowed, at most 50 recommended
    messages_per_second=5,  # 10 are allowed, pings included
    subscriptions_per_message=48,
    connection_lifetime=24 * 3600,
    connections_per_minute=60,  # 300 in five minutes, 100 at once
)


def _requests(operation: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    arguments = [_argument(channel, *split_symbol(symbol)) for channel, symbol in subscriptions]
    return op_messages(operation, arguments, LIMITS.subscriptions_per_message)


def _argument(channel: str, name: str, kind: str) -> dict[str, str]:
    return {"instType": kind, "channel": channel, "instId": name}


EXCHANGES: Final = (
    Exchange(
        id="bitget",
        title="Bitget",
        docs="https://www.bitget.com/api-doc/common/websocket-intro",
        websocket_url="wss://ws.bitget.com/v2/ws/public",
        channels=(
            Channel("trade", (TRADES,), NONE, stale_after=600),
            Channel("books", (BOOK_SNAPSHOTS, BOOK_UPDATES), CHECKSUM, stale_after=300),
            Channel("books1", (QUOTES,), NONE, stale_after=600),
            Channel("ticker", (DERIVATIVE_TICKER,), NONE, stale_after=None),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        subscribe=partial(_requests, "subscribe"),
        unsubscribe=partial(_requests, "unsubscribe"),
        rest=Rest(
            url="https://api.bitget.com",
            weight_per_minute=600,  # 20 a second for each endpoint
            listing=Listing(tuple(Request(page) for page in INSTRUMENT_PAGES), instruments),
        ),
        ping=Ping(b"ping", seconds=25),
        book_checksum=BookChecksum(checksum, _DEPTH),
    ),
)
