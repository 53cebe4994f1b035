"""Gate: spot, and perpetual futures.

Source: "Gate API v4": Spot WebSocket v4 and Gate Futures WebSocket v4 (``*.trades``, Order Book V2 API ``*.obu``,
``*.book_ticker``, ``futures.tickers``, ``futures.public_liquidates``), REST ``GET /spot/currency_pairs``,
``GET /futures/{settle}/contracts``.

- Spot and futures have different hosts but the same messages, and the same names: ``BTC_USDT`` is a pair or a contract.
  Futures have a path for each currency that they settle in: contracts in USD settle in BTC, those in USD1 in
  USD1 (since 2026-08-19), the others in USDT. The liquidations of all contracts are those that settle in USDT.
- A best bid and ask without a time (``t`` is 0) is none.
- A result of tickers or of liquidations is a list or a single object: both were seen in 2026.
- ``obu`` begins with 400 levels, and sends them again at will; between them a message covers the ids ``U..u``, the next
  one begins at ``u + 1``. ``order_book_update``, with a book over REST, has only 100: older recordings have it.
- Spot trades have an id of all markets and one of their own market, ``id_market``, which rises: but a message may stand
  for several of those (``range``), so it cannot show loss. Of futures' ids nothing is said.
- A future's size is of contracts, negative where the taker sells or a long position is closed.
- ``t`` is the time of the book, ``time_ms`` that of sending. A ticker has no other time.
- A request tells the time; one that is a minute off is refused.
- No books over REST: their ``id`` is the stream's, but no more than 100 levels are documented. One of these between the
  changes of 400 would take levels away from a reader.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from msgspec import json

from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.core.sequence import NONE, RANGED
from booktape.exchanges.gate.frames import parse, parse_rest
from booktape.exchanges.gate.instruments import (
    contracts,
    futures_market,
    futures_symbol,
    pairs,
    spot_market,
    spot_symbol,
)
from booktape.exchanges.spec import (
    WHOLE_VENUE,
    Channel,
    Exchange,
    Limits,
    Listing,
    Request,
    Rest,
    Subscription,
    by_channel,
    no_records,
)

LIMITS: Final = Limits(streams_per_connection=200, messages_per_second=5, subscriptions_per_message=50)

_LEVELS: Final = 400
_SETTLED: Final = {"USD": "btc", "USD1": "usd1"}
_NO_TIME: Final = b'{"time":0,'


def _requests(event: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    """Messages without their time, which :func:`_stamp` puts in."""
    wanted = [Subscription(channel, _item(channel, symbol)) for channel, symbol in subscriptions]
    return [
        json.encode({"time": 0, "channel": channel, "event": event, "payload": payload})
        for channel, payload in by_channel(wanted, LIMITS.subscriptions_per_message)
    ]


def _item(channel: str, symbol: str) -> str:
    if symbol == WHOLE_VENUE:
        return "!all"
    return f"ob.{symbol}.{_LEVELS}" if channel.endswith(".obu") else symbol


def _stamp(message: bytes, now: int) -> bytes:
    return message.replace(_NO_TIME, b'{"time":%d,' % (now // 1_000_000), 1)


def _channels(kind: str) -> tuple[Channel, ...]:
    """The channels that spot and futures both have."""
    return (
        Channel(f"{kind}.trades", (TRADES,), NONE, quiet=600),
        Channel(f"{kind}.obu", (BOOK_SNAPSHOTS, BOOK_UPDATES), RANGED, quiet=300),
        Channel(f"{kind}.book_ticker", (QUOTES,), NONE, quiet=600),
    )


_SPOT: Final = Exchange(
    id="gate",
    title="Gate spot",
    docs="https://www.gate.com/docs/developers/apiv4/ws/en/",
    websocket_url="wss://api.gateio.ws/ws/v4/",
    channels=_channels("spot"),
    limits=LIMITS,
    symbol=spot_symbol,
    market=spot_market,
    parser=lambda: parse,
    parse_rest=parse_rest,
    subscribe=partial(_requests, "subscribe"),
    unsubscribe=partial(_requests, "unsubscribe"),
    stamp=_stamp,
    rest=Rest(
        url="https://api.gateio.ws/api/v4",
        budget=600,  # 200 in ten seconds for each endpoint
        listing=Listing((Request("/spot/currency_pairs"),), pairs),
    ),
)

_FUTURES: Final = replace(
    _SPOT,
    id="gate-futures",
    title="Gate perpetual futures",
    docs="https://www.gate.com/docs/developers/futures/ws/en/",
    websocket_url="wss://fx-ws.gateio.ws/v4/ws",
    path=lambda subscription: f"/{_SETTLED.get(subscription.symbol.rpartition('_')[2], 'usdt')}",
    channels=(
        *_channels("futures"),
        Channel("futures.tickers", (DERIVATIVE_TICKER,), NONE, quiet=None),
        Channel("futures.public_liquidates", (LIQUIDATIONS,), NONE, quiet=None, venue_wide=True),
    ),
    symbol=futures_symbol,
    market=futures_market,
    parse_rest=no_records,
    rest=replace(
        _SPOT.rest,
        listing=Listing(tuple(Request(f"/futures/{path}/contracts") for path in ("usdt", "btc", "usd1")), contracts),
    ),
)

EXCHANGES: Final = (_SPOT, _FUTURES)
