"""Resets: the exchange starts a market's numbers again from a lower one.

Collectors, handovers and readers see a reset where a record has a number of the past but was made after the newest
record: :func:`certainly_later`. Within a day, resets divide a market's records into *epochs*. In each of them the
numbers rise with the time. A record's time tells its epoch, and where only a connection's clock gives the time, its
number does. So all copies of a record are of one epoch, whoever received them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from booktape.model.records import MINUTE, SECOND, Record, Trade, engine_time, identity, record_time, sequence_id

CERTAINLY_LATER: Final = SECOND
"""By how much (µs) the engine's time of an older record can exceed that of a newer one: records come out of order."""

CERTAINLY_SENT_LATER: Final = MINUTE
"""The same for times of sending and of receipt, which are those of one connection: a copy may be as late as this."""


def certainly_later(record: Record, other: Record) -> bool:
    """Whether a record was certainly made after another one, whatever their numbers say.

    Where either has no engine time, the times compared are those of sending or of receipt.
    """
    timed = engine_time(record) is not None and engine_time(other) is not None
    return record_time(record) > record_time(other) + (CERTAINLY_LATER if timed else CERTAINLY_SENT_LATER)


class Reset(NamedTuple):
    """A reset of a market's numbers. Times in µs.

    Records before ``low`` are of the epoch before, records from ``high`` on of the epoch after. In between, records
    with a number below ``number`` are of the epoch after. Where all records have engine times, ``low`` equals ``high``.
    """

    low: int
    high: int
    number: int

    def precedes(self, time: int, number: int | None) -> bool:
        """Whether a record with this time and number was made after the reset."""
        return time >= self.high or (time >= self.low and number is not None and number < self.number)


Resets = Mapping[str, Sequence[Reset]]
"""The resets of a day, by market, without the markets that have none."""


def epoch(resets: Iterable[Reset], record: Record) -> int:
    """The number of resets before a record."""
    number = None if isinstance(record, Trade) else sequence_id(record)  # trades have the engine's time
    return sum(reset.precedes(record_time(record), number) for reset in resets)


class ObjectSpan(NamedTuple):
    """What an object's key shows: its minute (µs), and its first and last number, both inclusive."""

    minute: int
    first: int
    last: int
    key: str = ""


class ObjectTimes(NamedTuple):
    """The times (µs) of an object's oldest and newest record.

    ``exact``: all are engine times, the same in all copies. ``received``: hashes of the identity of the records that
    only a collector's clock times, by which copies are known however wrong that clock is.
    """

    begin: int
    end: int
    exact: bool
    received: frozenset[int] = frozenset()


Read = Callable[[ObjectSpan], ObjectTimes]
"""Opens an object and gives its times."""


def object_times(records: Sequence[Record]) -> ObjectTimes:
    """The times of an object's records, of which there must be at least one."""
    times = [record_time(record) for record in records]
    exact = all(engine_time(record) is not None for record in records)
    received = frozenset(hash(identity(record)) for record in records if record_time(record) == record.local_timestamp)
    return ObjectTimes(min(times), max(times), exact, received)


def find_resets(spans: Iterable[ObjectSpan], read: Read) -> tuple[Reset, ...]:
    """Find the resets of one market's numbers, in the order of time.

    An object whose numbers rise with its minute is not read: on an ordinary day, none is. A reset is where lower
    numbers come two minutes later, or all below those before, and were certainly made later by the records' own times.
    """
    return tuple(split.reset for split in _splits(spans, read))


def by_epoch(spans: Iterable[ObjectSpan], read: Read) -> Iterator[list[ObjectSpan]]:
    """Group one market's objects by epoch."""
    left = list(spans)
    for split in _splits(left, read):
        yield split.before
        left = split.after
    yield left


class _Split(NamedTuple):
    """A reset, the objects of the epoch that it ends, and those of all later epochs."""

    reset: Reset
    before: list[ObjectSpan]
    after: list[ObjectSpan]


def _splits(spans: Iterable[ObjectSpan], read: Read) -> Iterator[_Split]:
    left = list(spans)
    while (split := _first_split(left, read)) is not None:
        yield split
        left = split.after


def _first_split(spans: Iterable[ObjectSpan], read: Read) -> _Split | None:
    ordered = sorted(spans)
    for old, new in _falls(ordered):
        reset = _reset_between(old, new, ordered, read)
        if reset is None:
            continue
        after = {span for span in ordered if _comes_after(span, reset, old, read)}
        if new in after:  # else its key and its records contradict each other: a clock is wrong
            before = [span for span in ordered if span not in after]
            return _Split(reset, before, [span for span in ordered if span in after])
    return None


def _comes_after(span: ObjectSpan, reset: Reset, old: ObjectSpan, read: Read) -> bool:
    """``old`` holds the highest numbers before the reset: an exchange may repeat these to a new subscriber."""
    if span.minute < reset.low - 2 * MINUTE:
        return False
    if span.minute >= reset.high and not _overlap(span, old):
        return True
    return reset.precedes(read(span).begin, span.first)


def _overlap(span: ObjectSpan, other: ObjectSpan) -> bool:
    return span.first <= other.last and other.first <= span.last


def _falls(ordered: Iterable[ObjectSpan]) -> Iterator[tuple[ObjectSpan, ObjectSpan]]:
    """Where the numbers seem to fall: the object with the highest numbers so far, and a later one.

    An exchange may repeat its last record to each subscriber: the very highest number again is no fall.
    """
    top: ObjectSpan | None = None
    for span in ordered:
        if top is not None:
            late = span.minute >= top.minute + 2 * MINUTE
            if span.last < top.first or (late and span.first < top.last):
                yield top, span
        if top is None or span.last > top.last:
            top = span


def _reset_between(old: ObjectSpan, new: ObjectSpan, ordered: Sequence[ObjectSpan], read: Read) -> Reset | None:
    """The reset between two objects; None unless one was certainly made after the other and all that continues it.

    The instant and the number lie in the middle of what was not recorded.
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
    """Whether an object holds copies of records stored before it: it was recorded by a clock that is wrong."""
    received = read(new).received
    return bool(received) and any(
        span < new and _overlap(span, new) and received & read(span).received for span in ordered
    )
