"""HTX spot (once Huobi).

Source: "HTX API Reference": Spot, WebSocket Market Data (``trade.detail``, ``mbp.400``, ``bbo``) and Get all Supported
Trading Symbol.

- Frames are gzipped. A ``ping`` must be answered with its own number.
- ``tradeId`` rises by one per market (not documented; all 73 trades of ten markets in a recording show it). A message
  lists the newest trade first. A subscription begins with the newest trade there is.
- The incremental book names the ``seqNum`` of the message before it. It is the difference of two snapshots taken 100 ms
  apart, 400 levels a side. It does not begin by itself: a snapshot must be asked for on the same connection once the
  subscription stands, and its ``seqNum`` is the ``prevSeqNum`` of some update. So the updates are held back until the
  answer is there, and the snapshot is put between the two where it belongs; one that is too old is asked for again.
- Its only time, ``ts``, is stamped by the server on sending. Trades and quotes carry the engine's.
- ``depth.step0`` (an older recorder's choice) is the book that REST gives, 150 levels a side: understood as such.
- Numbers are JSON numbers as Java writes them, with exponents.
- No books over REST: their ``version`` is called internal, not the stream's ``seqNum``.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.htx_frames import BOOK, Parser
from booktape.exchanges.htx_instruments import instruments, market
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Request, Rest, Subscription
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES
from booktape.model.sequence import CONTIGUOUS, LINKED, NONE


def _requests(verb: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    """One message for each subscription to a channel of the market."""
    names = [f"market.{symbol}.{channel}" for channel, symbol in subscriptions]
    return [json.encode({verb: name, "id": name}) for name in names]


EXCHANGES: Final = (
    Exchange(
        id="htx",
        title="HTX spot",
        docs="https://www.htx.com/en-us/opend/newApiPages/",
        websocket_url="wss://api.huobi.pro",
        channels=(
            Channel("trade.detail", (TRADES,), CONTIGUOUS, quiet=600),
            Channel(BOOK, (BOOK_SNAPSHOTS, BOOK_UPDATES), LINKED, quiet=120),
            Channel("bbo", (QUOTES,), NONE, quiet=120),
        ),
        limits=Limits(
            streams_per_connection=100,
            messages_per_second=5,
            subscriptions_per_message=1,
            connections_per_minute=30,
        ),
        symbol=lambda market: market.replace("-", "").lower(),
        market=market,
        parser=Parser,
        subscribe=lambda subscriptions: _requests("sub", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsub", subscriptions),
        path=lambda subscription: "/feed" if subscription.channel == BOOK else "/ws",
        rest=Rest(
            url="https://api.huobi.pro",
            budget=300,
            listing=Listing((Request("/v1/common/symbols"),), instruments),
        ),
    ),
)
