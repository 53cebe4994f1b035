"""Past trades of OKX.

Source: "OKX API guide" (v5): GET / Trades history (``/api/v5/market/history-trades``): the last three months. An answer
holds the hundred trades before a trade id, newest first, so a large range is filled from its end.

The fields and their texts are those of the stream's ``trades-all``: the trades are identical to the stream's.
"""

from typing import Final

from msgspec import Struct, json

from booktape.exchanges.spec import Request, RestTrades, SubscriptionRefusedError
from booktape.exchanges.wire import MILLISECOND
from booktape.model.gap import Gap
from booktape.model.records import Trade

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


_answer = json.Decoder(_Answer, strict=False)  # strict=False, because whole numbers are sent as text


def _request(symbol: str, gap: Gap) -> Request:
    limit = min(gap.size, _MOST)
    path = f"/api/v5/market/history-trades?instId={symbol}"
    return Request(f"{path}&type=1&after={gap.last + 1}&limit={limit}")


def _parse(body: bytes, received: int) -> list[Trade]:
    answer = _answer.decode(body)
    if answer.code != _FINE:
        raise SubscriptionRefusedError(f"{answer.msg} (code {answer.code})")
    return [
        Trade(trade.tradeId, trade.ts * MILLISECOND, trade.side, trade.px, trade.sz, received) for trade in answer.data
    ]


TRADES_OVER_REST: Final = RestTrades(_request, _parse)
