"""How liquid a market was over time: spread, depth and slippage at each instant, as smart order routing needs them."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from functools import reduce
from typing import Final, NamedTuple

from booktape.analytics.book_view import BUY, SELL, BookView, TradeSide, in_numbers
from booktape.analytics.decimals import ZERO, add, format_decimal


class LiquidityRow(NamedTuple):
    """What an order of one size would have got at one instant. Numbers are plain decimal text, ``time`` is in µs, UTC.

    ``depth`` is the amount in the levels that the order meets, in as many of them as were requested. The other
    fields are those of :class:`~booktape.analytics.book_view.Slippage`: ``filled`` is less than ``size`` where the book
    has less. Where the book is not ``sound``, they are None.
    """

    time: int
    side: TradeSide
    size: str
    sound: bool
    best_bid: str | None = None
    best_ask: str | None = None
    spread: str | None = None
    mid: str | None = None
    depth: str | None = None
    filled: str | None = None
    price: str | None = None
    worst: str | None = None
    cost: str | None = None
    bps: str | None = None


LIQUIDITY_COLUMNS: Final = LiquidityRow._fields


def liquidity(
    views: Iterable[BookView],
    sizes: Sequence[Decimal | int | float | str],
    *,
    sides: Sequence[TradeSide] = (BUY, SELL),
    levels: int | None = None,
) -> Iterator[LiquidityRow]:
    """One row for each view, side and size, in that order.

    :param levels: how many levels ``depth`` adds up; all that the book has, unless given.
    """
    for view in views:
        for side in sides:
            for size in sizes:
                yield _row(view, side, size, levels)


def _row(view: BookView, side: TradeSide, size: Decimal | float | str, levels: int | None) -> LiquidityRow:
    found = view.slippage(side, size)
    amount = format_decimal(found.amount)
    if not view.sound:
        return LiquidityRow(view.at, side, amount, sound=False)
    bid, ask = view.best_bid, view.best_ask
    met = view.asks if side == BUY else view.bids
    depth = reduce(add, (level.amount for level in in_numbers(met[:levels])), ZERO)
    return LiquidityRow(
        time=view.at,
        side=side,
        size=amount,
        sound=True,
        best_bid=_text(bid and bid.price),
        best_ask=_text(ask and ask.price),
        spread=_text(view.spread),
        mid=_text(view.mid),
        depth=format_decimal(depth),
        filled=format_decimal(found.filled),
        price=_text(found.price),
        worst=_text(found.worst),
        cost=_text(found.cost),
        bps=_text(found.bps),
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format_decimal(value)
