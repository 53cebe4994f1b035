"""Deribit, API v2: perpetuals, futures, options, spot and combos, by JSON-RPC over WebSocket.

Source: "Deribit API": Subscriptions (``trades.{instrument_name}.{interval}``, ``book.{instrument_name}.{interval}``,
``ticker.{instrument_name}.{interval}``, ``quote.{instrument_name}``), ``public/set_heartbeat``, Rate Limits and Market
Data Collection - Best Practices.

- The interval ``raw`` requires a login. ``100ms`` carries every trade, several to a message, but a book level that
  changes more than once within the interval comes only once.
- ``trade_seq`` numbers the trades of each instrument. ``trade_id`` is unique only within a currency.
- A book message names its ``change_id`` and that of the message before it; the numbers between them have no meaning.
  The first message of a subscription is the whole book.
- All times are the engine's. Quotes where one side is empty (null) are left out: they have no best price.
- ``direction`` is the taker's side. The ``liquidation`` of a trade says who was liquidated: the maker (``M``), the
  taker (``T``) or both (``MT``), which makes two liquidations.
- Funding is paid continuously, without periods: ``funding_rate`` is ``current_funding``, and there is no funding time.
- Amounts are in USD for perpetuals and inverse futures, else in the base coin.
- Heartbeats are enabled by a request of their own, which is sent in place of a subscription. The venue's
  ``test_request`` must be answered.
- If none of the requested channels exists, the answer is an empty list.
- REST books are not used: they have a ``change_id``, but its relation to a message is not documented if the book falls
  within the message's 100 ms.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from booktape.exchanges.deribit.frames import parse
from booktape.exchanges.deribit.instruments import instruments, market, symbol
from booktape.exchanges.deribit.trades import TRADES_OVER_REST
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Request, Rest, Subscription
from booktape.exchanges.wire import chunks
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import LINKED, NONE, SEQUENCED

_HEARTBEAT: Final = "heartbeat"
_HEARTBEAT_SECONDS: Final = 30


def _requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    """Requests, numbered from 1. The request for heartbeats comes first, and once for all symbols."""
    names = [
        subscription.channel.format(instrument_name=subscription.symbol)
        for subscription in subscriptions
        if subscription.channel != _HEARTBEAT
    ]
    requests: list[tuple[str, dict[str, object]]] = [
        (method, {"channels": part}) for part in chunks(names, LIMITS.subscriptions_per_message)
    ]
    if len(names) < len(subscriptions):
        requests.insert(0, ("public/set_heartbeat", {"interval": _HEARTBEAT_SECONDS}))
    return [
        json.encode({"jsonrpc": "2.0", "id": number, "method": name, "params": params})
        for number, (name, params) in enumerate(requests, 1)
    ]


LIMITS: Final = Limits(streams_per_connection=500, messages_per_second=5, subscriptions_per_message=100)

EXCHANGES: Final = (
    Exchange(
        id="deribit",
        title="Deribit",
        docs="https://docs.deribit.com/subscriptions/orderbook/bookinstrument_nameinterval",
        websocket_url="wss://www.deribit.com/ws/api/v2",
        channels=(
            Channel("trades.{instrument_name}.100ms", (TRADES, LIQUIDATIONS), SEQUENCED, stale_after=None),
            Channel("book.{instrument_name}.100ms", (BOOK_SNAPSHOTS, BOOK_UPDATES), LINKED, stale_after=600),
            Channel("quote.{instrument_name}", (QUOTES,), NONE, stale_after=600),
            Channel("ticker.{instrument_name}.100ms", (DERIVATIVE_TICKER,), NONE, stale_after=600),
        ),
        limits=LIMITS,
        symbol=symbol,
        market=market,
        parser=lambda: parse,
        subscribe=lambda subscriptions: _requests("public/subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("public/unsubscribe", subscriptions),
        rest=Rest(
            url="https://www.deribit.com/api/v2",
            weight_per_minute=600,  # 20 requests a second are allowed, but only one for this list
            listing=Listing((Request("/public/get_instruments?currency=any"),), instruments, weight=60),
            trades=TRADES_OVER_REST,
        ),
        connection_channels=(_HEARTBEAT,),
    ),
)
