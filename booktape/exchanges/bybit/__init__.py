"""Bybit, API v5: USDT, USDC and inverse contracts (``bybit``), and spot (``bybit-spot``).

Source: "Bybit API v5": WebSocket Stream: Connect, Public: Orderbook, Trade, Ticker, All Liquidation; Market: Get
Orderbook, Get Instruments Info; Rate Limit.

- Linear contracts (margined in USDT or USDC) and inverse contracts have URL paths of their own; the symbol determines
  which.
- A book begins with a snapshot; then ``u`` rises by one, as recordings show. A further snapshot replaces the book;
  after a restart of the service ``u`` begins at 1 again. ``cts`` is the engine's time; ``ts`` is the time of the system
  that made the message, and can be older than the subscription. Book and ticker leave out RPI orders.
- Every message of ``orderbook.1`` is a whole snapshot, which is repeated after 3 s without a change. Its ``u`` may
  begin again, so quotes are ordered by ``seq``, the engine's number, which rises by unknown steps.
- Trades have ids without an order (UUIDs on contracts) and a ``seq`` that several share, so loss cannot be detected.
  ``S`` is the taker's side. A message holds up to 1024 trades, oldest first.
- A ticker message only holds what has changed; many hold nothing that is recorded. ``ts`` is its only time.
- The ``S`` of a liquidation is the position's side: "Buy" is a long position, which a sell closes. Its price is the
  bankruptcy price.
- The ``u`` of the REST book is that of ``orderbook.1000``. ``orderbook.full`` (2026) is deeper, but exists only on spot
  and begins without a snapshot.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from booktape.exchanges.bybit.frames import CONTRACTS, SPOT, parse, parse_rest
from booktape.exchanges.bybit.instruments import bybit_rest, category, market, spot_pair, symbol
from booktape.exchanges.spec import Channel, Exchange, Limits, Ping, Subscription
from booktape.exchanges.wire import op_messages
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import MONOTONIC, NONE, RANGED


def _requests(op: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    topics = [f"{channel}.{symbol}" for channel, symbol in subscriptions]
    return op_messages(op, topics, LIMITS.subscriptions_per_message)


LIMITS: Final = Limits(
    streams_per_connection=500,  # all topics of a connection may have 21,000 characters together
    messages_per_second=10,
    subscriptions_per_message=10,  # on spot; contracts have no limit
    connections_per_minute=100,  # 500 in 5 minutes
)

_CHANNELS: Final = (
    Channel("publicTrade", (TRADES,), NONE, stale_after=600),
    Channel("orderbook.1000", (BOOK_SNAPSHOTS, BOOK_UPDATES), RANGED),
    Channel("orderbook.1", (QUOTES,), MONOTONIC),
)

_CONTRACTS: Final = Exchange(
    id="bybit",
    title="Bybit contracts",
    docs="https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook",
    websocket_url="wss://stream.bybit.com/v5/public",
    channels=(
        *_CHANNELS,
        Channel("tickers", (DERIVATIVE_TICKER,), NONE),
        Channel("allLiquidation", (LIQUIDATIONS,), NONE, stale_after=None),
    ),
    limits=LIMITS,
    symbol=symbol,
    market=market,
    parser=lambda: partial(parse, CONTRACTS),
    parse_rest=parse_rest,
    subscribe=partial(_requests, "subscribe"),
    unsubscribe=partial(_requests, "unsubscribe"),
    path=lambda subscription: f"/{category(subscription.symbol)}",
    rest=bybit_rest(("linear", "linear&status=PreLaunch", "inverse"), market, category),
    ping=Ping(b'{"op":"ping"}', seconds=20),
)

EXCHANGES: Final = (
    _CONTRACTS,
    replace(
        _CONTRACTS,
        id="bybit-spot",
        title="Bybit spot",
        channels=_CHANNELS,
        symbol=lambda market: market.replace("-", ""),
        market=spot_pair,
        parser=lambda: partial(parse, SPOT),
        path=lambda subscription: "/spot",
        rest=bybit_rest(("spot",), spot_pair, lambda symbol: "spot"),
    ),
)
