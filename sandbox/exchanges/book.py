"""A price-level order book over integer ticks: pure, no venue, no text."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Level = tuple[int, int]
"""(price, amount), both in ticks. As a change, the amount is absolute and 0 removes the level."""


@dataclass(slots=True)
class BookSide:
    """One side of a book: amounts by price, and the prices in ascending order."""

    descending: bool
    amounts: dict[int, int] = field(default_factory=dict)
    prices: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.prices)

    def set(self, price: int, amount: int) -> None:
        """Set the absolute amount of a level; 0 removes it, and removing an absent level does nothing."""
        if amount:
            if price not in self.amounts:
                insort(self.prices, price)
            self.amounts[price] = amount
        elif self.amounts.pop(price, None) is not None:
            del self.prices[bisect_left(self.prices, price)]

    def price_at(self, depth: int) -> int:
        """The price of the level `depth` places behind the best one (0 is the best). Raises IndexError."""
        return self.prices[-1 - depth] if self.descending else self.prices[depth]

    def best(self) -> Level:
        """The best level. Raises IndexError on an empty side."""
        price = self.price_at(0)
        return price, self.amounts[price]

    def levels(self, depth: int | None = None) -> list[Level]:
        """The best `depth` levels, best first; all of them when `depth` is None."""
        return [(price, self.amounts[price]) for price in self._best_first(depth)]

    def _best_first(self, depth: int | None) -> Iterator[int]:
        count = len(self) if depth is None else max(0, min(depth, len(self)))
        if self.descending:
            return reversed(self.prices[len(self) - count :])
        return iter(self.prices[:count])


@dataclass(slots=True)
class OrderBook:
    """Both sides of one market."""

    bids: BookSide = field(default_factory=lambda: BookSide(descending=True))
    asks: BookSide = field(default_factory=lambda: BookSide(descending=False))

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Apply one whole book change: absolute levels, amount 0 removes."""
        for price, amount in bids:
            self.bids.set(price, amount)
        for price, amount in asks:
            self.asks.set(price, amount)

    def is_crossed(self) -> bool:
        """Whether the best bid reaches the best ask."""
        return bool(self.bids and self.asks) and self.bids.price_at(0) >= self.asks.price_at(0)
