"""Gemini: spot and perpetuals over the venue's new WebSocket API.

Source: "Gemini API": WebSocket Introduction (the ``snapshot`` parameter), Message Format, Stream Reference
(``trade``, ``depth@100ms``, ``bookTicker``), and the guide "Order Book Reconstruction".

- A depth message reaches from the update id ``U`` of the one before it to ``u``, so it covers the ids after ``U``; a
  ``U`` above the last ``u`` is a gap. Ids are counted over all markets of the venue.
- With ``snapshot=-1`` the first depth message of a market holds its whole book. It has no mark but that ``U`` equals
  ``u``: the parser remembers which markets it has heard.
- A message of ``trade`` and ``bookTicker`` does not name its stream: the one has ``t``, the other ``u``.
- ``m`` tells whether the buyer was the maker: then the taker sold. Nothing is said of the order of trade ids.
- Times are in nanoseconds. That of a depth message closes a window of 100 ms, which may differ between connections.
- A quote without one of its sides is no quote. Streams of mark price and funding are not documented here.
- No books over REST: they have no update ids, and the times in them are dummies.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.gemini_instruments import market, rest, symbol
from booktape.exchanges.gemini_ws_frames import Parser
from booktape.exchanges.spec import Channel, Exchange, Limits, Subscription
from booktape.exchanges.wire import chunks
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES
from booktape.model.sequence import MONOTONIC, NONE, RANGED


def _requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    names = [f"{symbol}@{channel}" for channel, symbol in subscriptions]
    return [
        json.encode({"id": str(number), "method": method, "params": some})
        for number, some in enumerate(chunks(names, LIMITS.subscriptions_per_message), 1)
    ]


LIMITS: Final = Limits(
    streams_per_connection=300,
    messages_per_second=5,
    subscriptions_per_message=30,  # one bad name refuses the whole message
    connections_per_minute=60,
)

EXCHANGES: Final = (
    Exchange(
        id="gemini-ws",
        title="Gemini WebSocket API",
        docs="https://developer.gemini.com/websocket/streams",
        websocket_url="wss://ws.gemini.com/?snapshot=-1",
        channels=(
            Channel("trade", (TRADES,), NONE, quiet=3600),
            Channel("depth@100ms", (BOOK_SNAPSHOTS, BOOK_UPDATES), RANGED, quiet=600),
            Channel("bookTicker", (QUOTES,), MONOTONIC, quiet=600),
        ),
        limits=LIMITS,
        symbol=lambda market: symbol(market).lower(),
        market=lambda symbol: market(symbol.upper()),
        parser=Parser,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=rest(str.lower),
    ),
)
