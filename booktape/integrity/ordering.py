"""One market's stored records as one sequence: all systems' copies of each place together, in bounded memory.

A place is the record's number where the venue gives one, else its time (µs). Objects say in their keys where they
begin, so a place is complete as soon as every object that is not read yet begins after it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, MINUTE, Record, Trade, last_position, record_time
from booktape.model.resets import Reset, epoch
from booktape.model.sequence import NUMBERED, placed_by_number
from booktape.store.layout import BatchKey

LATE: Final = 10 * MINUTE
"""How much later than its time a record may be stored, where places are times."""

EPOCH: Final = 1 << 64
"""Places of a later era lie behind all of an earlier one: each era's numbers are moved on by so much."""

_NONE_LAST: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class ObjectRecords:
    """One stored object that is still to be read.

    ``begins`` is a place that none of its records lies before. ``system`` counts in the order of preference: 0 primary,
    1 replica, 2 what was healed over REST. ``in_day`` says whether it lies in the day's own partition.
    """

    begins: int
    system: int
    in_day: bool
    read: Callable[[], Sequence[Record]]


class Copy(NamedTuple):
    """One system's copy of a record. Copies sort by place, then preference; ``number`` makes them all different.

    ``own``: the record is of the day, not of a neighbouring one.
    """

    place: int
    system: int
    received: int
    sent: int
    number: int
    part: int
    own: bool
    record: Any


def begins_epoch(data_type: str, rule: str, key: BatchKey, restarts: Sequence[Reset] = ()) -> int:
    """Where the records of an object begin at the earliest. ``restarts`` are those of its market's numbers."""
    if not placed_by_number(data_type, rule, key.first, key.minute):
        return key.minute - LATE
    return key.first + EPOCH * sum(restart.precedes(key.minute, key.first) for restart in restarts)


def placing(data_type: str, rule: str, restarts: Sequence[Reset] = ()) -> Callable[[Record], int]:
    """Where a record of a stream stands: at its number, behind those of the eras before its own; else at its time."""
    by_number = data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS) or rule in NUMBERED.get(data_type, ())
    place = last_position if by_number else record_time
    return (lambda record: place(record) + EPOCH * epoch(restarts, record)) if restarts else place


def is_of_day(record: Record, day: range, *, in_day: bool) -> bool:
    """Whether a record belongs to the day (µs): by its exchange time, or without any by the partition it lies in."""
    time = (
        record.timestamp
        if isinstance(record, Trade)
        else getattr(record, "timestamp", None) or getattr(record, "sent_timestamp", None)
    )
    return in_day if time is None else day.start <= time < day.stop


def in_sequence_order(
    parts: Iterable[ObjectRecords], day: range, place: Callable[[Record], int]
) -> Iterator[list[Copy]]:
    """All copies of each place, in rising order of places; those of the neighbouring days too.

    A record that lies before its object's beginning comes late, in a group of its own.
    """
    ordered = sorted(parts, key=lambda part: part.begins)
    pending: list[Copy] = []
    number = 0
    for index, part in enumerate(ordered):
        for record in part.read():
            number += 1
            sent = getattr(record, "sent_timestamp", None)
            pending.append(
                Copy(
                    place(record),
                    part.system,
                    record.local_timestamp,
                    _NONE_LAST if sent is None else sent,
                    number,
                    index,
                    is_of_day(record, day, in_day=part.in_day),
                    record,
                )
            )
        if index + 1 == len(ordered):
            cut = len(pending)
        elif ordered[index + 1].begins == part.begins:
            continue
        pending.sort()
        if index + 1 < len(ordered):
            cut = bisect_left(pending, (ordered[index + 1].begins,))
        yield from _by_place(pending[:cut])
        del pending[:cut]


def _by_place(copies: list[Copy]) -> Iterator[list[Copy]]:
    start, size = 0, len(copies)
    while start < size:
        place, end = copies[start].place, start + 1
        while end < size and copies[end].place == place:
            end += 1
        yield copies[start:end]
        start = end
