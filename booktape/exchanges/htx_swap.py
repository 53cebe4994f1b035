"""HTX swaps and futures: margined in coins, and in USDT.

Source: "HTX API Reference": Coin-margined Swaps and USDT-margined Contracts, WebSocket Market Data
(``trade.detail``, incremental ``depth.size_150.high_freq``, ``bbo``), the public notifications (``funding_rate``,
``liquidation_orders``) and Query Swap Info.

- Frames are gzipped. Two connections speak two tongues: market data ask ``sub``, notifications ``op``; each pings in
  its own way.
- The incremental book begins with a snapshot; ``version`` rises by one from message to message. Whether two
  connections see the same versions is not documented.
- Trade ids rise by unknown steps: the engine's number and a place in it. Amounts are contracts. A trade's
  is sent as the sum of both sides: it is halved, so that it compares with books and liquidations, which count one.
- ``depth.step0`` (an older recorder's choice) is the book that REST gives: understood as such. Its ``version`` is a
  time in seconds, so it gets no id.
- Open interest, mark and index prices are not on these connections: they are left out. Dated futures have no
  funding rate, and are not asked for it.
- No books over REST: theirs is that of ``depth.step0``, which has no id.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from msgspec import json

from booktape.exchanges.htx_swap_frames import BOOK, parse
from booktape.exchanges.htx_swap_instruments import instruments, is_dated, market
from booktape.exchanges.spec import Channel, Exchange, Limits, Listing, Request, Rest, Subscription
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import MONOTONIC, NONE, RANGED

_NOTIFICATIONS: Final = frozenset({"funding_rate", "liquidation_orders"})


def _requests(verb: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [
        _request(verb, channel, symbol)
        for channel, symbol in subscriptions
        if channel != "funding_rate" or not is_dated(symbol)
    ]


def _request(verb: str, channel: str, symbol: str) -> bytes:
    if channel in _NOTIFICATIONS:
        topic = f"public.{symbol}.{channel}"
        return json.encode({"op": verb, "cid": topic, "topic": topic})
    name, kind = f"market.{symbol}.{channel}", {"data_type": "incremental"} if channel == BOOK else {}
    return json.encode({verb: name, **kind, "id": name})


_COIN: Final = Exchange(
    id="htx-coin-swap",
    title="HTX coin-margined swaps",
    docs="https://www.htx.com/en-us/opend/newApiPages/",
    websocket_url="wss://api.hbdm.com",
    channels=(
        Channel("trade.detail", (TRADES,), MONOTONIC, quiet=600),
        Channel(BOOK, (BOOK_SNAPSHOTS, BOOK_UPDATES), RANGED, quiet=120),
        Channel("bbo", (QUOTES,), NONE, quiet=120),
        Channel("funding_rate", (DERIVATIVE_TICKER,), NONE, quiet=None),
        Channel("liquidation_orders", (LIQUIDATIONS,), NONE, quiet=None),
    ),
    limits=Limits(
        streams_per_connection=100,
        messages_per_second=5,
        subscriptions_per_message=1,
        connections_per_minute=30,
    ),
    symbol=lambda market: market.removesuffix("-PERP"),
    market=market,
    parser=lambda: parse,
    subscribe=lambda subscriptions: _requests("sub", subscriptions),
    unsubscribe=lambda subscriptions: _requests("unsub", subscriptions),
    path=lambda subscription: "/swap-notification" if subscription.channel in _NOTIFICATIONS else "/swap-ws",
    rest=Rest(
        url="https://api.hbdm.com",
        budget=300,
        listing=Listing((Request("/swap-api/v1/swap_contract_info"),), instruments),
    ),
)

EXCHANGES: Final = (
    _COIN,
    replace(
        _COIN,
        id="htx-linear-swap",
        title="HTX USDT-margined swaps and futures",
        path=lambda subscription: (
            "/linear-swap-notification" if subscription.channel in _NOTIFICATIONS else "/linear-swap-ws"
        ),
        rest=replace(
            _COIN.rest,
            listing=Listing((Request("/linear-swap-api/v1/swap_contract_info?business_type=all"),), instruments),
        ),
    ),
)
