"""Past trades of Kraken spot.

Source: "Kraken API Center", Spot REST: Get Recent Trades (``/0/public/Trades``): up to 1,000 trades after ``since``,
which is in nanoseconds, oldest first, each with the stream's ``trade_id``.

- Prices have five decimals or the market's, whichever are more (``30243.40000``), while the stream has the market's
  (``30243.4``): the number is the same but the text differs, so the trades are not identical. The merge takes trades by
  their ids.
- Times are seconds, as a number with seven decimals at most. Digits finer than a microsecond are cut off; where the
  stream rounds, the times differ by one.
- Pairs still have their old names: XBT for BTC, XDG for DOGE. A refusal has status 200.
"""

from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Request, RestTrades, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import NANOSECONDS, decimal_seconds_to_micros
from booktape.model.gap import Gap
from booktape.model.records import Trade

_MOST: Final = 1000
_OLD_NAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}
_SIDES: Final = {"b": "buy", "s": "sell"}
_LAST: Final = "last"


class _Trade(Struct, array_like=True, gc=False):
    """``[price, volume, time, side, order type, miscellaneous, id]``."""

    price: str
    volume: str
    time: Raw
    side: str
    order_type: str
    miscellaneous: str
    trade_id: int


class _Answer(Struct):
    error: list[str]
    result: dict[str, Raw] = {}


_answer = json.Decoder(_Answer)
_trades = json.Decoder(list[_Trade])


def _request(symbol: str, gap: Gap) -> Request:
    pair = "".join(_OLD_NAMES.get(asset, asset) for asset in symbol.split("/"))
    since = max(0, gap.after * NANOSECONDS - 1)  # the answer begins after it
    return Request(f"/0/public/Trades?pair={pair}&since={since}&count={_MOST}")


def _parse(body: bytes, received: int) -> list[Trade]:
    answer = _answer.decode(body)
    if answer.error:
        raise SubscriptionRefusedError(", ".join(answer.error))
    pairs = [trades for name, trades in answer.result.items() if name != _LAST]
    if len(pairs) != 1:
        raise UnknownFrameError(f"trades of {len(pairs)} pairs")
    return [
        Trade(
            trade.trade_id,
            decimal_seconds_to_micros(trade.time),
            _SIDES[trade.side],
            trade.price,
            trade.volume,
            received,
        )
        for trade in _trades.decode(pairs[0])
    ]


TRADES_OVER_REST: Final = RestTrades(_request, _parse)
