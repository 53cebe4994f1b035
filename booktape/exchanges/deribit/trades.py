"""Past trades of Deribit.

Source: "Deribit API": ``public/get_last_trades_by_instrument``: trades by their ``trade_seq``, a thousand an answer.
They have the fields of the stream's notification and are identical to the stream's trades. The documentation does not
say how long they are kept.
"""

from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Request, RestTrades
from booktape.exchanges.wire import MILLISECOND, decimal_text
from booktape.model.gap import Gap
from booktape.model.records import Trade

_MOST: Final = 1000


class _Trade(Struct, gc=False):
    trade_id: str
    trade_seq: int
    timestamp: int
    direction: str
    price: Raw
    amount: Raw


class _Result(Struct):
    trades: list[_Trade]


class _Answer(Struct):
    result: _Result


_answer = json.Decoder(_Answer)


def _request(symbol: str, gap: Gap) -> Request:
    numbers = f"start_seq={gap.first}&end_seq={gap.last}"
    path = f"/public/get_last_trades_by_instrument?instrument_name={symbol}"
    return Request(f"{path}&{numbers}&count={_MOST}&sorting=asc")


def _parse(body: bytes, received: int) -> list[Trade]:
    return [
        Trade(
            trade.trade_id,
            trade.timestamp * MILLISECOND,
            trade.direction,
            decimal_text(trade.price),
            decimal_text(trade.amount),
            received,
            trade.trade_seq,
        )
        for trade in _answer.decode(body).result.trades
    ]


TRADES_OVER_REST: Final = RestTrades(_request, _parse)
