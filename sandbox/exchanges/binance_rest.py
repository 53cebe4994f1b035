"""Binance spot's REST market data.

Sources: github.com/binance/binance-spot-api-docs `rest-api.md` ("Order book", "Old trade lookup", "Exchange
information", "IP Limits") and `errors.md` (commit a5e0bc3, 2026-07-21).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.exchanges.clock import MILLISECOND
from sandbox.exchanges.market import Market, Trade
from sandbox.exchanges.text import Renderer, fixed, padded
from sandbox.exchanges.venue import BadRequestError, HttpAnswer, Query, Router, json_answer

WEIGHT_PER_MINUTE = 6000
BAN_SECONDS = 120
IGNORED_WARNINGS_BEFORE_BAN = 10
DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
FIXED_WEIGHTS = {"/api/v3/exchangeInfo": 20, "/api/v3/historicalTrades": 25}


def depth_weight(limit: int) -> int:
    """The request weight of an order book of `limit` levels."""
    return next((weight for most, weight in DEPTH_WEIGHTS if limit <= most), DEPTH_WEIGHTS[-1][1])


@dataclass
class WeightBudget:
    """Request weight used in the current real minute, and the ban of a client that continues after a 429.

    One budget for everybody: all clients of a simulated venue share the loopback address.
    """

    used: int = 0
    minute: int = -1
    warnings: int = 0
    banned_until: float = 0.0

    def take(self, weight: int, elapsed: float) -> tuple[int, int] | None:
        """None if granted; otherwise the status (429 or 418) and the seconds to wait."""
        if elapsed < self.banned_until:
            return 418, int(self.banned_until - elapsed) + 1
        if (minute := int(elapsed // 60)) != self.minute:
            self.minute, self.used, self.warnings = minute, 0, 0
        self.used += weight
        if self.used <= WEIGHT_PER_MINUTE:
            return None
        self.warnings += 1
        if self.warnings > IGNORED_WARNINGS_BEFORE_BAN:
            self.banned_until = elapsed + BAN_SECONDS
            return 418, BAN_SECONDS
        return 429, int(60 - elapsed % 60) + 1


class BinanceRest:
    """Answers GET requests for markets by their Binance symbol."""

    def __init__(self, markets: Mapping[str, Market], renderers: Mapping[str, Renderer]) -> None:
        self._markets = markets
        self._renderers = renderers
        self._budget = WeightBudget()
        self._router = Router(
            {
                "/api/v3/depth": self._depth,
                "/api/v3/exchangeInfo": self._exchange_info,
                "/api/v3/historicalTrades": self._historical_trades,
            },
            HttpAnswer(404, b""),
        )

    def answer(self, path: str, query: Query, now: int, elapsed: float) -> HttpAnswer:
        """The answer, counted against the weight budget. `elapsed` in real seconds."""
        refused = self._budget.take(self._weight(path, query), elapsed)
        answer = self.limited(*refused) if refused else self._router.answer(path, query, now)
        return HttpAnswer(
            answer.status, answer.body, {**answer.headers, "X-MBX-USED-WEIGHT-1M": str(self._budget.used)}
        )

    def limited(self, status: int, retry_after: int) -> HttpAnswer:
        """A 429 or 418 answer."""
        reason = (
            f"Too much request weight used; current limit is {WEIGHT_PER_MINUTE} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return json_answer(status, {"code": -1003, "msg": reason}, {"Retry-After": str(retry_after)})

    def _weight(self, path: str, query: Query) -> int:
        if path == "/api/v3/depth":
            limit = query.get("limit", "")
            return depth_weight(int(limit) if limit.isdigit() else 100)
        return FIXED_WEIGHTS.get(path, 1)

    def _depth(self, query: Query, now: int) -> HttpAnswer:
        market = self._market(query)
        depth = min(_positive(query, "limit", 100), 5000)
        renderer = self._renderers[market.spec.name]
        book = {
            "lastUpdateId": market.last_update_id,
            "bids": renderer.levels(market.book.bids.levels(depth)),
            "asks": renderer.levels(market.book.asks.levels(depth)),
        }
        return json_answer(200, book)

    def _historical_trades(self, query: Query, now: int) -> HttpAnswer:
        market = self._market(query)
        limit = min(_positive(query, "limit", 500), 1000)
        if "fromId" in query:
            trades = market.trades_from(_positive(query, "fromId", 0), limit)
        else:
            trades = market.recent_trades(limit)
        return json_answer(200, [self._trade(market, trade) for trade in trades])

    def _trade(self, market: Market, trade: Trade) -> dict[str, object]:
        spec, renderer = market.spec, self._renderers[market.spec.name]
        cost = fixed(trade.price * trade.amount * 10**8, spec.price_decimals + spec.amount_decimals + 8)
        return {
            "id": trade.id,
            "price": renderer.price(trade.price),
            "qty": renderer.amount(trade.amount),
            "quoteQty": cost[: cost.index(".") + 9],
            "time": trade.timestamp // MILLISECOND,
            "isBuyerMaker": trade.taker_side == "sell",
            "isBestMatch": True,
        }

    def _exchange_info(self, query: Query, now: int) -> HttpAnswer:
        markets = {query["symbol"]: self._market(query)} if "symbol" in query else self._markets
        limits = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_PER_MINUTE}
        content = {
            "timezone": "UTC",
            "serverTime": now // MILLISECOND,
            "rateLimits": [limits],
            "exchangeFilters": [],
            "symbols": [_symbol_info(symbol, market) for symbol, market in markets.items()],
        }
        return json_answer(200, content)

    def _market(self, query: Query) -> Market:
        if not query.get("symbol"):
            reason = "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
            raise BadRequestError(json_answer(400, {"code": -1102, "msg": reason}))
        market = self._markets.get(query["symbol"])
        if market is None:
            raise BadRequestError(json_answer(400, {"code": -1121, "msg": "Invalid symbol."}))
        return market


def _positive(query: Query, name: str, default: int) -> int:
    value = query.get(name)
    if value is None:
        return default
    if not value.isdigit():
        reason = f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
        raise BadRequestError(json_answer(400, {"code": -1100, "msg": reason}))
    return int(value)


def _symbol_info(symbol: str, market: Market) -> dict[str, object]:
    spec = market.spec
    tick, step = padded(1, spec.price_decimals, 8), padded(1, spec.amount_decimals, 8)
    price_filter = {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick}
    lot_size = {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000.00000000", "stepSize": step}
    return {
        "symbol": symbol,
        "status": "TRADING" if market.trading else "BREAK",
        "baseAsset": spec.base,
        "baseAssetPrecision": 8,
        "quoteAsset": spec.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": True,
        "filters": [price_filter, lot_size],
        "permissions": [],
        "permissionSets": [["SPOT", "MARGIN"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }
