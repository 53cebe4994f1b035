"""Compares the instances of a system: which of them wrote the same batches of a day.

The uptime logs list the batches. No batch is read.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from booktape.integrity.uptime_log import read_segments
from booktape.model.intervals import Interval, intersection, total_length
from booktape.model.records import MINUTE
from booktape.model.timestamps import day_interval
from booktape.model.uptime import StreamUptime, WrittenBatch
from booktape.store.layout import SegmentKey
from booktape.store.objects import Store

_OPEN: Final = 60 * MINUTE
"""How much later (µs) than a minute segments must begin so that no more batches of it can follow."""

_MOST_TROUBLED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Counts:
    """The batches of one instance, compared to those of the others.

    ``identical``: another instance wrote the same batch, with the same digest. ``disagreed``: another one wrote a
    different batch of the same minute that overlaps it. One of them may have begun within the minute, or missed
    something. ``conflicting`` is the part of these with the same first and last id: one of the instances misread
    something. ``alone``: no other instance wrote a batch that overlaps it.
    """

    batches: int = 0
    identical: int = 0
    disagreed: int = 0
    conflicting: int = 0
    alone: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.batches + other.batches,
            self.identical + other.identical,
            self.disagreed + other.disagreed,
            self.conflicting + other.conflicting,
            self.alone + other.alone,
        )

    @property
    def share(self) -> str:
        """The share that another instance wrote identically, as decimal text with six digits."""
        millionths = self.identical * 1_000_000 // self.batches if self.batches else 0
        return f"{millionths // 1_000_000}.{millionths % 1_000_000:06d}"


@dataclass(frozen=True, slots=True)
class Minute:
    """What each instance wrote of one minute (µs) of one stream.

    ``collided`` batches were written second, and not stored again.
    """

    data_type: str
    market: str
    minute: int
    collided: int
    instances: Mapping[str, Counts]

    @property
    def disagreed(self) -> int:
        """The number of batches that overlap another instance's and differ from it."""
        return sum(counts.disagreed for counts in self.instances.values())


@dataclass
class Redundancy:
    """A day of one exchange in one system.

    ``legs`` by data type and instance. ``covered``: how many µs of the day an instance's uptime log covers; the rest is
    unknown. ``troubled``: the first minutes in which instances disagreed.
    """

    exchange: str
    day: date
    legs: dict[tuple[str, str], Counts] = field(default_factory=dict)
    covered: dict[str, int] = field(default_factory=dict)
    troubled: list[Minute] = field(default_factory=list)


def redundancy(store: Store, exchange: str, day: date) -> Redundancy:
    """Compare the instances of one system on a day.

    :raises InvalidSegmentError: a segment of the uptime log cannot be read.
    """
    found = Redundancy(exchange, day)
    spans: defaultdict[str, list[Interval]] = defaultdict(list)

    def read() -> Iterator[tuple[SegmentKey, list[StreamUptime]]]:
        for key, lines in read_segments(store, exchange, day):
            spans[key.instance] += (
                [(min(line.start for line in lines), max(line.end for line in lines))] if lines else []
            )
            yield key, lines

    legs: defaultdict[tuple[str, str], Counts] = defaultdict(Counts)
    for minute in minutes(read(), day):
        for instance, counts in minute.instances.items():
            legs[minute.data_type, instance] += counts
        if minute.disagreed and len(found.troubled) < _MOST_TROUBLED:
            found.troubled.append(minute)
    found.legs = dict(sorted(legs.items()))
    found.covered = {
        name: total_length(intersection(span, [day_interval(day)])) for name, span in sorted(spans.items())
    }
    return found


Stream = tuple[str, str]
WrittenByInstance = dict[str, set[WrittenBatch]]
"""The batches that each instance wrote of one minute of one stream."""


def minutes(segments: Iterable[tuple[SegmentKey, list[StreamUptime]]], day: date) -> Iterator[Minute]:
    """Yield each minute of each stream of a day.

    :param segments: the segments of the uptime log, in the order in which they began.
    """
    first, last = day_interval(day)
    waiting: defaultdict[int, dict[Stream, WrittenByInstance]] = defaultdict(dict)
    for key, lines in segments:
        for minute in sorted(minute for minute in waiting if minute + MINUTE + _OPEN < key.start):
            yield from _compared(minute, waiting.pop(minute))
        for line in lines:
            stream = line.data_type, line.market
            for batch in line.batches:
                if first <= batch.minute < last:
                    waiting[batch.minute].setdefault(stream, {}).setdefault(line.instance, set()).add(batch)
    for minute in sorted(waiting):
        yield from _compared(minute, waiting[minute])


def _compared(minute: int, streams: Mapping[Stream, WrittenByInstance]) -> Iterator[Minute]:
    for (data_type, market), written in sorted(streams.items()):
        every = set().union(*written.values())
        collided = sum(map(len, written.values())) - len(every)
        instances = {name: _counts(name, written, every) for name in sorted(written)}
        yield Minute(data_type, market, minute, collided, instances)


def _counts(instance: str, written: WrittenByInstance, every: set[WrittenBatch]) -> Counts:
    own = written[instance]
    if len(written) > 1 and all(batches == every for batches in written.values()):  # nearly always
        return Counts(batches=len(own), identical=len(own))
    others = set().union(*(batches for name, batches in written.items() if name != instance))
    return sum((_count(batch, others) for batch in own), Counts())


def _count(batch: WrittenBatch, others: set[WrittenBatch]) -> Counts:
    if batch in others:
        return Counts(batches=1, identical=1)
    overlapping = [other for other in others if other.first <= batch.last and batch.first <= other.last]
    if not overlapping:
        return Counts(batches=1, alone=1)
    same = any((other.first, other.last) == (batch.first, batch.last) for other in overlapping)
    return Counts(batches=1, disagreed=1, conflicting=int(same))
