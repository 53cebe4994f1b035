"""Ids as a certificate tells them, in ranges: what is in some and not in others."""

from collections.abc import Iterable
from typing import Final

from booktape.core.proof_ids import Ids

_NAMED: Final = 5
"""How many ids or ranges a difference names."""


def ids(ranges: Iterable[Iterable[int]]) -> Ids:
    """All ids of some ranges, of which both ends are included."""
    found = Ids()
    for first, last in ranges:
        found.cover(first, last)
    return found


def less(ranges: Iterable[Iterable[int]], others: Iterable[Iterable[int]]) -> Ids:
    """The ids of some ranges that lie in none of others."""
    left = ids(ranges)
    for first, last in others:
        left.remove(first, last)
    return left


def named(numbers: Ids) -> str:
    """The first few of some ids, as text."""
    ranges = [str(first) if first == last else f"{first}-{last}" for first, last in numbers.ranges()]
    more = [f"{len(ranges) - _NAMED} more"] if len(ranges) > _NAMED else []
    return ", ".join(ranges[:_NAMED] + more)
