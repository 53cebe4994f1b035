"""Sets of half-open intervals of time, in µs."""

from collections.abc import Iterable
from itertools import pairwise

Interval = tuple[int, int]
"""From the first µs up to, but without, the second one."""


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """What lies in any of some intervals: sorted, none of them empty, none touching the next."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def intersection(some: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    """What lies both in some intervals and in others, as :func:`union` gives it."""
    left, right = union(some), union(others)
    found: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            found.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


def complement(intervals: Iterable[Interval], within: Interval) -> list[Interval]:
    """What of ``within`` lies in none of some intervals, as :func:`union` gives it."""
    start, end = within
    inside = intersection(intervals, [within])
    edges = [start, *(edge for interval in inside for edge in interval), end]
    return [(first, last) for first, last in list(pairwise(edges))[::2] if first < last]


def total_length(intervals: Iterable[Interval]) -> int:
    """How many µs lie in any of some intervals."""
    return sum(end - start for start, end in union(intervals))
