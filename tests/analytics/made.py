"""Trades, books and losses made for these tests. Times in the tests are seconds of one day, for reading."""

import itertools
from collections.abc import Sequence

from msgspec import Raw, json

from booktape.analytics.book_view import BookView
from booktape.model.gap import Gap, GapCause, GapUnit, time_gap
from booktape.model.records import BOOK_UPDATES, SECOND, TRADES, BookSnapshot, BookUpdate, Level, Trade

DAY = 1_723_161_600 * SECOND
"""2024-08-09"""

LATENCY = 5_000
_ids = itertools.count(1)


def at(seconds: float) -> int:
    """µs since the epoch."""
    return DAY + round(seconds * SECOND)


def trade(seconds: float, price: str, amount: str, side: str = "buy") -> Trade:
    time = at(seconds)
    return Trade(next(_ids), time, side, price, amount, time + LATENCY)


def lost_trades(start: float, end: float, first: int | None = None, last: int | None = None) -> Gap:
    if first is None or last is None:
        return time_gap(TRADES, "", at(start), at(end), GapCause.DOWN)
    return Gap(GapUnit.ID, first, last, GapCause.LOST, TRADES, "", at(start), at(end))


def lost_messages(start: float, end: float) -> Gap:
    return time_gap(BOOK_UPDATES, "", at(start), at(end), GapCause.DOWN)


def side(*levels: str) -> list[Level]:
    """``side("10 2", "9 1")``: a price and an amount each."""
    return [(price, amount) for price, amount in (level.split() for level in levels)]


def _raw(levels: Sequence[Level]) -> Raw:
    return Raw(json.encode(levels))


def snapshot(seconds: float, last_id: int, bids: Sequence[Level], asks: Sequence[Level]) -> BookSnapshot:
    time = at(seconds)
    return BookSnapshot(
        last_id=last_id,
        timestamp=time,
        bids=_raw(bids),
        asks=_raw(asks),
        origin="rest",
        local_timestamp=time + LATENCY,
    )


def update(seconds: float, number: int, bids: Sequence[Level] = (), asks: Sequence[Level] = ()) -> BookUpdate:
    """An update with one number, as Binance has them (rule ``ranged``)."""
    time = at(seconds)
    return BookUpdate(
        first_id=number,
        last_id=number,
        timestamp=time,
        bids=_raw(bids),
        asks=_raw(asks),
        local_timestamp=time + LATENCY,
    )


def view(
    bids: Sequence[Level],
    asks: Sequence[Level],
    *,
    exchange: str = "binance",
    market: str = "BTC-USDT",
    seconds: float = 0,
    sound: bool = True,
) -> BookView:
    time = at(seconds)
    return BookView(exchange, market, time, time, 1, tuple(bids), tuple(asks), sound=sound)
