"""Deribit: perpetuals, futures, options, spot and combos, JSON-RPC over WebSocket, API v2.

Source: "Deribit API": Subscriptions (``trades.{instrument_name}.{interval}``, ``book.{instrument_name}.{interval}``,
``ticker.{instrument_name}.{interval}``, ``quote.{instrument_name}``), ``public/set_heartbeat``, Rate Limits and Market
Data Collection - Best Practices.

- The interval ``raw`` needs a login. ``100ms`` holds every trade, several to a message; book levels that changed more
  than once within it are told once.
- ``trade_seq`` numbers the trades of each instrument. ``trade_id`` is unique within a currency only.
- A book message names its ``change_id`` and that of the message before it; the numbers between mean nothing. The first
  message of a subscription is the whole book.
- All times are the engine's. Quotes where one side is empty (null) are left out: there is no best price to tell.
- ``direction`` is the taker's side. A trade's ``liquidation`` tells who was liquidated: the maker (``M``), the taker
  (``T``) or both (``MT``), which makes two liquidations.
- Funding has no periods, it is paid all the time: ``funding_rate`` is ``current_funding``, and there is no time of it.
- Amounts are USD for perpetuals and inverse futures, else the base coin.
- Heartbeats are asked for by a request, as if they were a channel. The venue's ``test_request`` must be answered.
- A request for channels of which none exists is answered by an empty list.
- No books over REST: they bear a ``change_id``, but nothing says how one from within the 100 ms of a message relates to
  that message.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.core.sequence import LINKED, NONE, SEQUENCED
from booktape.exchanges.deribit.frames import parse
from booktape.exchanges.deribit.instruments import instruments, market, symbol
from booktape.exchanges.deribit.trades import TRADES_OVER_REST
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Request, Rest, Subscription
from booktape.exchanges.wire import chunks

_HEARTBEAT: Final = "heartbeat"
_HEARTBEAT_SECONDS: Final = 30


def _requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    """Requests, numbered from 1; the heartbeats' comes first, however many symbols ask for them."""
    names = [
        subscription.channel.format(instrument_name=subscription.symbol)
        for subscription in subscriptions
        if subscription.channel != _HEARTBEAT
    ]
    asked: list[tuple[str, dict[str, object]]] = [
        (method, {"channels": some}) for some in chunks(names, LIMITS.subscriptions_per_message)
    ]
    if len(names) < len(subscriptions):
        asked.insert(0, ("public/set_heartbeat", {"interval": _HEARTBEAT_SECONDS}))
    return [
        json.encode({"jsonrpc": "2.0", "id": number, "method": name, "params": params})
        for number, (name, params) in enumerate(asked, 1)
    ]


LIMITS: Final = Limits(streams_per_connection=500, messages_per_second=5, subscriptions_per_message=100)

EXCHANGES: Final = (
    Exchange(
        id="deribit",
        title="Deribit",
        docs="https://docs.deribit.com/subscriptions/orderbook/bookinstrument_nameinterval",
        websocket_url="wss://www.deribit.com/ws/api/v2",
        channels=(
            Channel("trades.{instrument_name}.100ms", (TRADES, LIQUIDATIONS), SEQUENCED, quiet=None),
            Channel("book.{instrument_name}.100ms", (BOOK_SNAPSHOTS, BOOK_UPDATES), LINKED, quiet=600),
            Channel("quote.{instrument_name}", (QUOTES,), NONE, quiet=600),
            Channel("ticker.{instrument_name}.100ms", (DERIVATIVE_TICKER,), NONE, quiet=600),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        subscribe=lambda subscriptions: _requests("public/subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("public/unsubscribe", subscriptions),
        rest=Rest(
            url="https://www.deribit.com/api/v2",
            budget=600,  # 20 requests a second are allowed, one of this list
            listing=Listing((Request("/public/get_instruments?currency=any"),), instruments, weight=60),
            trades=TRADES_OVER_REST,
        ),
        connection_channels=(_HEARTBEAT,),
    ),
)
