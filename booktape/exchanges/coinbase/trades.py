"""Past trades of Coinbase Advanced Trade.

Source: "Coinbase Advanced Trade API": Get Public Market Trades
(``/api/v3/brokerage/market/products/{product_id}/ticker``), whose ``start`` and ``end`` are UNIX seconds; and an answer
recorded on 2026-04-07.

- The newest trades of the window come first, so a large range is filled from its end.
- ``side`` is the maker's, as in the stream: the recorded answer calls a trade at the best ask a SELL.
- Times have microseconds, prices and sizes no trailing zeros, and ids are those of the stream: the trades are identical
  to the stream's. The documentation does not say how long trades are kept or how many an answer may hold.
"""

from typing import Final

from msgspec import Struct, json

from booktape.exchanges.spec import Request, RestTrades
from booktape.exchanges.wire import OPPOSITE, iso_to_micros
from booktape.model.gap import Gap
from booktape.model.records import SECOND, Trade

_MOST: Final = 1000


class _Trade(Struct, gc=False):
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class _Answer(Struct):
    trades: list[_Trade]


_answer = json.Decoder(_Answer)


def _request(symbol: str, gap: Gap) -> Request:
    start, end = gap.after // SECOND, gap.before // SECOND + 1
    path = f"/api/v3/brokerage/market/products/{symbol}/ticker"
    return Request(f"{path}?limit={_MOST}&start={start}&end={end}")


def _parse(body: bytes, received: int) -> list[Trade]:
    return [
        Trade(
            int(trade.trade_id),
            iso_to_micros(trade.time),
            OPPOSITE.get(trade.side, "unknown"),
            trade.price,
            trade.size,
            received,
        )
        for trade in _answer.decode(body).trades
    ]


TRADES_OVER_REST: Final = RestTrades(_request, _parse)
