"""Kraken spot's public REST market data, its symbols, and what its `instrument` channel lists.

Sources: docs.kraken.com "Get Order Book" (`/0/public/Depth`), "Get Tradable Asset Pairs" (`/0/public/AssetPairs`),
"Get Recent Trades" (`/0/public/Trades`) and the spot-websocket-v2 page `instrument`. As in the documentation's example,
Depth writes prices with five decimals and volumes with three, whole seconds beside them; its book is therefore coarser
than the stream's. Trades have prices of five decimals and the stream's volumes.
"""

from collections.abc import Iterable, Mapping

import msgspec

from sandbox.exchanges.book import Level
from sandbox.exchanges.clock import SECOND
from sandbox.exchanges.market import Market, Trade
from sandbox.exchanges.specs import MarketSpec
from sandbox.exchanges.text import Renderer, fixed, trimmed
from sandbox.exchanges.venue import BadRequestError, HttpAnswer, Query, Router, json_answer

DEPTH_PRICE_DECIMALS = 5
DEPTH_VOLUME_DECIMALS = 3
MAX_DEPTH = 500
MAX_TRADES = 1000
# REST keeps Kraken's old names of assets.
ALTNAMES = {"BTC": "XBT", "DOGE": "XDG"}
X_ASSETS = {"XBT", "ETH", "XRP", "LTC", "XDG"}
Z_ASSETS = {"USD", "EUR", "GBP", "CAD", "JPY"}


def ws_symbol(market: str) -> str:
    """`BTC-USD` → `BTC/USD`, the name on WebSocket v2."""
    return market.replace("-", "/")


def alternative_name(spec: MarketSpec) -> str:
    """`BTC-USD` → `XBTUSD`."""
    return ALTNAMES.get(spec.base, spec.base) + ALTNAMES.get(spec.quote, spec.quote)


def pair_key(spec: MarketSpec) -> str:
    """`BTC-USD` → `XXBTZUSD`: the key under which REST answers come. Only old assets carry the letters X and Z."""
    base, quote = _rest_asset(spec.base), _rest_asset(spec.quote)
    return base + quote if base.startswith("X") and quote[0] in "XZ" else alternative_name(spec)


def _rest_asset(asset: str) -> str:
    """`BTC` → `XXBT`, `USD` → `ZUSD`, `SOL` → `SOL`."""
    name = ALTNAMES.get(asset, asset)
    if name in X_ASSETS:
        return f"X{name}"
    return f"Z{name}" if name in Z_ASSETS else name


