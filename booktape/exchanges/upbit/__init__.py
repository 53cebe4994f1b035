"""Upbit: spot in Korea, and the sister exchanges in Singapore, Indonesia and Thailand.

Source: "Upbit Open API": WebSocket guide, Trade, Orderbook, Rate Limits, and ``GET /v1/market/all``.

- Frames are binary, their content is JSON; subscriptions ask for the short names (SIMPLE).
- A code names the quote first: ``KRW-BTC`` is bitcoin in won.
- ``orderbook`` gives whole books of up to thirty levels a side with the time of the book, and nothing that would show
  loss. A side with fewer levels is filled up with zeros, which are left out.
- A trade's ``sid`` is unique; the venue does not promise that it rises. ``ab`` is the taker's side. ``ttms`` is the
  time of the trade, ``tms`` that of the message.
- Trades begin with the last one unless only new ones are asked for: after each reconnect it would come again.
- A request on a connection takes the place of the one before it, so one message names all streams of a connection.
- The client must send something within two minutes: the text ``PING``, which is answered by ``{"status":"UP"}``.
- No books over REST: their ``timestamp`` is that of the request.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from msgspec import json

from booktape.core.records import BOOK_SNAPSHOTS, TRADES
from booktape.core.sequence import NONE
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Ping, Request, Rest, Subscription, by_channel
from booktape.exchanges.upbit.frames import parse
from booktape.exchanges.upbit.instruments import instruments, swapped
from booktape.exchanges.wire import chunks


def _requests(subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [_request(some) for some in chunks(subscriptions, LIMITS.subscriptions_per_message)]


def _request(subscriptions: Sequence[Subscription]) -> bytes:
    wanted = [
        {"type": channel, "codes": codes, "is_only_realtime": channel == "trade"}
        for channel, codes in by_channel(subscriptions, len(subscriptions))
    ]
    return json.encode([{"ticket": "booktape"}, *wanted, {"format": "SIMPLE"}])


LIMITS: Final = Limits(
    streams_per_connection=200,
    messages_per_second=2,  # 5 are allowed, 100 a minute
    subscriptions_per_message=200,  # all of a connection's
    connections_per_minute=60,  # 5 a second are allowed
)

KOREA: Final = Exchange(
    id="upbit",
    title="Upbit Korea",
    docs="https://docs.upbit.com/kr/reference/websocket-guide",
    websocket_url="wss://api.upbit.com/websocket/v1",
    channels=(
        Channel("trade", (TRADES,), NONE, quiet=3600),
        Channel("orderbook", (BOOK_SNAPSHOTS,), NONE, quiet=300),
    ),
    limits=LIMITS,
    symbol=swapped,
    market=swapped,
    parser=lambda: parse,
    subscribe=_requests,
    unsubscribe=None,  # a request that leaves a stream out must name all others
    rest=Rest(
        url="https://api.upbit.com",
        budget=300,  # 10 a second are allowed
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
