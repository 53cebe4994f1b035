"""dYdX chain (v4), through its indexer.

Source: "dYdX Documentation": Indexer WebSockets (``v4_orderbook``, ``v4_trades``, ``v4_markets``), Rate Limits, and the
indexer's public source (``indexer/services/socks`` of v4-chain).

- ``message_id`` counts the messages of a connection, from 0 (``connected``); a batch counts as one. The answer to a
  subscription takes its number when the request arrives but is sent later, after frames with higher numbers. So the
  parser waits for a missing number, and reports it as missing only after ten seconds. A refused request repeats the
  last number.
- The indexer reads a book's snapshot before it joins the updates to the connection. A change in between is in neither
  of them, and nothing shows it. Amounts are absolute, so the error lasts until the level changes again.
- The book is the indexer's view of orders that validators hold in memory, not a consensus: it is known to be crossed at
  times. Books carry neither ids nor times.
- Trades carry the block's time and the taker's side. Trades of type ``LIQUIDATED`` are recorded as liquidations, too. A
  subscription begins with the last trades; they are history without a place in this stream and are left out.
- The oracle price is recorded as ``index_price``. ``nextFundingRate`` is the rate of the current hour so far.
- API v3 was closed in 2024 and is not supported.
- REST books are not used: they have neither ids nor times.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.dydx.frames import Parser
from booktape.exchanges.dydx.instruments import instruments, market, symbol
from booktape.exchanges.spec import WHOLE_VENUE, Channel, Exchange, Limits, Listing, Request, Rest, Subscription
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, TRADES
from booktape.model.sequence import CONNECTION_COUNTER


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
            Channel("v4_trades", (TRADES, LIQUIDATIONS), CONNECTION_COUNTER, stale_after=None),
            Channel("v4_orderbook", (BOOK_SNAPSHOTS, BOOK_UPDATES), CONNECTION_COUNTER, stale_after=120),
            Channel("v4_markets", (DERIVATIVE_TICKER,), CONNECTION_COUNTER, stale_after=None, venue_wide=True),
        ),
        limits=Limits(streams_per_connection=32, messages_per_second=2, subscriptions_per_message=1),
        symbol=symbol,
        market=market,
        parser=Parser,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://indexer.dydx.trade",
            weight_per_minute=300,  # 100 requests in ten seconds are allowed
            listing=Listing((Request("/v4/perpetualMarkets"),), instruments),
        ),
    ),
)
