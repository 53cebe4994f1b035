"""dYdX chain (v4), as its indexer tells it.

Source: "dYdX Documentation": Indexer WebSockets (``v4_orderbook``, ``v4_trades``, ``v4_markets``), Rate Limits, and the
indexer's public source (``indexer/services/socks`` of v4-chain).

- ``message_id`` counts what is sent on a connection, from 0 (``connected``); a batch counts one. The answer to a
  subscription takes its number when the request arrives, but is sent later, after frames with higher numbers. So a
  missing number is waited for, and taken for a loss only after ten seconds. A refused request repeats the last number.
- A book's snapshot is read before its updates are joined to the connection: what changes in between is in neither of
  them, and nothing shows it. Amounts are absolute, so it lasts until the level changes again.
- The book is the indexer's view of orders that validators hold in memory, not a consensus: it is known to be crossed at
  times. Books carry neither ids nor times.
- Trades carry the block's time, and the taker's side; ``LIQUIDATED`` are liquidations as well. A subscription begins
  with the last trades: they are history without a place in this stream, and left out.
- The oracle's price is kept as ``index_price``. ``nextFundingRate`` is the rate of the hour so far.
- API v3 was closed in 2024 and is not understood.
- No books over REST: they have neither ids nor times.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, TRADES
from booktape.core.sequence import CONNECTION_COUNTER
from booktape.exchanges.dydx.frames import Parser
from booktape.exchanges.dydx.instruments import instruments, market, symbol
from booktape.exchanges.spec import WHOLE_VENUE, Channel, Exchange, Limits, Listing, Request, Rest, Subscription


def _requests(kind: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [_request(kind, subscription) for subscription in subscriptions]


def _request(kind: str, subscription: Subscription) -> bytes:
    request: dict[str, object] = {"type": kind, "channel": subscription.channel}
    if subscription.symbol != WHOLE_VENUE:
        request["id"] = subscription.symbol
    if kind == "subscribe":
        request["batched"] = False
    return json.encode(request)


EXCHANGES: Final = (
    Exchange(
        id="dydx",
        title="dYdX chain",
        docs="https://docs.dydx.xyz/indexer-client/websockets",
        websocket_url="wss://indexer.dydx.trade/v4/ws",
        channels=(
            Channel("v4_trades", (TRADES, LIQUIDATIONS), CONNECTION_COUNTER, quiet=None),
            Channel("v4_orderbook", (BOOK_SNAPSHOTS, BOOK_UPDATES), CONNECTION_COUNTER, quiet=120),
            Channel("v4_markets", (DERIVATIVE_TICKER,), CONNECTION_COUNTER, quiet=None, venue_wide=True),
        ),
        limits=Limits(streams_per_connection=32, messages_per_second=2, subscriptions_per_message=1),
        symbol=symbol,
        market=market,
        parser=Parser,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://indexer.dydx.trade",
            budget=300,  # 100 requests in ten seconds are allowed
            listing=Listing((Request("/v4/perpetualMarkets"),), instruments),
        ),
    ),
)
