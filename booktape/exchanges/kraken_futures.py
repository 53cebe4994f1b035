"""Kraken Futures (Kraken Derivatives), WebSocket v1.

Source: "Kraken API Center": Derivatives WebSocket (``trade``, ``book``, ``ticker``, ``heartbeat``), Derivatives Rate
Limits, and Derivatives REST "Get instruments".

- Trades have a ``uid`` (for one without, ``seq`` is the id), and ``seq``, which rises by one in each market (a real
  recording shows it over 1003 trades). A subscription begins with the last hundred trades, newest first; those that
  were there before are dropped by ``seq``.
- Book messages carry one level each and ``seq``, which rises by one in each market, the snapshot's included.
- ``time`` of a trade and ``timestamp`` of a book message are the engine's; ``time`` of a ticker is the server's.
- ``ticker`` comes at most once a second; the venue has no faster channel of the best bid and ask.
- ``side`` is the taker's. A trade of type ``liquidation`` is told as a liquidation too, unless it is one of the hundred
  old ones, which would be told again after every reconnect.
- ``funding_rate`` is the one relative to the spot price (``relative_funding_rate``), for the hour that ends at
  ``next_funding_rate_time``. Rates that a perpetual's ticker with that time leaves out are zero.
- A negative quantity in a book removes the level.
- Quantities are contracts, for linear (``PF``, ``FF``) markets the base asset.
- No books over REST: they have the server's time, but no ``seq``.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.kraken_futures_frames import HEARTBEAT, parse
from booktape.exchanges.kraken_futures_instruments import instruments, market, symbol
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Request, Rest, Subscription, by_channel
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import NONE, RANGED, SEQUENCED


def _requests(event: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    wanted = [subscription for subscription in subscriptions if subscription.channel != HEARTBEAT]
    heartbeat = [{"event": event, "feed": HEARTBEAT}] if len(wanted) < len(subscriptions) else []
    lists = by_channel(wanted, LIMITS.subscriptions_per_message)
    return [
        json.encode(request)
        for request in (
            *heartbeat,
            *({"event": event, "feed": channel, "product_ids": symbols} for channel, symbols in lists),
        )
    ]


LIMITS: Final = Limits(streams_per_connection=400, messages_per_second=20, subscriptions_per_message=100)

EXCHANGES: Final = (
    Exchange(
        id="kraken-futures",
        title="Kraken Futures",
        docs="https://docs.kraken.com/exchange/api-reference/futures-websocket",
        websocket_url="wss://futures.kraken.com/ws/v1",
        channels=(
            Channel("trade", (TRADES, LIQUIDATIONS), SEQUENCED, quiet=None),
            Channel("book", (BOOK_SNAPSHOTS, BOOK_UPDATES), RANGED, quiet=600),
            Channel("ticker", (QUOTES, DERIVATIVE_TICKER), NONE),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://futures.kraken.com/derivatives/api/v3",
            budget=120,  # public endpoints cost nothing
            listing=Listing((Request("/instruments"),), instruments),
        ),
        connection_channels=(HEARTBEAT,),
    ),
)
