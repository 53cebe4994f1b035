"""One market's stored records as one sequence: all systems' copies of each place together, in bounded memory.

The place of a record is its sequence id where the venue gives one, else its time (µs). The keys of objects say where
these begin, so the copies of a place are complete as soon as every unread object begins after it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from booktape.merge.reference import is_of_day, preference
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, MINUTE, Record, last_position, record_time
from booktape.model.resets import Reset, epoch
from booktape.model.sequence import NUMBERED, placed_by_number
from booktape.store.layout import BatchKey

LATE: Final = 10 * MINUTE
"""How much later than its time (µs) a record may be stored, where places are times."""

EPOCH: Final = 1 << 64
"""What is added to places for each sequence reset before them: a later epoch follows all earlier ones."""


@dataclass(frozen=True, slots=True)
class ObjectRecords:
    """One stored object that is still unread.

    :param begins: a place before which none of its records is.
    :param system: the number of its system in the order of preference: 0 primary, 1 replica, 2 REST.
    :param in_day: it is in the day's own partition.
    :param read: reads its records.
    """

    begins: int
    system: int
    in_day: bool
    read: Callable[[], Sequence[Record]]


class Copy(NamedTuple):
    """One system's copy of a record. Copies sort by place, then by preference; ``number`` makes them distinct.

    ``own``: the record belongs to the day, not to a neighbouring one.
    """

    place: int
    system: int
    received: int
    sent: int
    number: int
    own: bool
    record: Any


def first_place(data_type: str, rule: str, key: BatchKey, resets: Sequence[Reset] = ()) -> int:
    """Return the place at which the records of an object begin at the earliest.

    :param resets: the sequence resets of its market within the day.
    """
    if not placed_by_number(data_type, rule, key.first, key.minute):
        return key.minute - LATE
    return key.first + EPOCH * sum(reset.precedes(key.minute, key.first) for reset in resets)


def placing(data_type: str, rule: str, resets: Sequence[Reset] = ()) -> Callable[[Record], int]:
    """Return the function that computes a record's place: its id, behind those of earlier epochs; else its time."""
    by_number = data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS) or rule in NUMBERED.get(data_type, ())
    place = last_position if by_number else record_time
    return (lambda record: place(record) + EPOCH * epoch(resets, record)) if resets else place


def in_sequence_order(
    parts: Iterable[ObjectRecords], day: range, place: Callable[[Record], int]
) -> Iterator[list[Copy]]:
    """Yield all copies of each place, in rising order of places, those of the neighbouring days included.

    A record whose place is before the beginning of its object is yielded late, in a group of its own.
    """
    ordered = sorted(parts, key=lambda part: part.begins)
    pending: list[Copy] = []
    number = 0
    for index, part in enumerate(ordered):
        for record in part.read():
            number += 1
            own = is_of_day(record, day, in_day=part.in_day)
            pending.append(Copy(place(record), *preference(part.system, record), number, own, record))
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
