"""Bitfinex: spot, margin and perpetuals over one WebSocket, API version 2.

Source: "Bitfinex API": WebSocket General (configuration flags, info codes), Public Channels (limits), Trades, Books.

- A message names only the number of its channel. The answer to the subscription assigned the number, so the parser
  remembers it.
- With the flags SEQ_ALL and TIMESTAMP, which every connection must set first, each array ends with its number on the
  connection, counted from 1 over all channels and heartbeats, and with the time at which the server sent it. A missing
  number shows that *some* stream lost a message. Frames about the connection (``event``) are not numbered.
- A book level is ``[price, count, ±amount]``: bids are positive, a count of zero removes the level. A book begins with
  its snapshot. The only time of its messages is the time of sending.
- A trade comes twice, as ``te`` when it is executed and as ``tu`` a little later: ``te`` is recorded. The sign of the
  amount is the taker's side. A subscription begins with the last thirty trades, which are not recorded: they come again
  after each reconnect.
- ``ticker`` is no stream of quotes: its sizes are the sums of the 25 best levels, as recordings show.
- REST books are not used: they have neither ids nor times.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.bitfinex.frames import ALL_LIQUIDATIONS, DERIVATIVE, Parser
from booktape.exchanges.bitfinex.instruments import instruments, market, symbol
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Request, Rest, Subscription
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, TRADES
from booktape.model.sequence import CONNECTION_COUNTER

_FLAGS: Final = 65536 + 32768  # SEQ_ALL, TIMESTAMP
_DEPTH: Final = "250"


def _requests(subscriptions: Sequence[Subscription]) -> list[bytes]:
    """One message to set the flags of the connection, then one for each stream that exists."""
    conf = [json.encode({"event": "conf", "flags": _FLAGS})] if any(s.channel == "conf" for s in subscriptions) else []
    return conf + [
        json.encode({"event": "subscribe", **_params(channel, symbol)})
        for channel, symbol in subscriptions
        if channel != "conf" and (channel != "deriv" or market(symbol).endswith("-PERP"))
    ]


def _params(channel: str, symbol: str) -> dict[str, str]:
    match channel:
        case "book":
            return {"channel": "book", "symbol": symbol, "prec": "P0", "freq": "F0", "len": _DEPTH}
        case "deriv":
            return {"channel": "status", "key": DERIVATIVE + symbol}
        case _ if channel == ALL_LIQUIDATIONS:
            return {"channel": "status", "key": ALL_LIQUIDATIONS}
    return {"channel": channel, "symbol": symbol}


EXCHANGES: Final = (
    Exchange(
        id="bitfinex",
        title="Bitfinex",
        docs="https://docs.bitfinex.com/docs/ws-general",
        websocket_url="wss://api-pub.bitfinex.com/ws/2",
        channels=(
            Channel("trades", (TRADES,), CONNECTION_COUNTER, stale_after=3600),
            Channel("book", (BOOK_SNAPSHOTS, BOOK_UPDATES), CONNECTION_COUNTER, stale_after=600),
            Channel("deriv", (DERIVATIVE_TICKER,), CONNECTION_COUNTER, stale_after=None),
            Channel(ALL_LIQUIDATIONS, (LIQUIDATIONS,), CONNECTION_COUNTER, stale_after=None, venue_wide=True),
        ),
        limits=Limits(
            streams_per_connection=25,
            messages_per_second=5,
            subscriptions_per_message=1,
            connections_per_minute=20,
        ),
        symbol=symbol,
        market=market,
        parser=Parser,
        subscribe=_requests,
        unsubscribe=None,  # the message needs the channel number, which only the parser knows
        rest=Rest(
            url="https://api-pub.bitfinex.com",
            weight_per_minute=30,
            listing=Listing((Request("/v2/conf/pub:info:pair:futures,pub:info:pair"),), instruments),
        ),
        connection_channels=("conf",),
    ),
)
