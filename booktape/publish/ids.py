"""A set of integers that costs memory by its holes, not by its size: for ids that rise by one, nearly nothing."""

from bisect import bisect_right
from typing import Final

MOST_INTERVALS: Final = 1_000_000


class TooFragmented(ValueError):
    """The ids have more holes than any real day's."""


class Ids:
    """The ids seen in one market, as disjoint intervals in rising order."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, number: int) -> bool:
        """Add an id; False means that it was there. Raises :class:`TooFragmented`."""
        ends = self._ends
        if ends and number == ends[-1] + 1:  # nearly always
            ends[-1] = number
            return True
        return self._insert(number)

    def _insert(self, number: int) -> bool:
        starts, ends = self._starts, self._ends
        after = bisect_right(starts, number)
        if after and number <= ends[after - 1]:
            return False
        joins_before = after > 0 and ends[after - 1] + 1 == number
        joins_after = after < len(starts) and starts[after] - 1 == number
        if joins_before and joins_after:
            ends[after - 1] = ends.pop(after)
            del starts[after]
        elif joins_before:
            ends[after - 1] = number
        elif joins_after:
            starts[after] = number
        elif len(starts) >= MOST_INTERVALS:
            raise TooFragmented(f"more than {MOST_INTERVALS} holes in the ids")
        else:
            starts.insert(after, number)
            ends.insert(after, number)
        return True

    @property
    def first(self) -> int:
        """The smallest id. There must be one."""
        return self._starts[0]

    @property
    def last(self) -> int:
        """The largest id. There must be one."""
        return self._ends[-1]

    @property
    def gaps(self) -> int:
        """How many holes there are between the first and the last id."""
        return len(self._starts) - 1

    @property
    def missing(self) -> int:
        """How many ids lie in those holes."""
        return sum(start - end - 1 for end, start in zip(self._ends, self._starts[1:], strict=False))
