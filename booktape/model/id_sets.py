"""A set of integers that costs memory by its holes, not by its size: for ids that rise by one, nearly nothing.

Ids as a certificate tells them, in ranges: what is in some and not in others.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final

from booktape.model.errors import DataError

MOST_INTERVALS: Final = 1_000_000

Range = tuple[int, int]
"""The first and the last of some neighbouring ids."""


class TooManyIntervalsError(DataError, ValueError):
    """The ids have more holes than any real day's."""


class IdSet:
    """Ids, as disjoint intervals in rising order."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __contains__(self, number: int) -> bool:
        after = bisect_right(self._starts, number)
        return after > 0 and number <= self._ends[after - 1]

    def add(self, number: int) -> bool:
        """Add an id; False means that it was there. Raises :class:`TooManyIntervalsError`."""
        ends = self._ends
        if ends and number == ends[-1] + 1:  # nearly always
            ends[-1] = number
            return True
        if number in self:
            return False
        self.cover(number, number)
        return True

    def cover(self, first: int, last: int) -> None:
        """Add all ids of a range, both ends included. Raises :class:`TooManyIntervalsError`."""
        starts, ends = self._starts, self._ends
        low, high = bisect_left(ends, first - 1), bisect_right(starts, last + 1)  # those that it touches
        if low < high:
            first, last = min(first, starts[low]), max(last, ends[high - 1])
        elif len(starts) >= MOST_INTERVALS:
            raise TooManyIntervalsError(f"more than {MOST_INTERVALS} holes in the ids")
        starts[low:high], ends[low:high] = [first], [last]

    def remove(self, first: int, last: int) -> None:
        """Take out all ids of a range, both ends included."""
        starts, ends = self._starts, self._ends
        if not ends or first > ends[-1]:  # nearly always
            return
        low, high = bisect_left(ends, first), bisect_right(starts, last)
        if low >= high:
            return
        left = [(starts[low], first - 1)] if starts[low] < first else []
        right = [(last + 1, ends[high - 1])] if ends[high - 1] > last else []
        starts[low:high] = [start for start, _ in left + right]
        ends[low:high] = [end for _, end in left + right]

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
        return sum(last - first + 1 for first, last in self.holes())

    def __len__(self) -> int:
        return sum(end - start + 1 for start, end in self.ranges())

    def ranges(self) -> list[Range]:
        """The intervals, rising."""
        return list(zip(self._starts, self._ends, strict=True))

    def holes(self) -> list[Range]:
        """The intervals between them, rising."""
        return [(end + 1, start - 1) for end, start in zip(self._ends, self._starts[1:], strict=False)]

    def within(self, first: int, last: int) -> list[Range]:
        """What of the ids lies in a range, both ends included."""
        low, high = bisect_left(self._ends, first), bisect_right(self._starts, last)
        return [(max(first, self._starts[i]), min(last, self._ends[i])) for i in range(low, high)]


_NAMED_RANGES: Final = 5
"""How many ids or ranges a difference names."""


def id_set(ranges: Iterable[Iterable[int]]) -> IdSet:
    """All ids of some ranges, of which both ends are included."""
    found = IdSet()
    for first, last in ranges:
        found.cover(first, last)
    return found


def ranges_length(ranges: Iterable[Range]) -> int:
    """Count the ids in some ranges, of which both ends are included."""
    return sum(last - first + 1 for first, last in ranges)


def difference(ranges: Iterable[Iterable[int]], others: Iterable[Iterable[int]]) -> IdSet:
    """The ids of some ranges that lie in none of others."""
    left = id_set(ranges)
    for first, last in others:
        left.remove(first, last)
    return left


def named_ranges(numbers: IdSet) -> str:
    """The first few of some ids, as text."""
    ranges = [str(first) if first == last else f"{first}-{last}" for first, last in numbers.ranges()]
    more = [f"{len(ranges) - _NAMED_RANGES} more"] if len(ranges) > _NAMED_RANGES else []
    return ", ".join(ranges[:_NAMED_RANGES] + more)
