"""When a number of the past is news: the venue has begun its numbers anew.

Within a day that divides a market's records into *eras*, in each of which the numbers rise with the time. Which era a
record is of, its time tells, and its number where only a connection's clock tells the time: so all copies of a record
are of one era, whoever received them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from booktape.model.records import MINUTE, SECOND, Record, Trade, engine_time, identity, record_time, sequence_id

CERTAINLY_LATER: Final = SECOND
CERTAINLY_SENT_LATER: Final = MINUTE
"""By how much a record of the past can seem newer than it is: by the engine's clock, and by that of a connection."""


def certainly_later(record: Record, other: Record) -> bool:
    """Whether a record was certainly made after another one, whatever their numbers say."""
    timed = engine_time(record) is not None and engine_time(other) is not None
    return record_time(record) > record_time(other) + (CERTAINLY_LATER if timed else CERTAINLY_SENT_LATER)


class Reset(NamedTuple):
    """The venue has begun a market's numbers anew. Times in µs.

    Records before ``low`` are of before, those from ``high`` on of after it. In between, those whose number is below
    ``number`` are of after it. Where an engine tells the time, ``low`` and ``high`` are one instant.
    """

    low: int
    high: int
    number: int

    def precedes(self, time: int, number: int | None) -> bool:
        """Whether a record with this time and number was made after the restart."""
        return time >= self.high or (time >= self.low and number is not None and number < self.number)


Resets = Mapping[str, Sequence[Reset]]
"""The restarts of a day, by market; those that have none are left out."""


def epoch(restarts: Iterable[Reset], record: Record) -> int:
    """How often the venue had begun its numbers anew when a record was made."""
    number = None if isinstance(record, Trade) else sequence_id(record)  # trades have the engine's time
    return sum(restart.precedes(record_time(record), number) for restart in restarts)


class ObjectSpan(NamedTuple):
    """What the key of an object tells of it: the minute (µs) that it begins in, its first and its last number."""

    minute: int
    first: int
    last: int
    key: str = ""


class ObjectTimes(NamedTuple):
    """The times (µs) of an object's oldest and newest record; ``exact``: the engine's, the same in all copies.

    ``received`` stand for its records that only a collector's clock times: copies are known by what they are, however
    wrong that clock is.
    """

    begin: int
    end: int
    exact: bool
    received: frozenset[int] = frozenset()


Read = Callable[[ObjectSpan], ObjectTimes]
"""Tells the times of an object, which must be opened for it."""


def object_times(records: Sequence[Record]) -> ObjectTimes:
    """The times of an object's records, of which there must be one."""
    times = [record_time(record) for record in records]
    exact = all(engine_time(record) is not None for record in records)
    received = frozenset(hash(identity(record)) for record in records if record_time(record) == record.local_timestamp)
    return ObjectTimes(min(times), max(times), exact, received)


def find_resets(spans: Iterable[ObjectSpan], read: Read) -> tuple[Reset, ...]:
    """The restarts of one market's numbers, in the order of time.

    Objects that rise as the minutes do are not read: on an ordinary day, none. A restart is seen where numbers of the
    past come two minutes later, or all below those of before, and certainly later by the records' own times.
    """
    return tuple(parting.restart for parting in _partings(spans, read))


def by_epoch(spans: Iterable[ObjectSpan], read: Read) -> Iterator[list[ObjectSpan]]:
    """The objects of each era."""
    left = list(spans)
    for parting in _partings(left, read):
        yield parting.before
        left = parting.after
    yield left


class _Parting(NamedTuple):
    """A restart, the objects of the era that it ends, and those of all later ones."""

    restart: Reset
    before: list[ObjectSpan]
    after: list[ObjectSpan]


def _partings(spans: Iterable[ObjectSpan], read: Read) -> Iterator[_Parting]:
    left = list(spans)
    while (parting := _first(left, read)) is not None:
        yield parting
        left = parting.after


def _first(spans: Iterable[ObjectSpan], read: Read) -> _Parting | None:
    ordered = sorted(spans)
    for old, new in _falls(ordered):
        restart = _restart(old, new, ordered, read)
        if restart is None:
            continue
        after = {span for span in ordered if _comes_after(span, restart, old, read)}
        if new in after:  # else its key and its records contradict each other: a clock is wrong
            return _Parting(
                restart, [span for span in ordered if span not in after], [span for span in ordered if span in after]
            )
    return None


def _comes_after(span: ObjectSpan, restart: Reset, old: ObjectSpan, read: Read) -> bool:
    """``old`` is the object with the highest numbers of before: a venue may repeat these to a new subscriber."""
    if span.minute < restart.low - 2 * MINUTE:
        return False
    if span.minute >= restart.high and not _overlap(span, old):
        return True
    return restart.precedes(read(span).begin, span.first)


def _overlap(span: ObjectSpan, other: ObjectSpan) -> bool:
    return span.first <= other.last and other.first <= span.last


def _falls(ordered: Iterable[ObjectSpan]) -> Iterator[tuple[ObjectSpan, ObjectSpan]]:
    """Where the numbers seem to fall: the object with the highest ones so far, and a later one.

    A venue may repeat what was last to whoever subscribes: the very highest number again is no fall.
    """
    top: ObjectSpan | None = None
    for span in ordered:
        if top is not None:
            late = span.minute >= top.minute + 2 * MINUTE
            if span.last < top.first or (late and span.first < top.last):
                yield top, span
        if top is None or span.last > top.last:
            top = span


def _restart(old: ObjectSpan, new: ObjectSpan, ordered: Sequence[ObjectSpan], read: Read) -> Reset | None:
    """The restart between two objects; None unless one was certainly made after the other and all that goes on from it.

    The instant lies in the middle of what was not recorded, as does the number.
    """
    begin = read(new).begin
    near = [span for span in ordered if old.minute <= span.minute <= new.minute]
    before = [old, *(span for span in near if span.first > old.last and read(span).begin < begin)]
    end = max(read(span).end for span in before)
    exact = all(read(span).exact for span in (new, *before))
    if begin <= end + (CERTAINLY_LATER if exact else CERTAINLY_SENT_LATER):
        return None
    if _repeats(new, ordered, read):
        return None
    if not exact and new.last < old.first:
        low, high = end - CERTAINLY_SENT_LATER, begin
        around = [old, new, *(span for span in ordered if low - MINUTE < span.minute <= high)]
        middle = (new.last + old.first) // 2
        older = {span for span in around if span.minute < old.minute or span.first > middle or read(span).begin <= end}
        lowest = min(span.first for span in older)
        highest = max(span.last for span in {*around} - older)
        if highest < lowest:
            return Reset(low, high, (highest + lowest + 1) // 2)
    after = end if exact else end + CERTAINLY_LATER  # a copy by another clock is not news
    later = [read(span).begin for span in near if span.first < old.last]
    instant = (end + min(time for time in later if time > after) + 1) // 2
    return Reset(instant, instant, 0)


def _repeats(new: ObjectSpan, ordered: Iterable[ObjectSpan], read: Read) -> bool:
    """Whether an object holds copies of what stands before it: it was recorded by a clock that is wrong."""
    received = read(new).received
    return bool(received) and any(
        span < new and _overlap(span, new) and received & read(span).received for span in ordered
    )
