"""What of a stretch of time is recorded, what is missing, and of what nobody knows."""

from collections.abc import Sequence
from typing import NamedTuple

from booktape.archive.lapses import UNKNOWN
from booktape.core.ledger import Interval, complement, intersection, length, union
from booktape.core.missing import Missing


class Coverage(NamedTuple):
    """What is there of one market's data. Times in µs; intervals are half-open, and together the whole stretch.

    ``recorded`` is what is there whole, as far as anybody can know; in ``missing`` something is lost, and ``losses``
    says what; of ``unknown`` nobody knows.
    """

    exchange: str
    market: str
    data_type: str
    start: int
    end: int
    recorded: list[Interval]
    missing: list[Interval]
    unknown: list[Interval]
    losses: list[Missing]

    @property
    def is_whole(self) -> bool:
        """Whether everything is there."""
        return not self.losses

    @property
    def share(self) -> float:
        """The share of the time that is recorded whole."""
        return length(self.recorded) / (self.end - self.start)


def coverage(asked: Sequence[str], window: Interval, losses: list[Missing]) -> Coverage:
    """What some losses leave of a stretch."""
    start, end = window
    gone = intersection(((one.start, max(one.end, one.start + 1)) for one in losses if one.why != UNKNOWN), [window])
    unknown = intersection(((one.start, one.end) for one in losses if one.why == UNKNOWN), [window])
    unknown = intersection(unknown, complement(gone, window))
    recorded = complement(union([*gone, *unknown]), window)
    exchange, market, data_type = asked
    return Coverage(exchange, market, data_type, start, end, recorded, gone, unknown, losses)
