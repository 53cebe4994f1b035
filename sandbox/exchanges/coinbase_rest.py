"""Coinbase Advanced Trade's public REST market data, and the day's figures that its ticker also shows.

Sources: docs.cdp.coinbase.com "List Public Products", "Get Public Product Book" and "Get Public Market Trades", the
answer of `/api/v3/brokerage/market/products` recorded on 2026-08-09 (the fields that say something about a market are
here), and one of `…/products/BTC-USD/ticker` recorded on 2026-04-07: newest trades first, `side` the maker's.
"""

from collections.abc import Mapping

from sandbox.exchanges.clock import SECOND, iso_trimmed
from sandbox.exchanges.market import Market, Trade
from sandbox.exchanges.text import Renderer, TextLevel, fixed, trimmed
from sandbox.exchanges.venue import BadRequestError, HttpAnswer, Query, Router, json_answer

PERCENT_DECIMALS = 14
PRODUCTS = "/api/v3/brokerage/market/products"
MOST_TRADES = 1000
MAKER_SIDE = {"buy": "SELL", "sell": "BUY"}


class DayStatistics:
    """High, low and volume of one market since it opened; a simulated day rarely has 24 hours."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.volume = 0
        self.low = self.high = market.open_price

    def add(self, trade: Trade) -> None:
        """Count one trade."""
        self.volume += trade.amount
        self.low = min(self.low, trade.price)
        self.high = max(self.high, trade.price)

    def change_percent(self) -> str:
        """The last price against the opening one, in percent."""
        opened = self._market.open_price
        scaled = (self._market.last_price - opened) * 100 * 10**PERCENT_DECIMALS // opened
        return ("-" if scaled < 0 else "") + trimmed(abs(scaled), PERCENT_DECIMALS)

    def ticker_fields(self, renderer: Renderer) -> dict[str, str]:
        """The ticker's fields, in its order."""
        low, high = renderer.price(self.low), renderer.price(self.high)
        return {
            "price": renderer.price(self._market.last_price),
            "volume_24_h": renderer.amount(self.volume),
            "low_24_h": low,
            "high_24_h": high,
            "low_52_w": low,
            "high_52_w": high,
            "price_percent_chg_24_h": self.change_percent(),
        }


