"""Gate: spot (``gate``), and perpetual futures (``gate-futures``).

Source: "Gate API v4": Spot WebSocket v4 and Gate Futures WebSocket v4 (``*.trades``, Order Book V2 API ``*.obu``,
``*.book_ticker``, ``futures.tickers``, ``futures.public_liquidates``), REST ``GET /spot/currency_pairs``, ``GET
/futures/{settle}/contracts``.

- Spot and futures have different hosts but the same messages and the same symbols: ``BTC_USDT`` is a pair or a
  contract. Futures have a path for each currency that they settle in: contracts in USD settle in BTC, those in USD1 in
  USD1 (since 2026-08-19), the others in USDT. The channel of all liquidations covers the contracts that settle in USDT.
- A best bid and ask without a time (``t`` is 0) is left out.
- A result of tickers or of liquidations is a list or a single object: both were seen in 2026.
- ``obu`` begins with 400 levels and repeats them at any time. Between these, a message covers the ids ``U..u``, and the
  next one begins at ``u + 1``. ``order_book_update``, which needs a REST book, has only 100 levels; older recordings
  have it.
- Spot trades have an id over all markets and one of their own market, ``id_market``, which rises. A message may stand
  for several of the latter (``range``), so ``id_market`` does not show loss. The ids of futures trades are not
  documented.
- The size of a future is in contracts. It is negative if the taker sells or a long position is closed.
- ``t`` is the time of the book, ``time_ms`` the time of sending. A ticker has no other time.
- A request carries its time; the venue refuses a request whose time is a minute off.
- REST books are not used: their ``id`` is the stream's, but only 100 levels are documented. Between the changes of 400
  levels, such a book would remove levels.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from msgspec import json

from booktape.exchanges.gate.frames import parse, parse_rest
from booktape.exchanges.gate.instruments import (
    contracts,
    futures_market,
    futures_symbol,
    gate_spot_symbol,
    pairs,
    spot_market,
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
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import NONE, RANGED

LIMITS: Final = Limits(streams_per_connection=200, messages_per_second=5, subscriptions_per_message=50)

_LEVELS: Final = 400
_SETTLED: Final = {"USD": "btc", "USD1": "usd1"}
_NO_TIME: Final = b'{"time":0,'


def _requests(event: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    """Messages with the time 0, which :func:`_add_send_time` replaces."""
    items = [Subscription(channel, _item(channel, symbol)) for channel, symbol in subscriptions]
    return [
        json.encode({"time": 0, "channel": channel, "event": event, "payload": payload})
        for channel, payload in by_channel(items, LIMITS.subscriptions_per_message)
    ]


def _item(channel: str, symbol: str) -> str:
    if symbol == WHOLE_VENUE:
        return "!all"
    return f"ob.{symbol}.{_LEVELS}" if channel.endswith(".obu") else symbol


def _add_send_time(message: bytes, now: int) -> bytes:
    return message.replace(_NO_TIME, b'{"time":%d,' % (now // 1_000_000), 1)


def _channels(kind: str) -> tuple[Channel, ...]:
    """The channels that both spot and futures have."""
    return (
        Channel(f"{kind}.trades", (TRADES,), NONE, stale_after=600),
        Channel(f"{kind}.obu", (BOOK_SNAPSHOTS, BOOK_UPDATES), RANGED, stale_after=300),
        Channel(f"{kind}.book_ticker", (QUOTES,), NONE, stale_after=600),
    )


_SPOT: Final = Exchange(
    id="gate",
    title="Gate spot",
    docs="https://www.gate.com/docs/developers/apiv4/ws/en/",
    websocket_url="wss://api.gateio.ws/ws/v4/",
    channels=_channels("spot"),
    limits=LIMITS,
    symbol=gate_spot_symbol,
    market=spot_market,
    parser=lambda: parse,
    parse_rest=parse_rest,
    subscribe=partial(_requests, "subscribe"),
    unsubscribe=partial(_requests, "unsubscribe"),
    add_send_time=_add_send_time,
    rest=Rest(
        url="https://api.gateio.ws/api/v4",
        weight_per_minute=600,  # 200 in ten seconds for each endpoint
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
        Channel("futures.tickers", (DERIVATIVE_TICKER,), NONE, stale_after=None),
        Channel("futures.public_liquidates", (LIQUIDATIONS,), NONE, stale_after=None, venue_wide=True),
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
