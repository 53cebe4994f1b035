"""BitMEX: perpetuals, futures, spot and calendar spreads.

Source: "BitMEX WebSocket API" (``trade``, ``orderBookL2``, ``quote``, ``instrument``, ``liquidation``), the API
announcements "Changes to Order Book Level 2 Data" (2022), "Removal of JSON Nulls" (2023), "Potentially-Breaking API
Update to ID Generation on WebSocket Orderbook Feeds" (2023) and "Updates to Rate Limits", and "BitMEX REST API" (``GET
/instrument/active``).

- Channels are tables of rows. A subscription begins with ``partial``, the current rows; ``insert``, ``update`` and
  ``delete`` follow. Messages before the partial are left out.
- ``orderBookL2`` is the whole book. Messages have no numbers, but levels have ids: a change of a level that does not
  exist shows a loss and is counted as an unknown frame. Before 2023 only inserted rows had a price, so the parser
  remembers the prices.
- The ``timestamp`` of a book change is the engine's. The ``timestamp`` of a partial is the time at which the partial
  was made; no order is promised in it. Before 2022 there was no ``timestamp``.
- ``trade`` and ``quote`` only insert. Their partials repeat the last row and are left out. Quotes with an empty side
  are left out, too.
- The ``side`` of a trade is the taker's. ``size`` is in contracts.
- ``liquidation`` holds the orders that close positions by force. Each is recorded once, when it is inserted; its fills
  and its removal are not recorded. It has no time.
- ``instrument`` holds the funding rate of the period that ends at ``fundingTimestamp``, and ``indicativeFundingRate``
  for the period after it. The index price is ``indicativeSettlePrice``.
- REST books are not used: they have no time as a whole, only one for each level.
"""

from collections.abc import Sequence
from typing import Final

from booktape.exchanges.bitmex.frames import Parser
from booktape.exchanges.bitmex.instruments import instruments, market, symbol
from booktape.exchanges.spec import WHOLE_VENUE, Channel, Exchange, Limits, Listing, Ping, Request, Rest, Subscription
from booktape.exchanges.wire import op_messages
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import NONE


def _requests(operation: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    topics = [channel if symbol == WHOLE_VENUE else f"{channel}:{symbol}" for channel, symbol in subscriptions]
    return op_messages(operation, topics, LIMITS.subscriptions_per_message)


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
            Channel("trade", (TRADES,), NONE, stale_after=None),
            Channel("orderBookL2", (BOOK_SNAPSHOTS, BOOK_UPDATES), NONE, stale_after=600),
            Channel("quote", (QUOTES,), NONE, stale_after=600),
            Channel("instrument", (DERIVATIVE_TICKER,), NONE, stale_after=600),
            Channel("liquidation", (LIQUIDATIONS,), NONE, stale_after=None, venue_wide=True),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=Parser,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://www.bitmex.com/api/v1",
            weight_per_minute=30,
            listing=Listing((Request("/instrument/active"),), instruments),
        ),
        ping=Ping(b"ping", seconds=20),
    ),
)
