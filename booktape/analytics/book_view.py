"""A market's book at an instant: its best prices, its depth, and what an order would cost."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from booktape.analytics.decimals import ZERO, add, decimal, divide, multiply, subtract
from booktape.model.errors import InvalidInputError
from booktape.model.gap import Gap
from booktape.model.records import Level

TradeSide = Literal["buy", "sell"]
"""The taker's side: who buys takes from the asks."""

BUY: Final = "buy"
SELL: Final = "sell"
_BASIS_POINTS: Final = Decimal(10_000)
_HALF: Final = Decimal("0.5")


class InvalidOrderError(InvalidInputError):
    """An order's side or amount, or a number of levels, is invalid."""


class PriceLevel(NamedTuple):
    """One level of a book, in numbers."""

    price: Decimal
    amount: Decimal


class Depth(NamedTuple):
    """The best levels of both sides, best first."""

    bids: tuple[PriceLevel, ...]
    asks: tuple[PriceLevel, ...]


class Slippage(NamedTuple):
    """What a market order would get from a book, before fees.

    ``amount`` is the order's amount, and ``filled`` the part of it that the book has. ``price`` is the average price,
    weighted by volume, to 28 digits, and ``worst`` the last price taken; both None where nothing is filled.
    ``cost`` is what that is worse than the mid, in the quote currency: ``filled`` times the distance of ``price`` from
    the mid, negative in a crossed book. ``bps`` is that distance in basis points of the mid. Both are None where a side
    is empty.
    """

    side: TradeSide
    amount: Decimal
    filled: Decimal
    price: Decimal | None
    worst: Decimal | None
    cost: Decimal | None
    bps: Decimal | None

    @property
    def is_whole(self) -> bool:
        """Whether the book has the order's whole amount."""
        return self.filled == self.amount


@dataclass(frozen=True, slots=True)
class BookView:
    """A market's book at an instant. Times in µs, UTC; levels are the venue's text, best first.

    :ivar at: the requested instant.
    :ivar as_of: the time of the last message applied.
    :ivar last_id: that message's sequence id; None where the exchange has none.
    :ivar sound: whether nothing is missing as far as is known. If False, this is not the market's book.
    :ivar missing: the gap that makes it unsound.
    """

    exchange: str
    market: str
    at: int
    as_of: int
    last_id: int | None
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    sound: bool = True
    missing: Gap | None = None

    @property
    def best_bid(self) -> PriceLevel | None:
        """The highest bid; None where there is none."""
        return next(in_numbers(self.bids), None)

    @property
    def best_ask(self) -> PriceLevel | None:
        """The lowest ask; None where there is none."""
        return next(in_numbers(self.asks), None)

    @property
    def spread(self) -> Decimal | None:
        """Best ask minus best bid: negative where the book is crossed, None where a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else subtract(ask.price, bid.price)

    @property
    def mid(self) -> Decimal | None:
        """Half-way between the best prices, exactly; None where a side is empty."""
        return middle(self.best_bid, self.best_ask)

    def depth(self, levels: int) -> Depth:
        """The best levels of each side, in numbers; fewer where the book has fewer."""
        if levels < 0:
            raise InvalidOrderError(f"{levels} is not a number of levels; expected 0 or more")
        return Depth(tuple(in_numbers(self.bids[:levels])), tuple(in_numbers(self.asks[:levels])))

    def slippage(self, side: TradeSide, amount: Decimal | float | str) -> Slippage:
        """What a market order would get.

        :param amount: in the unit of the book's amounts. Raises :class:`InvalidOrderError` unless it is positive.
        """
        require_side(side)
        levels = self.asks if side == BUY else self.bids
        return cost_of(side, amount, in_numbers(levels), self.mid)


def in_numbers(levels: Iterable[Level]) -> Iterator[PriceLevel]:
    """Levels as numbers, one by one."""
    return (PriceLevel(decimal(price), decimal(amount)) for price, amount in levels)


def middle(bid: PriceLevel | None, ask: PriceLevel | None) -> Decimal | None:
    """Half-way between two best levels, exactly; None where one is missing."""
    return None if bid is None or ask is None else multiply(add(bid.price, ask.price), _HALF)


def require_side(side: str) -> None:
    """Raise :class:`InvalidOrderError` unless it is a side."""
    if side not in (BUY, SELL):
        raise InvalidOrderError(f"{side!r} is no side of an order; expected buy or sell")


def amount_wanted(amount: Decimal | float | str) -> Decimal:
    """An order's amount. Raises :class:`InvalidOrderError` where it is negative."""
    wanted = decimal(amount)
    if wanted < 0:
        raise InvalidOrderError(f"an order of {amount} cannot be; expected an amount of 0 or more")
    return wanted


def cost_of(
    side: TradeSide, amount: Decimal | float | str, levels: Iterable[PriceLevel], mid: Decimal | None
) -> Slippage:
    """What an order gets from the levels that it meets, best first."""
    wanted = amount_wanted(amount)
    filled, paid, worst = ZERO, ZERO, None
    for level in levels:
        left = subtract(wanted, filled)
        if left <= 0:
            break
        taken = min(left, level.amount)
        filled, paid, worst = add(filled, taken), add(paid, multiply(taken, level.price)), level.price
    if not filled:
        return Slippage(side, wanted, filled, None, None, None, None)
    price = divide(paid, filled)
    if mid is None:
        return Slippage(side, wanted, filled, price, worst, None, None)
    at_mid = multiply(filled, mid)
    cost = subtract(paid, at_mid) if side == BUY else subtract(at_mid, paid)
    bps = divide(multiply(cost, _BASIS_POINTS), at_mid.copy_abs()) if at_mid else None
    return Slippage(side, wanted, filled, price, worst, cost, bps)