class CoinbaseRest:
    """Answers GET requests."""

    def __init__(
        self,
        markets: Mapping[str, Market],
        renderers: Mapping[str, Renderer],
        statistics: Mapping[str, DayStatistics],
    ) -> None:
        self._markets = markets
        self._renderers = renderers
        self._statistics = statistics
        self._router = Router(
            {
                PRODUCTS: self._products,
                f"{PRODUCTS}/ticker": self._trades,
                "/api/v3/brokerage/market/product_book": self._product_book,
            },
            _refusal(404, "NOT_FOUND", "no such endpoint"),
        )

    def answer(self, path: str, query: Query, now: int) -> HttpAnswer:
        """The answer to a GET request."""
        if path.startswith(f"{PRODUCTS}/"):
            product, _, what = path.removeprefix(f"{PRODUCTS}/").partition("/")
            path, query = f"{PRODUCTS}/{what}", {**query, "product_id": product}
        return self._router.answer(path, query, now)

    def limited(self, status: int, retry_after: int) -> HttpAnswer:
        """A 429 answer (or any other status that a fault sets)."""
        refusal = _refusal(status, "RESOURCE_EXHAUSTED", "too many requests")
        return HttpAnswer(status, refusal.body, {"Retry-After": str(retry_after)})

    def _products(self, query: Query, now: int) -> HttpAnswer:
        products = [self._product(market) for market in self._markets.values()]
        return json_answer(200, {"products": products, "num_products": len(products)})

    def _product(self, market: Market) -> dict[str, object]:
        spec, renderer = market.spec, self._renderers[market.spec.name]
        day = self._statistics[spec.name].ticker_fields(renderer)
        return {
            "product_id": spec.name,
            "price": day["price"],
            "price_percentage_change_24h": day["price_percent_chg_24_h"],
            "volume_24h": day["volume_24_h"],
            "base_increment": fixed(1, spec.amount_decimals),
            "quote_increment": fixed(1, spec.price_decimals),
            "base_min_size": fixed(1, spec.amount_decimals),
            "base_name": spec.base,
            "quote_name": spec.quote,
            "is_disabled": not market.trading,
            "status": "online" if market.trading else "delisted",
            "trading_disabled": not market.trading,
            "product_type": "SPOT",
            "quote_currency_id": spec.quote,
            "base_currency_id": spec.base,
            "alias": "",
            "alias_to": [],
            "price_increment": fixed(1, spec.price_decimals),
            "display_name": spec.name,
            "product_venue": "CBE",
            "high_24h": day["high_24_h"],
            "low_24h": day["low_24_h"],
        }

    def _trades(self, query: Query, now: int) -> HttpAnswer:
        market = self._market(query)
        limit = min(_number(query, "limit", 0), MOST_TRADES)
        start, end = _number(query, "start", 0) * SECOND, _number(query, "end", now) * SECOND
        chosen = [trade for trade in market.trades if start <= trade.timestamp <= end][-limit:] if limit else []
        best_bid, best_ask = (
            self._renderers[market.spec.name].price(side.price_at(0)) for side in (market.book.bids, market.book.asks)
        )
        rows = [self._trade(market, trade) for trade in reversed(chosen)]
        return json_answer(200, {"trades": rows, "best_bid": best_bid, "best_ask": best_ask})

    def _trade(self, market: Market, trade: Trade) -> dict[str, str]:
        renderer = self._renderers[market.spec.name]
        return {
            "trade_id": str(trade.id),
            "product_id": trade.market,
            "price": renderer.price(trade.price),
            "size": renderer.amount(trade.amount),
            "time": iso_trimmed(trade.timestamp * 1000),
            "side": MAKER_SIDE[trade.taker_side],
            "bid": "",
            "ask": "",
            "exchange": "coinbase",
        }

    def _market(self, query: Query) -> Market:
        market = self._markets.get(query.get("product_id", ""))
        if market is None:
            raise BadRequestError(_refusal(400, "INVALID_ARGUMENT", "valid product_id is required"))
        return market

    def _product_book(self, query: Query, now: int) -> HttpAnswer:
        market = self._market(query)
        limit = query.get("limit", "")
        depth = int(limit) if limit.isdigit() and int(limit) else None
        renderer = self._renderers[market.spec.name]
        bid, ask = market.book.bids.price_at(0), market.book.asks.price_at(0)
        middle = trimmed((bid + ask) * 5, market.spec.price_decimals + 1)
        book = {
            "product_id": market.spec.name,
            "bids": _rows(renderer.levels(market.book.bids.levels(depth))),
            "asks": _rows(renderer.levels(market.book.asks.levels(depth))),
            "time": iso_trimmed(now * 1000),
        }
        content = {
            "pricebook": book,
            "last": renderer.price(market.last_price),
            "mid_market": middle,
            "spread_bps": trimmed((ask - bid) * 20_000 * 10**12 // (bid + ask), 12),
            "spread_absolute": renderer.price(ask - bid),
        }
        return json_answer(200, content)


def _number(query: Query, name: str, default: int) -> int:
    value = query.get(name, "")
    if value and not value.isdigit():
        raise BadRequestError(_refusal(400, "INVALID_ARGUMENT", f"{name} is not a number"))
    return int(value) if value else default


def _rows(levels: list[TextLevel]) -> list[dict[str, str]]:
    return [{"price": price, "size": amount} for price, amount in levels]


def _refusal(status: int, code: str, reason: str) -> HttpAnswer:
    return json_answer(status, {"error": code, "error_details": reason, "message": reason})
