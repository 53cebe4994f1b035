"""Upbit: spot in Korea (``upbit``), and the sister exchanges in Singapore, Indonesia and Thailand.

Source: "Upbit Open API": WebSocket guide, Trade, Orderbook, Rate Limits, and ``GET /v1/market/all``.

- Frames are binary, their content is JSON. Subscriptions request the short field names (SIMPLE).
- A code names the quote first: ``KRW-BTC`` is bitcoin in won.
- ``orderbook`` carries whole books of up to thirty levels a side, with the time of the book and nothing that would show
  loss. A side with fewer levels is filled up with zeros, which are left out.
- ``sid`` of a trade is unique; the venue does not promise that it rises. ``ab`` is the taker's side. ``ttms`` is the
  time of the trade, ``tms`` that of the message.
- Trades begin with the last one unless the subscription requests only new ones. It would come again after each
  reconnect, so only new ones are requested.
- A request on a connection replaces the one before it, so one message names all streams of a connection.
- The client must send something within two minutes: the text ``PING``, which the venue answers with
  ``{"status":"UP"}``.
- REST books are not used: their ``timestamp`` is that of the request.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from msgspec import json

from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Ping, Request, Rest, Subscription, by_channel
from booktape.exchanges.upbit.frames import parse
from booktape.exchanges.upbit.instruments import instruments, swapped
from booktape.exchanges.wire import chunks
from booktape.model.records import BOOK_SNAPSHOTS, TRADES
from booktape.model.sequence import NONE


def _requests(subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [_request(part) for part in chunks(subscriptions, LIMITS.subscriptions_per_message)]


def _request(subscriptions: Sequence[Subscription]) -> bytes:
    streams = [
        {"type": channel, "codes": codes, "is_only_realtime": channel == "trade"}
        for channel, codes in by_channel(subscriptions, len(subscriptions))
    ]
    return json.encode([{"ticket": "booktape"}, *streams, {"format": "SIMPLE"}])


LIMITS: Final = Limits(
    streams_per_connection=200,
    messages_per_second=2,  # 5 are allowed, 100 a minute
    subscriptions_per_message=200,  # one message names all streams of a connection
    connections_per_minute=60,  # 5 a second are allowed
)

KOREA: Final = Exchange(
    id="upbit",
    title="Upbit Korea",
    docs="https://docs.upbit.com/kr/reference/websocket-guide",
    websocket_url="wss://api.upbit.com/websocket/v1",
    channels=(
        Channel("trade", (TRADES,), NONE, stale_after=3600),
        Channel("orderbook", (BOOK_SNAPSHOTS,), NONE, stale_after=300),
    ),
    limits=LIMITS,
    symbol=swapped,
    market=swapped,
    parser=lambda: parse,
    subscribe=_requests,
    unsubscribe=None,  # a request that leaves out one stream must name all others
    rest=Rest(
        url="https://api.upbit.com",
        weight_per_minute=300,  # 10 a second are allowed
        listing=Listing((Request("/v1/market/all"),), instruments),
    ),
    ping=Ping(b"PING", seconds=60),
)


def _abroad(country: str, code: str) -> Exchange:
    return replace(
        KOREA,
        id=f"upbit-{country.lower()}",
        title=f"Upbit {country}",
        docs="https://global-docs.upbit.com/reference/websocket-guide",
        websocket_url=f"wss://{code}-api.upbit.com/websocket/v1",
        rest=replace(KOREA.rest, url=f"https://{code}-api.upbit.com"),
    )


EXCHANGES: Final = (KOREA, _abroad("Singapore", "sg"), _abroad("Indonesia", "id"), _abroad("Thailand", "th"))
