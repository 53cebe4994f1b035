"""Past trades of OKX.

Source: "OKX API guide" (v5): GET / Trades history (``/api/v5/market/history-trades``): the last three months, a hundred
trades an answer, newest first, of those earlier than a trade id. So a large hole is filled from its end.

The fields are those of the stream's ``trades-all``, in the same texts: identical to it.
"""

from typing import Final

from msgspec import Struct, json

from booktape.core.records import Trade
from booktape.exchanges.spec import MissingRange, Request, RestTrades, SubscriptionRefusedError
from booktape.exchanges.wire import MILLISECOND

_MOST: Final = 100
_FINE: Final = "0"


class _Trade(Struct, gc=False):
    tradeId: int
    px: str
    sz: str
    side: str
    ts: int


class _Answer(Struct):
    code: str
    msg: str
    data: list[_Trade]


_answer = json.Decoder(_Answer, strict=False)  # whole numbers are sent as text


def _request(hole: MissingRange) -> Request:
    limit = min(hole.last - hole.first + 1, _MOST)
    path = f"/api/v5/market/history-trades?instId={hole.symbol}"
    return Request(f"{path}&type=1&after={hole.last + 1}&limit={limit}")


def _parse(hole: MissingRange, body: bytes, received: int) -> list[Trade]:
    answer = _answer.decode(body)
    if answer.code != _FINE:
        raise SubscriptionRefusedError(f"{answer.msg} (code {answer.code})")
    return [
        Trade(trade.tradeId, trade.ts * MILLISECOND, trade.side, trade.px, trade.sz, received) for trade in answer.data
    ]


TRADES_OVER_REST: Final = RestTrades(_request, _parse)
