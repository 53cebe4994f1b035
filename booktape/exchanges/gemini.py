"""Gemini: spot and perpetuals over "Market Data v2".

Source: "Gemini API": Market Data v2 (Level 2 Data, ``mark_price``). The venue keeps this API but calls it archived;
:mod:`~booktape.exchanges.gemini_ws` is the one that replaces it.

- ``l2`` carries book and trades of a market. Its first message is the book's snapshot: it alone has ``trades``, the
  last fifty. These are not recorded: after each reconnect they would come again.
- Book messages have neither ids nor times: loss cannot be seen. Amounts are absolute, zero removes the level.
- A trade's ``side`` is the taker's; what an auction or a block trade gives is ``unknown``. ``tid`` is the trade's id;
  before there was one (2021), ``event_id`` was, and several trades of one event share it.
- No books over REST: they have no ids, and the times in them are dummies.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.gemini_frames import parse
from booktape.exchanges.gemini_instruments import PERPETUAL, market, rest, symbol
from booktape.exchanges.spec import Channel, Exchange, Limits, Subscription, by_channel
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, TRADES
from booktape.model.sequence import NONE

_MARK_PRICE: Final = "mark_price"


def _requests(kind: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    """Messages for the streams that there are: only perpetuals have a mark price."""
    streams = (s for s in subscriptions if s.channel != _MARK_PRICE or s.symbol.endswith(PERPETUAL))
    return [
        json.encode({"type": kind, "subscriptions": [{"name": channel, "symbols": symbols}]})
        for channel, symbols in by_channel(streams, LIMITS.subscriptions_per_message)
    ]


LIMITS: Final = Limits(streams_per_connection=200, messages_per_second=5, subscriptions_per_message=50)

EXCHANGES: Final = (
    Exchange(
        id="gemini",
        title="Gemini Market Data v2",
        docs="https://developer.gemini.com/websocket/archived/v2",
        websocket_url="wss://api.gemini.com/v2/marketdata",
        channels=(
            Channel("l2", (TRADES, BOOK_SNAPSHOTS, BOOK_UPDATES), NONE, quiet=600),
            Channel(_MARK_PRICE, (DERIVATIVE_TICKER,), NONE, quiet=None),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=rest(str.upper),
    ),
)