class KrakenRest:
    """Answers GET requests."""

    def __init__(self, markets: Mapping[str, Market], renderers: Mapping[str, Renderer]) -> None:
        self._markets = markets
        self._renderers = renderers
        self._router = Router(
            {
                "/0/public/Depth": self._depth,
                "/0/public/AssetPairs": self._asset_pairs,
                "/0/public/Trades": self._trades,
            },
            _error("EGeneral:Unknown method"),
        )

    def answer(self, path: str, query: Query, now: int) -> HttpAnswer:
        """The answer to a GET request. Kraken reports errors with status 200."""
        return self._router.answer(path, query, now)

    def limited(self, status: int, retry_after: int) -> HttpAnswer:
        """A 429 answer (or any other status that a fault sets)."""
        return HttpAnswer(status, _error("EAPI:Rate limit exceeded").body, {"Retry-After": str(retry_after)})

    def _depth(self, query: Query, now: int) -> HttpAnswer:
        market = self._market(query.get("pair", ""))
        count = query.get("count", "100")
        if not count.isdigit() or not 1 <= int(count) <= MAX_DEPTH:
            raise BadRequestError(_error("EGeneral:Invalid arguments:count"))
        book = {
            "asks": self._rows(market, market.book.asks.levels(int(count)), now),
            "bids": self._rows(market, market.book.bids.levels(int(count)), now),
        }
        return json_answer(200, {"error": [], "result": {pair_key(market.spec): book}})

    def _rows(self, market: Market, levels: list[Level], now: int) -> list[list[str | int]]:
        spec = market.spec
        return [
            [
                _rescaled(price, spec.price_decimals, max(DEPTH_PRICE_DECIMALS, spec.price_decimals)),
                _rescaled(amount, spec.amount_decimals, DEPTH_VOLUME_DECIMALS),
                now // SECOND,
            ]
            for price, amount in levels
        ]

    def _trades(self, query: Query, now: int) -> HttpAnswer:
        """The trades after `since` (ns), oldest first; without it the newest ones."""
        market = self._market(query.get("pair", ""))
        count, since = query.get("count", str(MAX_TRADES)), query.get("since", "")
        if not count.isdigit() or not 1 <= int(count) <= MAX_TRADES or (since and not since.isdigit()):
            raise BadRequestError(_error("EGeneral:Invalid arguments"))
        if since:
            chosen = [trade for trade in market.trades if trade.timestamp * 1000 > int(since)][: int(count)]
        else:
            chosen = market.recent_trades(int(count))
        last = str(chosen[-1].timestamp * 1000) if chosen else since or "0"
        rows = [self._trade(market, trade) for trade in chosen]
        return json_answer(200, {"error": [], "result": {pair_key(market.spec): rows, "last": last}})

    def _trade(self, market: Market, trade: Trade) -> list[object]:
        spec = market.spec
        return [
            _rescaled(trade.price, spec.price_decimals, max(DEPTH_PRICE_DECIMALS, spec.price_decimals)),
            self._renderers[spec.name].amount(trade.amount),
            msgspec.Raw(trimmed(trade.timestamp, 6).encode()),
            trade.taker_side[0],
            "m",
            "",
            trade.id,
        ]

    def _asset_pairs(self, query: Query, now: int) -> HttpAnswer:
        wanted = query.get("pair")
        markets = [self._market(pair) for pair in wanted.split(",")] if wanted else self._listed()
        result = {pair_key(market.spec): _asset_pair(market.spec) for market in markets}
        return json_answer(200, {"error": [], "result": result})

    def _market(self, pair: str) -> Market:
        for market in self._listed():
            if pair in _pair_names(market.spec):
                return market
        raise BadRequestError(_error("EQuery:Unknown asset pair"))

    def _listed(self) -> list[Market]:
        return [market for market in self._markets.values() if market.trading]


def instrument_data(markets: Iterable[Market]) -> dict[str, object]:
    """The `data` of the instrument channel's snapshot."""
    specs = [market.spec for market in markets]
    assets = sorted({asset for spec in specs for asset in (spec.base, spec.quote)})
    return {"assets": [_asset(asset) for asset in assets], "pairs": [_instrument(spec) for spec in specs]}


def _asset(asset: str) -> dict[str, object]:
    return {"id": asset, "status": "enabled", "precision": 10, "precision_display": 5, "borrowable": False}


def _instrument(spec: MarketSpec) -> dict[str, object]:
    return {
        "symbol": ws_symbol(spec.name),
        "base": spec.base,
        "quote": spec.quote,
        "status": "online",
        "qty_precision": spec.amount_decimals,
        "qty_increment": msgspec.Raw(fixed(1, spec.amount_decimals).encode()),
        "price_precision": spec.price_decimals,
        "cost_precision": 5,
        "marginable": False,
        "has_index": True,
        "cost_min": 0.5,
        "price_increment": msgspec.Raw(fixed(1, spec.price_decimals).encode()),
        "qty_min": msgspec.Raw(fixed(1, spec.amount_decimals).encode()),
    }


def _asset_pair(spec: MarketSpec) -> dict[str, object]:
    return {
        "altname": alternative_name(spec),
        "wsname": "/".join(ALTNAMES.get(asset, asset) for asset in (spec.base, spec.quote)),
        "aclass_base": "currency",
        "base": _rest_asset(spec.base),
        "aclass_quote": "currency",
        "quote": _rest_asset(spec.quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": spec.price_decimals,
        "lot_decimals": spec.amount_decimals,
        "lot_multiplier": 1,
        "ordermin": trimmed(1, spec.amount_decimals),
        "costmin": "0.5",
        "tick_size": fixed(1, spec.price_decimals),
        "status": "online",
    }


def _pair_names(spec: MarketSpec) -> set[str]:
    """Every name under which a REST request may name the market."""
    return {pair_key(spec), alternative_name(spec), ws_symbol(spec.name), f"{spec.base}{spec.quote}"}


def _rescaled(ticks: int, decimals: int, wanted: int) -> str:
    return fixed(ticks * 10**wanted // 10**decimals, wanted)


def _error(reason: str) -> HttpAnswer:
    return json_answer(200, {"error": [reason]})
