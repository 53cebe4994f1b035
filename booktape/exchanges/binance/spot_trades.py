"""Past trades of Binance spot.

Source: "Binance Spot API Docs", REST API: Old trade lookup (``/api/v3/historicalTrades``), which has needed no API key
since 2023. Its trades are identical to the stream's: ids, milliseconds, prices and amounts with eight decimals.

The futures endpoint of that name still requires a key and leaves out the trades outside the book (ADL, insurance fund).
"""

from typing import Final

from msgspec import Struct, json

from booktape.exchanges.spec import Request, RestTrades
from booktape.exchanges.wire import MILLISECOND
from booktape.model.gap import Gap
from booktape.model.records import Trade

_MOST: Final = 1000


class _Trade(Struct, gc=False):
    id: int
    price: str
    qty: str
    time: int
    isBuyerMaker: bool


_trades = json.Decoder(list[_Trade])


def _request(symbol: str, gap: Gap) -> Request:
    limit = min(gap.size, _MOST)
    return Request(f"/api/v3/historicalTrades?symbol={symbol}&fromId={gap.first}&limit={limit}")


def _parse(body: bytes, received: int) -> list[Trade]:
    return [
        Trade(
            trade.id,
            trade.time * MILLISECOND,
            "sell" if trade.isBuyerMaker else "buy",
            trade.price,
            trade.qty,
            received,
        )
        for trade in _trades.decode(body)
    ]


TRADES_OVER_REST: Final = RestTrades(_request, _parse, weight=25)
