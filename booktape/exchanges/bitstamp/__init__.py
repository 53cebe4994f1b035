"""Bitstamp: spot, and perpetuals settled in USD, over one WebSocket.

Source: "Websocket API v2" (``live_trades``, ``diff_order_book``, ``funding_rate``; limits, heartbeat, reconnect
request) and "Bitstamp HTTP API" (``GET /api/v2/markets/``, ``GET /api/v2/order_book/<market>/``).

- A book diff has no number and no link to the diff before it, only the book's ``microtimestamp``. This rises with every
  diff (recordings show it strictly rising in each market), so it is used as the update id: it orders the diffs and
  places the REST book, as the documentation says, but it does not show loss.
- The stream does not begin with a snapshot. The REST book carries the same ``microtimestamp``.
- The ``type`` of a trade is 0 for buy and 1 for sell, the taker's side: in recordings the order of that side is the
  younger one. The order of trade ids is not documented.
- The numbers of a trade come twice; the text (``_str``) is the exact one. ``timestamp`` is in seconds or milliseconds;
  ``microtimestamp`` is always present.
- ``funding_rate`` carries funding rate, mark price and index price once a second. Its times are in seconds.
- A message names its market only in the name of its channel.
- A subscription to an unknown market is acknowledged and stays silent. Only a malformed channel is refused.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.bitstamp.frames import parse, parse_rest
from booktape.exchanges.bitstamp.instruments import PERPETUAL, instruments, market, symbol
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Ping, Request, Rest, RestBook, Subscription
from booktape.model.records import BOOK_UPDATES, DERIVATIVE_TICKER, TRADES
from booktape.model.sequence import MONOTONIC, NONE

_FUNDING: Final = "funding_rate"


def _requests(event: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    """One message for each stream that exists: only perpetuals have a funding rate."""
    return [
        json.encode({"event": f"bts:{event}", "data": {"channel": f"{channel}_{symbol}"}})
        for channel, symbol in subscriptions
        if channel != _FUNDING or symbol.endswith(PERPETUAL)
    ]


EXCHANGES: Final = (
    Exchange(
        id="bitstamp",
        title="Bitstamp",
        docs="https://www.bitstamp.net/websocket/v2/",
        websocket_url="wss://ws.bitstamp.net",
        channels=(
            Channel("live_trades", (TRADES,), NONE, stale_after=3600),
            Channel("diff_order_book", (BOOK_UPDATES,), MONOTONIC, stale_after=300),
            Channel(_FUNDING, (DERIVATIVE_TICKER,), NONE, stale_after=None),
        ),
        limits=Limits(
            streams_per_connection=1000,  # 1,024 are allowed; the next one closes the connection
            messages_per_second=20,
            subscriptions_per_message=1,
            connection_lifetime=90 * 24 * 3600,
        ),
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        parse_rest=parse_rest,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://www.bitstamp.net",
            weight_per_minute=600,  # 10,000 in ten minutes are allowed
            listing=Listing((Request("/api/v2/markets/"),), instruments),
            book=RestBook(lambda symbol: Request(f"/api/v2/order_book/{symbol}/?group=1")),
        ),
        ping=Ping(b'{"event":"bts:heartbeat"}', seconds=20),
    ),
)
