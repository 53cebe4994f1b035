"""HTX, formerly Huobi: spot (``htx``), coin-margined swaps (``htx-coin-swap``), USDT-margined swaps and futures
(``htx-linear-swap``).

Source: "HTX API Reference": Spot, WebSocket Market Data (``trade.detail``, ``mbp.400``, ``bbo``) and Get all Supported
Trading Symbol; Coin-margined Swaps and USDT-margined Contracts, WebSocket Market Data (``trade.detail``, incremental
``depth.size_150.high_freq``, ``bbo``), the public notifications (``funding_rate``, ``liquidation_orders``) and Query
Swap Info.

All APIs:

- Frames are gzipped.
- ``depth.step0``, which an older recorder subscribed to, is the same book that REST gives (150 levels a side on spot).
  It is parsed as a REST snapshot.

Spot:

- A ``ping`` must be answered with its own number.
- ``tradeId`` rises by one per market. This is not documented; all 73 trades of ten markets in a recording show it. A
  message lists the newest trade first. A subscription begins with the newest trade there is.
- An incremental book message names the ``seqNum`` of the message before it. It is the difference of two snapshots taken
  100 ms apart, 400 levels a side. The stream does not begin with a snapshot: the client must request one on the same
  connection once the subscription is acknowledged, and the snapshot's ``seqNum`` is the ``prevSeqNum`` of some update.
  The parser therefore holds the updates back until the snapshot arrives and inserts the snapshot between the two
  updates where it belongs. If the snapshot is too old, the parser requests another.
- The only time of a book message, ``ts``, is stamped by the server on sending. Trades and quotes carry the engine's.
- Numbers are JSON numbers as Java writes them, with exponents.
- REST books are not used: their ``version`` is documented as internal and is not the stream's ``seqNum``.

Swaps and futures:

- Market data and notifications use two connections with different protocols: market data requests have ``sub``,
  notification requests have ``op``. Each sends pings in its own form.
- The incremental book begins with a snapshot; ``version`` rises by one from message to message. Whether two connections
  get the same versions is not documented.
- Trade ids rise by unknown steps: they hold the engine's number and a place in it. Amounts are contracts. The amount of
  a trade is sent as the sum of both sides; it is halved, so that it compares with books and liquidations, which count
  one side.
- The ``version`` of ``depth.step0`` is a time in seconds, so the snapshot gets no id.
- Open interest, mark prices and index prices are not on these connections and are not recorded. Dated futures have no
  funding rate, so no subscription for it is sent.
- REST books are not used: they are the books of ``depth.step0``, which have no id.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from msgspec import json

from booktape.exchanges.htx import spot_frames, spot_instruments, swap_frames, swap_instruments
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Request, Rest, Subscription
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import CONTIGUOUS, LINKED, MONOTONIC, NONE, RANGED

_NOTIFICATIONS: Final = frozenset({"funding_rate", "liquidation_orders"})

_LIMITS: Final = Limits(
    streams_per_connection=100,
    messages_per_second=5,
    subscriptions_per_message=1,
    connections_per_minute=30,
)


def _spot_requests(verb: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    names = [f"market.{symbol}.{channel}" for channel, symbol in subscriptions]
    return [json.encode({verb: name, "id": name}) for name in names]


def _swap_requests(verb: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [
        _swap_request(verb, channel, symbol)
        for channel, symbol in subscriptions
        if channel != "funding_rate" or not swap_instruments.is_dated(symbol)
    ]


def _swap_request(verb: str, channel: str, symbol: str) -> bytes:
    if channel in _NOTIFICATIONS:
        topic = f"public.{symbol}.{channel}"
        return json.encode({"op": verb, "cid": topic, "topic": topic})
    incremental = {"data_type": "incremental"} if channel == swap_frames.BOOK else {}
    name = f"market.{symbol}.{channel}"
    return json.encode({verb: name, **incremental, "id": name})


_SPOT: Final = Exchange(
    id="htx",
    title="HTX spot",
    docs="https://www.htx.com/en-us/opend/newApiPages/",
    websocket_url="wss://api.huobi.pro",
    channels=(
        Channel("trade.detail", (TRADES,), CONTIGUOUS, stale_after=600),
        Channel(spot_frames.BOOK, (BOOK_SNAPSHOTS, BOOK_UPDATES), LINKED, stale_after=120),
        Channel("bbo", (QUOTES,), NONE, stale_after=120),
    ),
    limits=_LIMITS,
    symbol=lambda market: market.replace("-", "").lower(),
    market=spot_instruments.market,
    parser=spot_frames.Parser,
    subscribe=lambda subscriptions: _spot_requests("sub", subscriptions),
    unsubscribe=lambda subscriptions: _spot_requests("unsub", subscriptions),
    path=lambda subscription: "/feed" if subscription.channel == spot_frames.BOOK else "/ws",
    rest=Rest(
        url="https://api.huobi.pro",
        weight_per_minute=300,
        listing=Listing((Request("/v1/common/symbols"),), spot_instruments.instruments),
    ),
)

_COIN_SWAP: Final = Exchange(
    id="htx-coin-swap",
    title="HTX coin-margined swaps",
    docs="https://www.htx.com/en-us/opend/newApiPages/",
    websocket_url="wss://api.hbdm.com",
    channels=(
        Channel("trade.detail", (TRADES,), MONOTONIC, stale_after=600),
        Channel(swap_frames.BOOK, (BOOK_SNAPSHOTS, BOOK_UPDATES), RANGED, stale_after=120),
        Channel("bbo", (QUOTES,), NONE, stale_after=120),
        Channel("funding_rate", (DERIVATIVE_TICKER,), NONE, stale_after=None),
        Channel("liquidation_orders", (LIQUIDATIONS,), NONE, stale_after=None),
    ),
    limits=_LIMITS,
    symbol=lambda market: market.removesuffix("-PERP"),
    market=swap_instruments.market,
    parser=lambda: swap_frames.parse,
    subscribe=lambda subscriptions: _swap_requests("sub", subscriptions),
    unsubscribe=lambda subscriptions: _swap_requests("unsub", subscriptions),
    path=lambda subscription: "/swap-notification" if subscription.channel in _NOTIFICATIONS else "/swap-ws",
    rest=Rest(
        url="https://api.hbdm.com",
        weight_per_minute=300,
        listing=Listing((Request("/swap-api/v1/swap_contract_info"),), swap_instruments.instruments),
    ),
)

_LINEAR_SWAP: Final = replace(
    _COIN_SWAP,
    id="htx-linear-swap",
    title="HTX USDT-margined swaps and futures",
    path=lambda subscription: (
        "/linear-swap-notification" if subscription.channel in _NOTIFICATIONS else "/linear-swap-ws"
    ),
    rest=replace(
        _COIN_SWAP.rest,
        listing=Listing(
            (Request("/linear-swap-api/v1/swap_contract_info?business_type=all"),), swap_instruments.instruments
        ),
    ),
)

EXCHANGES: Final = (_SPOT, _COIN_SWAP, _LINEAR_SWAP)
