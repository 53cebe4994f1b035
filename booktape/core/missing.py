"""What is missing of a stream that is read back, and its place among the records that are there."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

R = TypeVar("R")


class Missing(NamedTuple):
    """Something of a stream that is not there, or may not be.

    Times in µs: between ``start`` and ``end``. Where numbers show the loss, ``first`` to ``last`` (both included) are
    missing, and the times are those of the records before and after; else nobody can tell what was lost in that time.
    """

    data_type: str
    start: int
    end: int
    why: str
    first: int | None = None
    last: int | None = None


def interleaved(records: Iterable[R], missing: Iterable[Missing], clock: Callable[[R], int]) -> Iterator[R | Missing]:
    """Records in their order, with each loss before the first record that is later than its start.

    :param clock: a record's time (µs) on the clock that the losses are told by.
    """
    waiting = sorted(missing, key=lambda one: one.start)
    told = 0
    for record in records:
        while told < len(waiting) and clock(record) > waiting[told].start:
            yield waiting[told]
            told += 1
        yield record
    yield from waiting[told:]
