"""Kraken: spot over WebSocket v2 (``kraken``), and Kraken Futures, also called Kraken Derivatives, over WebSocket v1
(``kraken-futures``).

Sources: "Kraken API Center": Spot WebSocket v2 (``trade``, ``book``, ``instrument``) and the guide "Book checksum
(WebSocket v2)"; Derivatives WebSocket (``trade``, ``book``, ``ticker``, ``heartbeat``), Derivatives Rate Limits, and
Derivatives REST "Get instruments".

Spot:

- Trade ids rise by one per market. A subscription begins with the last fifty trades if the client requests them.
- Book messages have no ids, only a CRC32 over the ten best levels of each side after the message. The venue cuts books
  to the subscribed depth and does not announce the levels that fall out.
- Prices and quantities are JSON numbers with their full precision. The checksum needs every digit, and so do the
  published prices, so they are kept as the text that was sent.
- REST books are not used: they have no ids, and only their levels have times.

Futures:

- A trade has a ``uid`` (where it is missing, ``seq`` is the id) and ``seq``, which rises by one in each market (a
  recording shows it over 1003 trades). A subscription begins with the last hundred trades, newest first. Trades that
  were recorded before are dropped by ``seq``.
- A book message carries one level and ``seq``, which rises by one in each market, the snapshot's included.
- ``time`` of a trade and ``timestamp`` of a book message are the engine's. ``time`` of a ticker is the server's.
- ``ticker`` comes at most once a second. The venue has no faster channel for the best bid and ask.
- ``side`` is the taker's. A trade of type ``liquidation`` is also recorded as a liquidation, unless it is one of the
  hundred old trades, which come again after every reconnect.
- ``funding_rate`` is the rate relative to the spot price (``relative_funding_rate``) for the hour that ends at
  ``next_funding_rate_time``. If a perpetual's ticker has that time but leaves out the rates, they are zero.
- A negative quantity in a book removes the level.
- Quantities are contracts; in linear (``PF``, ``FF``) markets they are the base asset.
- REST books are not used: they have the server's time, but no ``seq``.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.kraken import futures_frames, futures_instruments, spot_frames, spot_instruments
from booktape.exchanges.kraken.futures_frames import HEARTBEAT
from booktape.exchanges.kraken.spot_trades import TRADES_OVER_REST
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
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import CHECKSUM, CONTIGUOUS, NONE, RANGED, SEQUENCED

DEPTH: Final = 1000
"""Subscribed book depth of spot, in levels per side."""

_SPOT_LIMITS: Final = Limits(streams_per_connection=400, messages_per_second=5, subscriptions_per_message=100)
_FUTURES_LIMITS: Final = Limits(streams_per_connection=400, messages_per_second=20, subscriptions_per_message=100)


def _spot_requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [
        json.encode({"method": method, "params": _spot_params(method, channel, symbols)})
        for channel, symbols in by_channel(subscriptions, _SPOT_LIMITS.subscriptions_per_message)
    ]


def _spot_params(method: str, channel: str, symbols: list[str]) -> dict[str, object]:
    if channel == "instrument":
        return {"channel": channel}
    depth = {"depth": DEPTH} if channel == "book" else {}
    snapshot = {"snapshot": True} if method == "subscribe" else {}
    return {"channel": channel, "symbol": symbols, **snapshot, **depth}


def _futures_requests(event: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    """One request for the heartbeats if any subscription asks for them, then lists of symbols by channel."""
    others = [subscription for subscription in subscriptions if subscription.channel != HEARTBEAT]
    requests: list[dict[str, object]] = []
    if len(others) < len(subscriptions):
        requests.append({"event": event, "feed": HEARTBEAT})
    for channel, symbols in by_channel(others, _FUTURES_LIMITS.subscriptions_per_message):
        requests.append({"event": event, "feed": channel, "product_ids": symbols})
    return [json.encode(request) for request in requests]


_SPOT: Final = Exchange(
    id="kraken",
    title="Kraken spot",
    docs="https://docs.kraken.com/api/docs/websocket-v2/book",
    websocket_url="wss://ws.kraken.com/v2",
    channels=(
        Channel("trade", (TRADES,), CONTIGUOUS, stale_after=600),
        Channel("book", (BOOK_SNAPSHOTS, BOOK_UPDATES), CHECKSUM),
    ),
    limits=_SPOT_LIMITS,
    symbol=spot_instruments.symbol,
    market=spot_instruments.market,
    parser=lambda: spot_frames.parse,
    subscribe=lambda subscriptions: _spot_requests("subscribe", subscriptions),
    unsubscribe=lambda subscriptions: _spot_requests("unsubscribe", subscriptions),
    rest=Rest(
        url="https://api.kraken.com",
        weight_per_minute=60,  # public endpoints: one a second
        listing=Listing((Request("/0/public/AssetPairs"),), spot_instruments.instruments),
        trades=TRADES_OVER_REST,
    ),
    ping=Ping(b'{"method":"ping"}', seconds=30),
    book_checksum=BookChecksum(spot_frames.checksum, DEPTH),
    connection_channels=("instrument",),
)

_FUTURES: Final = Exchange(
    id="kraken-futures",
    title="Kraken Futures",
    docs="https://docs.kraken.com/exchange/api-reference/futures-websocket",
    websocket_url="wss://futures.kraken.com/ws/v1",
    channels=(
        Channel("trade", (TRADES, LIQUIDATIONS), SEQUENCED, stale_after=None),
        Channel("book", (BOOK_SNAPSHOTS, BOOK_UPDATES), RANGED, stale_after=600),
        Channel("ticker", (QUOTES, DERIVATIVE_TICKER), NONE),
    ),
    limits=_FUTURES_LIMITS,
    symbol=futures_instruments.symbol,
    market=futures_instruments.market,
    parser=lambda: futures_frames.parse,
    subscribe=lambda subscriptions: _futures_requests("subscribe", subscriptions),
    unsubscribe=lambda subscriptions: _futures_requests("unsubscribe", subscriptions),
    rest=Rest(
        url="https://futures.kraken.com/derivatives/api/v3",
        weight_per_minute=120,  # public endpoints cost nothing
        listing=Listing((Request("/instruments"),), futures_instruments.instruments),
    ),
    connection_channels=(HEARTBEAT,),
)

EXCHANGES: Final = (_SPOT, _FUTURES)
