"""Gemini: spot and perpetuals, over "Market Data v2" (``gemini``) and over the new WebSocket API (``gemini-ws``).

Source: "Gemini API": Market Data v2 (Level 2 Data, ``mark_price``); WebSocket Introduction (the ``snapshot``
parameter), Message Format, Stream Reference (``trade``, ``depth@100ms``, ``bookTicker``), and the guide "Order Book
Reconstruction".

Market Data v2, which the venue still runs but calls archived:

- ``l2`` carries the book and the trades of a market. Its first message is the book's snapshot. Only this message has
  ``trades``, the last fifty; they are not recorded, because they come again after each reconnect.
- Book messages have neither ids nor times, so loss cannot be detected. Amounts are absolute; zero removes the level.
- The ``side`` of a trade is the taker's. Trades of an auction and block trades have the side ``unknown``. ``tid`` is
  the trade's id. Before ``tid`` existed (2021), ``event_id`` is the id; several trades of one event share it.
- REST books are not used: they have no ids, and the times in them are dummies.

The new WebSocket API, which replaces it:

- A depth message reaches from the update id ``U`` of the message before it to ``u``, so it covers the ids after ``U``.
  A ``U`` above the last ``u`` is a gap. Ids are counted over all markets of the venue.
- With ``snapshot=-1`` the first depth message of a market holds its whole book. Its only mark is that ``U`` equals
  ``u``, so the parser remembers the markets whose book has begun.
- Messages of ``trade`` and ``bookTicker`` do not name their stream: the first has ``t``, the second ``u``.
- ``m`` says whether the buyer was the maker; if so, the taker sold. The order of trade ids is not documented.
- Times are in nanoseconds. The time of a depth message closes a window of 100 ms, which may differ between connections.
- A quote without one of its sides is left out. Streams of mark price and funding are not documented for this API.
- REST books are not used: they have no update ids, and the times in them are dummies.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.gemini import v2_frames, ws_frames
from booktape.exchanges.gemini.instruments import PERPETUAL, gemini_rest, market, symbol
from booktape.exchanges.spec import Channel, Exchange, Limits, Subscription, by_channel
from booktape.exchanges.wire import chunks
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, QUOTES, TRADES
from booktape.model.sequence import MONOTONIC, NONE, RANGED

_MARK_PRICE: Final = "mark_price"

_V2_LIMITS: Final = Limits(streams_per_connection=200, messages_per_second=5, subscriptions_per_message=50)
_WS_LIMITS: Final = Limits(
    streams_per_connection=300,
    messages_per_second=5,
    subscriptions_per_message=30,  # one bad name refuses the whole message
    connections_per_minute=60,
)


def _v2_requests(kind: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    """Subscription messages. Mark price subscriptions of spot markets are left out: only perpetuals have one."""
    streams = (s for s in subscriptions if s.channel != _MARK_PRICE or s.symbol.endswith(PERPETUAL))
    return [
        json.encode({"type": kind, "subscriptions": [{"name": channel, "symbols": symbols}]})
        for channel, symbols in by_channel(streams, _V2_LIMITS.subscriptions_per_message)
    ]


def _ws_requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    names = [f"{symbol}@{channel}" for channel, symbol in subscriptions]
    return [
        json.encode({"id": str(number), "method": method, "params": part})
        for number, part in enumerate(chunks(names, _WS_LIMITS.subscriptions_per_message), 1)
    ]


_V2: Final = Exchange(
    id="gemini",
    title="Gemini Market Data v2",
    docs="https://developer.gemini.com/websocket/archived/v2",
    websocket_url="wss://api.gemini.com/v2/marketdata",
    channels=(
        Channel("l2", (TRADES, BOOK_SNAPSHOTS, BOOK_UPDATES), NONE, stale_after=600),
        Channel(_MARK_PRICE, (DERIVATIVE_TICKER,), NONE, stale_after=None),
    ),
    limits=_V2_LIMITS,
    symbol=symbol,
    market=market,
    parser=lambda: v2_frames.parse,
    subscribe=lambda subscriptions: _v2_requests("subscribe", subscriptions),
    unsubscribe=lambda subscriptions: _v2_requests("unsubscribe", subscriptions),
    rest=gemini_rest(str.upper),
)

_WS: Final = Exchange(
    id="gemini-ws",
    title="Gemini WebSocket API",
    docs="https://developer.gemini.com/websocket/streams",
    websocket_url="wss://ws.gemini.com/?snapshot=-1",
    channels=(
        Channel("trade", (TRADES,), NONE, stale_after=3600),
        Channel("depth@100ms", (BOOK_SNAPSHOTS, BOOK_UPDATES), RANGED, stale_after=600),
        Channel("bookTicker", (QUOTES,), MONOTONIC, stale_after=600),
    ),
    limits=_WS_LIMITS,
    symbol=lambda market: symbol(market).lower(),
    market=lambda symbol: market(symbol.upper()),
    parser=ws_frames.Parser,
    subscribe=lambda subscriptions: _ws_requests("subscribe", subscriptions),
    unsubscribe=lambda subscriptions: _ws_requests("unsubscribe", subscriptions),
    rest=gemini_rest(str.lower),
)

EXCHANGES: Final = (_V2, _WS)
