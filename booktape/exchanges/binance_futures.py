"""Binance futures: USD-M (``binance-futures``) and COIN-M (``binance-delivery``).

Source: "USDⓈ-M Futures" and "COIN-M Futures": Websocket Market Streams (Diff. Book Depth, Individual Symbol Book
Ticker, Mark Price, Liquidation Order) and Market Data Endpoints (Order Book, Exchange Information); "Important
WebSocket Change Notice" of 2026-03-06.

- Since 2026-04-23 USD-M streams live at two paths: ``/public`` (trades, depth, best bid and ask) and ``/market`` (mark
  price, liquidations). A stream at the wrong path is acknowledged, and silent for ever. COIN-M has one path.
- ``<symbol>@trade`` is every single trade, with ids that rise by one. It is not documented, only ``@aggTrade`` is, but
  has been there for years. Ids that were used up without a trade come too, with price and amount zero and ``X`` "NA":
  they are kept as they are, for only with them do the ids prove that nothing is missing. Trades outside the book have
  ``X`` "ADL" or "INSURANCE_FUND". ``@aggTrade`` is understood as trades with ids of its own; never subscribe to both.
- A depth event names the last id of the one before it, ``pu``. ``T`` is the engine's time, ``E`` that of sending. In a
  mark price, ``T`` is the next funding's time; its rate is "" for dated futures.
- Of each market's liquidations only the newest in a second is sent: they are samples. ``S`` is the closing order's
  side, ``p`` its price (not the average paid) and ``z`` what has been filled of it.
- A REST book carries the engine's time, and ``lastUpdateId`` places it among the depth events.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from booktape.exchanges import binance_shared as shared
from booktape.exchanges.binance_futures_frames import parse
from booktape.exchanges.binance_futures_instruments import (
    coin_m_market,
    coin_m_symbol,
    kind,
    usd_m_market,
    usd_m_symbol,
)
from booktape.exchanges.spec import Channel, Exchange, Limits, Request, Rest, RestBook, Subscription
from booktape.model.records import BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import CONTIGUOUS, LINKED, MONOTONIC, NONE


def usd_m_path(subscription: Subscription) -> str:
    """Where a USD-M stream lives."""
    return "/market/stream" if subscription.channel in ("markPrice@1s", "forceOrder") else "/public/stream"


def _rest(url: str, api: str, market: Callable[[str], str]) -> Rest:
    return Rest(
        url=url,
        budget=2400,
        listing=shared.listing(f"{api}/exchangeInfo", 1, market, kind),
        book=RestBook(lambda symbol: Request(f"{api}/depth?symbol={symbol}&limit=1000"), weight=20),
    )


_USD_M: Final = Exchange(
    id="binance-futures",
    title="Binance USD-M futures",
    docs="https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams",
    websocket_url="wss://fstream.binance.com",
    channels=(
        Channel("trade", (TRADES,), CONTIGUOUS, quiet=600),
        Channel("depth@100ms", (BOOK_UPDATES,), LINKED),
        Channel("bookTicker", (QUOTES,), MONOTONIC),
        Channel("markPrice@1s", (DERIVATIVE_TICKER,), NONE),
        Channel("forceOrder", (LIQUIDATIONS,), NONE, quiet=None),
    ),
    limits=Limits(
        streams_per_connection=1024,
        messages_per_second=8,  # 10 are allowed, pings and pongs included
        subscriptions_per_message=shared.SUBSCRIPTIONS_PER_MESSAGE,
        connection_lifetime=shared.CONNECTION_LIFETIME,
    ),
    symbol=usd_m_symbol,
    market=usd_m_market,
    parser=lambda: parse,
    parse_rest=shared.parse_rest,
    subscribe=shared.subscribe,
    unsubscribe=shared.unsubscribe,
    path=usd_m_path,
    rest=_rest("https://fapi.binance.com", "/fapi/v1", usd_m_market),
)

EXCHANGES: Final = (
    _USD_M,
    replace(
        _USD_M,
        id="binance-delivery",
        title="Binance COIN-M futures",
        docs="https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams",
        websocket_url="wss://dstream.binance.com/stream",
        symbol=coin_m_symbol,
        market=coin_m_market,
        path=lambda subscription: "",
        rest=_rest("https://dapi.binance.com", "/dapi/v1", coin_m_market),
    ),
)
