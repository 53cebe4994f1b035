"""Redundancy, seen: which instances of a system wrote the same batches of a day. From the ledger: no batch is read."""

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
"""A minute is judged when the segments that follow begin so much later: nobody tells of it any more."""

_MOST_TROUBLED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one instance's batches, how many another instance wrote as well, to the digest (``identical``).

    ``disagreed``: another one wrote a batch of the same minute that overlaps it and is another. That may be a mere cut
    (one began in mid-minute, or missed something); where even first and last are the same, something is wrong with what
    one of them understood (``conflicting``, a part of them). ``alone``: nobody else wrote anything like it.
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
        """The share that another instance wrote identically, in decimals."""
        millionths = self.identical * 1_000_000 // self.batches if self.batches else 0
        return f"{millionths // 1_000_000}.{millionths % 1_000_000:06d}"


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute (µs) of one stream: what each instance wrote. ``collided`` copies came second, and were no-ops."""

    data_type: str
    market: str
    minute: int
    collided: int
    instances: Mapping[str, Counts]

    @property
    def disagreed(self) -> int:
        """How many batches overlap another instance's without being the same."""
        return sum(counts.disagreed for counts in self.instances.values())


@dataclass
class Redundancy:
    """A day of one exchange in one system.

    ``legs`` by data type and instance. ``covered``: for how many µs of the day an instance's ledger tells anything; the
    rest of it is unknown. ``troubled``: the first minutes in which instances disagreed.
    """

    exchange: str
    day: date
    legs: dict[tuple[str, str], Counts] = field(default_factory=dict)
    covered: dict[str, int] = field(default_factory=dict)
    troubled: list[Minute] = field(default_factory=list)


def redundancy(store: Store, exchange: str, day: date) -> Redundancy:
    """Read one system's ledger of a day. Raises :class:`~booktape.integrity.uptime_log.InvalidSegmentError`."""
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
"""What each instance told of one minute of one stream."""


def minutes(told: Iterable[tuple[SegmentKey, list[StreamUptime]]], day: date) -> Iterator[Minute]:
    """Each minute of each stream of a day, from segments in the order in which they began."""
    first, last = day_interval(day)
    waiting: defaultdict[int, dict[Stream, WrittenByInstance]] = defaultdict(dict)
    for key, lines in told:
        for minute in sorted(minute for minute in waiting if minute + MINUTE + _OPEN < key.start):
            yield from _judged(minute, waiting.pop(minute))
        for line in lines:
            stream = line.data_type, line.market
            for batch in line.batches:
                if first <= batch.minute < last:
                    waiting[batch.minute].setdefault(stream, {}).setdefault(line.instance, set()).add(batch)
    for minute in sorted(waiting):
        yield from _judged(minute, waiting[minute])


def _judged(minute: int, streams: Mapping[Stream, WrittenByInstance]) -> Iterator[Minute]:
    for (data_type, market), told in sorted(streams.items()):
        every = set().union(*told.values())
        collided = sum(map(len, told.values())) - len(every)
        instances = {name: _counts(name, told, every) for name in sorted(told)}
        yield Minute(data_type, market, minute, collided, instances)


def _counts(instance: str, told: WrittenByInstance, every: set[WrittenBatch]) -> Counts:
    own = told[instance]
    if len(told) > 1 and all(batches == every for batches in told.values()):  # nearly always
        return Counts(batches=len(own), identical=len(own))
    others = set().union(*(batches for name, batches in told.items() if name != instance))
    return sum((_count(batch, others) for batch in own), Counts())


def _count(batch: WrittenBatch, others: set[WrittenBatch]) -> Counts:
    if batch in others:
        return Counts(batches=1, identical=1)
    overlapping = [other for other in others if other.first <= batch.last and batch.first <= other.last]
    if not overlapping:
        return Counts(batches=1, alone=1)
    same = any((other.first, other.last) == (batch.first, batch.last) for other in overlapping)
    return Counts(batches=1, disagreed=1, conflicting=int(same))
