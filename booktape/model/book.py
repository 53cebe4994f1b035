"""An order book rebuilt from a snapshot and the updates after it. Exact: no floats, no Decimal."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Final

from booktape.model.errors import RecordError
from booktape.model.records import Level

_DECIMALS: Final = 20


class InvalidNumberError(RecordError):
    """A price or an amount that is not a plain decimal number."""


def exact(text: str) -> int:
    """A plain decimal number, scaled by 10**20 to an integer, so that prices compare exactly.

    Raises :class:`InvalidNumberError`, also for more than twenty decimals.
    """
    whole, _, fraction = text.partition(".")
    try:
        if text and len(fraction) <= _DECIMALS:
            return int(whole + fraction.ljust(_DECIMALS, "0"))
    except ValueError:
        pass
    raise InvalidNumberError(f"{text!r} is not a plain decimal number")


def is_zero(amount: str) -> bool:
    """Whether an amount, in the exchange's text, is nothing: ``0``, ``0.00``."""
    return not amount.strip("0.")


class Side:
    """One side of a book: price to amount. Prices are sorted when first asked for, and kept sorted from then on."""

    __slots__ = ("_levels", "_prices", "_sign")

    def __init__(self, *, best_is_highest: bool) -> None:
        self._sign = -1 if best_is_highest else 1
        self._levels: dict[int, Level] = {}
        self._prices: list[int] | None = None

    def __len__(self) -> int:
        return len(self._levels)

    def set(self, price: str, amount: str) -> None:
        """Set a level to an absolute amount; zero removes it. Removing an unknown level is normal and does nothing."""
        rank = self._sign * exact(price)
        if is_zero(amount):
            if self._levels.pop(rank, None) is not None and self._prices is not None:
                del self._prices[bisect_left(self._prices, rank)]
            return
        if self._prices is not None and rank not in self._levels:
            insort(self._prices, rank)
        self._levels[rank] = (price, amount)

    def top(self, depth: int | None = None) -> list[Level]:
        """The best levels, best first; all of them without a depth."""
        return [self._levels[rank] for rank in self._sorted()[:depth]]

    def truncate(self, depth: int) -> None:
        """Forget all but the best levels."""
        if len(self._levels) > depth:
            prices = self._sorted()
            for rank in prices[depth:]:
                del self._levels[rank]
            del prices[depth:]

    def best_price(self) -> int | None:
        """The best price as :func:`exact` gives it, or None when the side is empty."""
        prices = self._sorted()
        return self._sign * prices[0] if prices else None

    def _sorted(self) -> list[int]:
        if self._prices is None:
            self._prices = sorted(self._levels)
        return self._prices


class Book:
    """Both sides of one market's order book."""

    __slots__ = ("asks", "bids")

    def __init__(self, bids: Iterable[Level] = (), asks: Iterable[Level] = ()) -> None:
        self.bids = Side(best_is_highest=True)
        self.asks = Side(best_is_highest=False)
        self.apply(bids, asks)

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Apply one whole message: levels with absolute amounts, in the order in which the exchange sent them."""
        for price, amount in bids:
            self.bids.set(price, amount)
        for price, amount in asks:
            self.asks.set(price, amount)

    def truncate(self, depth: int) -> None:
        """Forget all but the best levels of each side."""
        self.bids.truncate(depth)
        self.asks.truncate(depth)

    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best ask."""
        bid, ask = self.bids.best_price(), self.asks.best_price()
        return bid is not None and ask is not None and bid >= ask
