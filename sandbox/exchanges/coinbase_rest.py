"""Coinbase Advanced Trade's public REST market data, and the day's figures that its ticker also shows.

Sources: docs.cdp.coinbase.com "List Public Products" and "Get Public Product Book", and the answer of
`/api/v3/brokerage/market/products` recorded on 2026-08-09 (the fields that say something about a market are here).
"""

from collections.abc import Mapping

from sandbox.exchanges.clock import iso_trimmed
from sandbox.exchanges.market import Market, Trade
from sandbox.exchanges.text import Renderer, TextLevel, fixed, trimmed
from sandbox.exchanges.venue import BadRequest, HttpAnswer, Query, Router, json_answer

PERCENT_DECIMALS = 14


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
                "/api/v3/brokerage/market/products": self._products,
                "/api/v3/brokerage/market/product_book": self._product_book,
            },
            _refusal(404, "NOT_FOUND", "no such endpoint"),
        )

    def answer(self, path: str, query: Query, now: int) -> HttpAnswer:
        """The answer to a GET request."""
        return self._router.answer(path, query, now)

    def limited(self, status: int, retry_after: int) -> HttpAnswer:
        """A 429 answer (or any other status a fault asks for)."""
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
            "is_disabled": False,
            "status": "online",
            "trading_disabled": False,
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

    def _product_book(self, query: Query, now: int) -> HttpAnswer:
        market = self._markets.get(query.get("product_id", ""))
        if market is None:
            raise BadRequest(_refusal(400, "INVALID_ARGUMENT", "valid product_id is required"))
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


def _rows(levels: list[TextLevel]) -> list[dict[str, str]]:
    return [{"price": price, "size": amount} for price, amount in levels]


def _refusal(status: int, code: str, reason: str) -> HttpAnswer:
    return json_answer(status, {"error": code, "error_details": reason, "message": reason})
