"""Binance: spot (``binance``), Binance.US (``binance-us``), USD-M futures (``binance-futures``), COIN-M futures
(``binance-delivery``).

Sources: "Binance Spot API Docs": Web Socket Streams (``<symbol>@trade``, ``@depth@100ms``, ``@bookTicker``, Server
Shutdown) and General REST endpoints (``GET /api/v3/depth``, ``GET /api/v3/exchangeInfo``); "Binance.US API Docs", the
pages of the same names; "USDⓈ-M Futures" and "COIN-M Futures": Websocket Market Streams (Diff. Book Depth, Individual
Symbol Book Ticker, Mark Price, Liquidation Order) and Market Data Endpoints (Order Book, Exchange Information);
"Important WebSocket Change Notice" of 2026-03-06.

All APIs:

- An acknowledged subscription has ``result`` null. A refused one has ``error`` on spot, and a bare ``code`` and ``msg``
  on the futures and on Binance.US.
- A server sends the event ``serverShutdown`` before it shuts down.
- A REST book's ``lastUpdateId`` places it among the depth events.
- ``m`` says whether the buyer was the maker; if so, the taker sold.
- ``@aggTrade``, which an older recorder subscribed to, is parsed as trades with ids of its own. Never subscribe to
  both.

Spot and Binance.US:

- Trade ids rise by one per market on Binance. Nobody has promised or proven that of Binance.US, so its trades only
  count as rising.
- A depth event covers the update ids ``U..u``; the next event begins at ``u + 1``. Its only time, ``E``, is stamped for
  each connection, and two connections may cut their windows differently.
- ``bookTicker`` carries the book's update id and no time.

Futures:

- Since 2026-04-23 USD-M streams are split over two paths: ``/public`` (trades, depth, best bid and ask) and ``/market``
  (mark price, liquidations). The server acknowledges a stream on the wrong path and never sends a message for it.
  COIN-M has one path.
- ``<symbol>@trade`` carries every single trade, with ids that rise by one. The documentation covers only ``@aggTrade``,
  but the stream has existed for years. Ids that were used up without a trade are sent too, with price and amount zero
  and ``X`` "NA"; they are recorded as they are, because the ids prove completeness only with them. Trades outside the
  book have ``X`` "ADL" or "INSURANCE_FUND".
- A depth event names the last id of the event before it, ``pu``. ``T`` is the engine's time, ``E`` the time of sending.
- In a mark price event, ``T`` is the time of the next funding. The funding rate of a dated future is "".
- The liquidation stream sends only the newest liquidation of each market in a second, so liquidations are samples.
  ``S`` is the side of the closing order, ``p`` its price (not the average price paid), and ``z`` its filled amount.
- A REST book carries the engine's time.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from msgspec import json

from booktape.exchanges.binance import futures_frames, spot_frames
from booktape.exchanges.binance.common_frames import parse_rest
from booktape.exchanges.binance.instruments import (
    coin_m_market,
    coin_m_symbol,
    futures_kind,
    listing,
    spot_market,
    spot_symbol,
    us_market,
    usd_m_market,
    usd_m_symbol,
)
from booktape.exchanges.binance.spot_trades import TRADES_OVER_REST
from booktape.exchanges.spec import Channel, Exchange, Limits, Request, Rest, RestBook, Subscription
from booktape.exchanges.wire import chunks
from booktape.model.records import BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import CONTIGUOUS, LINKED, MONOTONIC, NONE, RANGED

_SPOT_LIMITS: Final = Limits(
    streams_per_connection=1024,
    messages_per_second=4,  # 5 are allowed, pings and pongs included
    subscriptions_per_message=100,
    connection_lifetime=24 * 3600,
    connections_per_minute=60,  # 300 in 5 minutes are allowed
)
_FUTURES_LIMITS: Final = Limits(
    streams_per_connection=1024,
    messages_per_second=8,  # 10 are allowed, pings and pongs included
    subscriptions_per_message=100,
    connection_lifetime=24 * 3600,
)


def _requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    names = [f"{subscription.symbol.lower()}@{subscription.channel}" for subscription in subscriptions]
    return [
        json.encode({"method": method, "params": part, "id": number})
        for number, part in enumerate(chunks(names, _SPOT_LIMITS.subscriptions_per_message), 1)
    ]


def _usd_m_path(subscription: Subscription) -> str:
    return "/market/stream" if subscription.channel in ("markPrice@1s", "forceOrder") else "/public/stream"


def _spot_rest(url: str, budget: int, listing_weight: int, book_weight: int, market: Callable[[str], str]) -> Rest:
    return Rest(
        url=url,
        weight_per_minute=budget,
        listing=listing("/api/v3/exchangeInfo", listing_weight, market, lambda market: "spot"),
        book=RestBook(lambda symbol: Request(f"/api/v3/depth?symbol={symbol}&limit=1000"), book_weight),
    )


def _futures_rest(url: str, api: str, market: Callable[[str], str]) -> Rest:
    return Rest(
        url=url,
        weight_per_minute=2400,
        listing=listing(f"{api}/exchangeInfo", 1, market, futures_kind),
        book=RestBook(lambda symbol: Request(f"{api}/depth?symbol={symbol}&limit=1000"), weight=20),
    )


_TRADE: Final = Channel("trade", (TRADES,), CONTIGUOUS, stale_after=600)
_SPOT_DEPTH: Final = Channel("depth@100ms", (BOOK_UPDATES,), RANGED)
_BOOK_TICKER: Final = Channel("bookTicker", (QUOTES,), MONOTONIC)

_SPOT: Final = Exchange(
    id="binance",
    title="Binance spot",
    docs="https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams",
    websocket_url="wss://stream.binance.com:9443/stream",
    channels=(_TRADE, _SPOT_DEPTH, _BOOK_TICKER),
    limits=_SPOT_LIMITS,
    symbol=spot_symbol,
    market=spot_market,
    parser=lambda: spot_frames.parse,
    parse_rest=parse_rest,
    subscribe=partial(_requests, "SUBSCRIBE"),
    unsubscribe=partial(_requests, "UNSUBSCRIBE"),
    rest=replace(
        _spot_rest("https://api.binance.com", 6000, listing_weight=20, book_weight=50, market=spot_market),
        trades=TRADES_OVER_REST,
    ),
)

_US: Final = replace(
    _SPOT,
    id="binance-us",
    title="Binance.US",
    docs="https://github.com/binance-us/binance-us-api-docs/blob/master/web-socket-streams.md",
    websocket_url="wss://stream.binance.us:9443/stream",
    channels=(replace(_TRADE, rule=MONOTONIC), _SPOT_DEPTH, _BOOK_TICKER),
    market=us_market,
    rest=_spot_rest("https://api.binance.us", 1200, listing_weight=10, book_weight=10, market=us_market),
)

_USD_M: Final = replace(
    _SPOT,
    id="binance-futures",
    title="Binance USD-M futures",
    docs="https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams",
    websocket_url="wss://fstream.binance.com",
    channels=(
        _TRADE,
        Channel("depth@100ms", (BOOK_UPDATES,), LINKED),
        _BOOK_TICKER,
        Channel("markPrice@1s", (DERIVATIVE_TICKER,), NONE),
        Channel("forceOrder", (LIQUIDATIONS,), NONE, stale_after=None),
    ),
    limits=_FUTURES_LIMITS,
    symbol=usd_m_symbol,
    market=usd_m_market,
    parser=lambda: futures_frames.parse,
    path=_usd_m_path,
    rest=_futures_rest("https://fapi.binance.com", "/fapi/v1", usd_m_market),
)

_COIN_M: Final = replace(
    _USD_M,
    id="binance-delivery",
    title="Binance COIN-M futures",
    docs="https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams",
    websocket_url="wss://dstream.binance.com/stream",
    symbol=coin_m_symbol,
    market=coin_m_market,
    path=lambda subscription: "",
    rest=_futures_rest("https://dapi.binance.com", "/dapi/v1", coin_m_market),
)

EXCHANGES: Final = (_SPOT, _US, _USD_M, _COIN_M)
