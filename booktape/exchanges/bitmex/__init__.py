"""BitMEX: perpetuals, futures, spot and calendar spreads.

Source: "BitMEX WebSocket API" (``trade``, ``orderBookL2``, ``quote``, ``instrument``, ``liquidation``), the API
announcements "Changes to Order Book Level 2 Data" (2022), "Removal of JSON Nulls" (2023), "Potentially-Breaking API
Update to ID Generation on WebSocket Orderbook Feeds" (2023) and "Updates to Rate Limits", and "BitMEX REST API"
(``GET /instrument/active``).

- Tables of rows: a subscription begins with ``partial``, the rows there are; ``insert``, ``update`` and ``delete``
  follow. What comes before the partial is left out.
- ``orderBookL2`` is the whole book. Nothing is numbered, but levels have ids: a change of one that is not there shows a
  loss and is counted as not understood. Before 2023 only inserted rows had a price, so the parser remembers them.
- The ``timestamp`` of a book's change is the engine's, that of its partial the time at which the partial was made (no
  order is promised in it). Before 2022 there was none.
- ``trade`` and ``quote`` are insert only: their partials repeat the last row and are left out. Quotes where one side is
  empty are left out too.
- A trade's ``side`` is the taker's. ``size`` is in contracts.
- ``liquidation`` holds the orders that close positions by force. Each is told once, as it is inserted, not how it is
  filled and removed. It has no time.
- ``instrument`` tells the funding rate of the period that ends at ``fundingTimestamp``, and ``indicativeFundingRate``
  for the one after it. The index price is ``indicativeSettlePrice``.
- No books over REST: they have no time as a whole, only one for each level.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.core.sequence import NONE
from booktape.exchanges.bitmex.frames import Parser
from booktape.exchanges.bitmex.instruments import instruments, market, symbol
from booktape.exchanges.spec import WHOLE_VENUE, Channel, Exchange, Limits, Listing, Ping, Request, Rest, Subscription
from booktape.exchanges.wire import chunks


def _requests(operation: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    topics = [channel if symbol == WHOLE_VENUE else f"{channel}:{symbol}" for channel, symbol in subscriptions]
    return [json.encode({"op": operation, "args": some}) for some in chunks(topics, LIMITS.subscriptions_per_message)]


LIMITS: Final = Limits(
    streams_per_connection=200,
    messages_per_second=2,
    subscriptions_per_message=20,
    connections_per_minute=1,  # 60 an hour
)

EXCHANGES: Final = (
    Exchange(
        id="bitmex",
        title="BitMEX",
        docs="https://www.bitmex.com/app/wsAPI",
        websocket_url="wss://ws.bitmex.com/realtime",
        channels=(
            Channel("trade", (TRADES,), NONE, quiet=None),
            Channel("orderBookL2", (BOOK_SNAPSHOTS, BOOK_UPDATES), NONE, quiet=600),
            Channel("quote", (QUOTES,), NONE, quiet=600),
            Channel("instrument", (DERIVATIVE_TICKER,), NONE, quiet=600),
            Channel("liquidation", (LIQUIDATIONS,), NONE, quiet=None, venue_wide=True),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=Parser,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://www.bitmex.com/api/v1",
            budget=30,
            listing=Listing((Request("/instrument/active"),), instruments),
        ),
        ping=Ping(b"ping", seconds=20),
    ),
)
