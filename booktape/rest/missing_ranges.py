"""The numbers that none of several systems has of a day's trades, told by the keys of their objects alone.

Only where the venue numbers trades by one (the rules ``contiguous`` and ``sequenced``): there, a key's ``first`` and
``last`` say that its object holds every number between them. Where a venue has begun its numbers anew, each era has
holes of its own; objects are opened only there.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from itertools import pairwise
from typing import Final, NamedTuple

from booktape.model import codec
from booktape.model.codec import CorruptObjectError
from booktape.model.records import DAY, MINUTE, SECOND, TRADES
from booktape.model.resets import ObjectSpan, ObjectTimes, by_epoch, object_times
from booktape.store.layout import InvalidKeyError, day_prefix, exchange_prefix, parse_batch_key
from booktape.store.objects import ObjectNotFoundError, Store

_AT_ONCE: Final = 32
_PAIR: Final = "pair="


class IdRun(NamedTuple):
    """An object that holds the numbers ``first..last``, and the minute (µs) that it begins in."""

    first: int
    last: int
    minute: int
    system: str = ""
    key: str = ""


class MissingIds(NamedTuple):
    """Numbers that nobody has, both ends included, and the objects that hold the numbers just before and after."""

    first: int
    last: int
    left: IdRun
    right: IdRun

    @property
    def size(self) -> int:
        """How many numbers are missing."""
        return self.last - self.first + 1


def missing_between(runs: Iterable[IdRun], day: date) -> list[MissingIds]:
    """The holes between the runs of one market that touch a day (UTC), in the order of their numbers.

    Runs of the days around it show what is missing at the day's edges; before the first run and after the last one,
    nobody can know. Where a higher number is older, the venue began again from a lower one: that is no hole.
    """
    begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
    return [
        MissingIds(left.last + 1, right.first - 1, left, right)
        for (_, left), (right, _) in pairwise(_stretches(runs))
        if left.minute <= right.minute + MINUTE and left.minute < begin + DAY and right.minute >= begin
    ]


def _stretches(runs: Iterable[IdRun]) -> Iterator[tuple[IdRun, IdRun]]:
    """What the runs cover together: of each stretch without a hole the first run and the one that reaches farthest."""
    begin: IdRun | None = None
    end: IdRun | None = None
    for run in sorted(runs):
        if begin is None or end is None:
            begin = end = run
        elif run.first > end.last + 1:
            yield begin, end
            begin = end = run
        elif run.last > end.last:
            end = run
    if begin is not None and end is not None:
        yield begin, end


def find_missing(systems: Mapping[str, Store], exchange: str, day: date) -> Iterator[tuple[str, list[MissingIds]]]:
    """Every market that any system has, and its holes. Lists keys, opens nothing; one market's keys are held at a time.

    Raises what :meth:`~booktape.store.objects.Store.objects` raises.
    """
    stores = systems.values()
    names = {name for store in stores for name in store.folders(exchange_prefix(TRADES, exchange))}
    markets = sorted(name.removeprefix(_PAIR) for name in names if name.startswith(_PAIR))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from zip(markets, pool.map(partial(_of_market, systems, exchange, day), markets), strict=True)


def _of_market(systems: Mapping[str, Store], exchange: str, day: date, market: str) -> list[MissingIds]:
    runs: defaultdict[ObjectSpan, list[IdRun]] = defaultdict(list)
    for run in _runs(systems, exchange, day, market):
        runs[ObjectSpan(run.minute, run.first, run.last, run.key)].append(run)

    @cache
    def read(span: ObjectSpan) -> ObjectTimes:
        return _times(systems[runs[span][0].system], span)

    return [
        hole
        for spans in by_epoch(runs, read)
        for hole in missing_between((run for span in spans for run in runs[span]), day)
    ]


def _times(store: Store, span: ObjectSpan) -> ObjectTimes:
    """The times of an object's records; those of its minute where it cannot be read: the merge says so."""
    try:
        return object_times(codec.decode_records(TRADES, store.read(span.key)))
    except (CorruptObjectError, ObjectNotFoundError, ValueError):
        return ObjectTimes(span.minute, span.minute + MINUTE - 1, exact=True)


def _runs(systems: Mapping[str, Store], exchange: str, day: date, market: str) -> Iterator[IdRun]:
    for system, store in systems.items():
        for days in (-1, 0, 1):
            for found in store.objects(day_prefix(TRADES, exchange, market, day + timedelta(days=days))):
                try:
                    key = parse_batch_key(found.key)
                except InvalidKeyError:  # not one of ours; the merge names it
                    continue
                yield IdRun(key.first, key.last, key.minute, system, found.key)
