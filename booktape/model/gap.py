"""A gap: something of a stream that is missing, or may be. The one type for it, from the collector to the reader."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

from booktape.model.records import TRADES

R = TypeVar("R")

ANY: Final = "*"
"""Data type and market of a gap in a connection's frame counter: any stream of the connection may have lost records."""


class GapUnit(StrEnum):
    """What the numbers of a gap count. ``first`` and ``last`` are always inclusive."""

    ID = "id"
    """Sequence ids: every id from ``first`` to ``last`` is missing."""

    LINK = "link"
    """Ids of linked messages: at least one message with an id from ``first`` to ``last`` is missing.

    The ids of a linked stream are not consecutive, so the number of missing messages is unknown.
    """

    TIME = "time"
    """Times in µs: records may be missing between the two, and nothing shows how many."""

    COUNTER = "counter"
    """Numbers of a connection's frames: the frames from ``first`` to ``last`` are missing."""


class GapCause(StrEnum):
    """Why something is missing, or may be."""

    LOST = "lost"
    """The records' own numbers show the loss."""

    RESUMED = "resumed"
    """As ``LOST``, but the stream itself sent a snapshot from which the book continues."""

    FRAMES_LOST = "frames lost"
    """Frames of the stream's connection are missing, and possibly the stream's records in them."""

    CHECKSUM = "checksum"
    """The exchange's checksum does not match the book."""

    INTERRUPTED = "interrupted"
    """The subscription was interrupted. No rule can see what that cost."""

    RESET = "reset"
    """The exchange reset the stream's numbers. No rule can see what was lost around that."""

    UNNUMBERED = "unnumbered"
    """A message lacks the ids by which its place in the book's sequence is known."""

    NOT_STORED = "not stored"
    """Records were received, but could not be stored."""

    DOWN = "down"
    """No collector was connected, or each of them missed something."""

    UNKNOWN = "unknown"
    """No uptime log covers the time."""

    NOT_RECORDED = "not recorded"
    """Nothing of the market was recorded on that day."""

    NO_SNAPSHOT = "no snapshot"
    """There is no snapshot with which the book could begin."""


_DESCRIPTIONS: Final = {
    GapCause.FRAMES_LOST: "frames of the connection are missing",
    GapCause.CHECKSUM: "the book's checksum does not match",
    GapCause.INTERRUPTED: "the subscription was interrupted",
    GapCause.RESET: "the exchange reset its sequence numbers",
    GapCause.UNNUMBERED: "a book update lacks its ids",
    GapCause.NOT_STORED: "records could not be stored",
    GapCause.DOWN: "no collector was connected, or records were missed",
    GapCause.UNKNOWN: "no uptime log covers this time",
    GapCause.NOT_RECORDED: "nothing was recorded",
    GapCause.NO_SNAPSHOT: "there is no snapshot of the book",
}

_SHOWN: Final = frozenset({GapCause.LOST, GapCause.RESUMED, GapCause.FRAMES_LOST, GapCause.CHECKSUM})


class Gap(NamedTuple):
    """Something of one stream that is missing, or may be.

    ``first`` and ``last``, both inclusive, count what ``unit`` says. A sequence rule knows neither the stream nor the
    time: it leaves ``data_type`` and ``market`` empty, and the times 0, for the stream to fill in.

    ``after`` and ``before`` are the times (µs) of the records around the gap, or of the frames around it in a
    ``counter`` gap; 0 where they are unknown. A ``time`` gap whose ``first`` or ``last`` is unknown has a 0 there too:
    it then lasts from, or until, the moment at which it was noticed. ``noticed`` is that moment by the collector's
    clock (µs), where the uptime log keeps it. ``by_receipt``: the times are receive times of one collector, because
    the records carry no time of the exchange. ``snapshot_id`` is the id of the snapshot that shows a reset, else 0.
    """

    unit: GapUnit
    first: int = 0
    last: int = 0
    cause: GapCause = GapCause.LOST
    data_type: str = ""
    market: str = ""
    after: int = 0
    before: int = 0
    noticed: int = 0
    by_receipt: bool = False
    snapshot_id: int = 0

    @property
    def start(self) -> int:
        """When the gap begins (µs): the time of the last record before it."""
        return (self.first if self.unit is GapUnit.TIME else 0) or self.after

    @property
    def end(self) -> int:
        """When the gap ends (µs): the time of the first record after it."""
        return (self.last if self.unit is GapUnit.TIME else 0) or self.before

    @property
    def bounds(self) -> tuple[int, int]:
        """The first and the last number, or the start and the end of a ``time`` gap; both inclusive."""
        return (self.start, self.end) if self.unit is GapUnit.TIME else (self.first, self.last)

    @property
    def numbered(self) -> bool:
        """Whether the records' own numbers show the gap. Then a record as late as ``end`` may be missing."""
        return self.unit is not GapUnit.TIME

    @property
    def size(self) -> int:
        """How many ids or frames are missing."""
        return self.last - self.first + 1

    @property
    def shows_loss(self) -> bool:
        """Whether something is known to be missing, rather than possibly missing."""
        return self.cause in _SHOWN

    @property
    def is_unknown(self) -> bool:
        """Whether nothing at all is known of the time, not even whether a collector was connected."""
        return self.cause is GapCause.UNKNOWN

    @property
    def description(self) -> str:
        """What is missing and why, as half a sentence."""
        if self.cause in _DESCRIPTIONS:
            return _DESCRIPTIONS[self.cause]
        if self.unit is GapUnit.LINK:
            return f"one or more updates with ids from {self.first} to {self.last} are missing"
        if self.unit is GapUnit.COUNTER:
            return f"the frames {self.first} to {self.last} are missing"
        if self.data_type != TRADES:
            return f"the update ids {self.first} to {self.last} are missing"
        if self.first == self.last:
            return f"the trade {self.first} is missing"
        return f"the trades {self.first} to {self.last} are missing"

    def to_json(self) -> dict[str, Any]:
        """The gap as the reading commands and the replay server print it; ``first`` and ``last`` are never times."""
        return {
            "data_type": self.data_type,
            "start": self.start,
            "end": self.end,
            "why": self.description,
            "first": self.first if self.numbered else None,
            "last": self.last if self.numbered else None,
        }


def time_gap(data_type: str, market: str, start: int, end: int, cause: GapCause) -> Gap:
    """A gap between two times (µs)."""
    return Gap(GapUnit.TIME, start, end, cause, data_type, market)


def interleave(records: Iterable[R], gaps: Iterable[Gap], clock: Callable[[R], int]) -> Iterator[R | Gap]:
    """Records in their order, each gap before the first record that is later than the gap's start.

    :param clock: a record's time (µs) by the clock of the gaps.
    """
    waiting = sorted(gaps, key=lambda gap: gap.start)
    given = 0
    for record in records:
        while given < len(waiting) and clock(record) > waiting[given].start:
            yield waiting[given]
            given += 1
        yield record
    yield from waiting[given:]
