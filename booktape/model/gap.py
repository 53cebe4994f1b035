"""What is missing of a stream that is read back, and its place among the records that are there.

What a gap's numbers mean: ids that are missing, or only times between which something may be.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from booktape.model import sequence
from booktape.model.records import Record, record_time, sequence_id
from booktape.model.sequence import SequenceGap
from booktape.model.uptime import IDS, LINKED, TIME, GapKind

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


def interleave(records: Iterable[R], missing: Iterable[Missing], clock: Callable[[R], int]) -> Iterator[R | Missing]:
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


Span = tuple[int | None, int | None]
"""From a time until another one (µs), None for now."""


def meaning(rule: str, gap: SequenceGap, last: Record | None) -> tuple[GapKind, Span | None]:
    """The kind of a gap, and the times to use where its own numbers are neither times nor what is missing.

    :param rule: the name of the rule that told it.
    :param last: the stream's last record before it.
    """
    since = None if last is None else record_time(last)
    if gap.reconnect:  # told in times, but for ids that a snapshot sets back
        return TIME, ((since, None) if rule in sequence.SPANS_CONNECTIONS and gap.first != since else None)
    if rule == sequence.CHECKSUM:
        return TIME, (None if last is not None and sequence_id(last) is None else (since, None))
    return (LINKED if rule == sequence.LINKED else IDS), None
