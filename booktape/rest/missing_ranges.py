"""Finds the ids of a day's trades that no system has, from the keys of the stored objects.

This works for venues whose trade ids are consecutive (the rules ``contiguous`` and ``sequenced``): there an object
holds every id between the ``first`` and the ``last`` of its key. If a venue has reset its ids, each epoch has missing
ranges of its own; only then objects are read.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import cache, partial
from itertools import pairwise
from typing import Final, NamedTuple

from booktape.model import codec
from booktape.model.codec import CorruptObjectError
from booktape.model.gap import Gap, GapUnit
from booktape.model.records import DAY, MINUTE, TRADES
from booktape.model.resets import ObjectSpan, ObjectTimes, by_epoch, object_times
from booktape.model.timestamps import midnight
from booktape.store.layout import InvalidKeyError, day_prefix, exchange_prefix, parse_batch_key
from booktape.store.objects import ObjectNotFoundError, Store

_THREADS: Final = 32
_PAIR: Final = "pair="


class IdRun(NamedTuple):
    """An object that holds the ids ``first`` to ``last``, both inclusive, and the minute (µs) in which it begins."""

    first: int
    last: int
    minute: int
    system: str = ""
    key: str = ""


class GapNeighbors(NamedTuple):
    """The objects that hold the ids just before and just after a gap."""

    left: IdRun
    right: IdRun

    @property
    def gap(self) -> Gap:
        """The ids between the two objects. The times around them are exact to the minute: keys show no more."""
        ids = self.left.last + 1, self.right.first - 1
        return Gap(GapUnit.ID, *ids, data_type=TRADES, after=self.left.minute, before=self.right.minute + MINUTE)


def missing_between(runs: Iterable[IdRun], day: date) -> list[GapNeighbors]:
    """The missing ranges of one market that touch a day (UTC), in order of id.

    Runs of the neighbouring days show what is missing at the day's ends. Nothing shows what is missing before the first
    run and after the last. If a higher id is older than a lower one, the venue has reset its ids: nothing is missing
    between the two.
    """
    begin = midnight(day)
    return [
        GapNeighbors(left, right)
        for (_, left), (right, _) in pairwise(_covered_ranges(runs))
        if left.minute <= right.minute + MINUTE and left.minute < begin + DAY and right.minute >= begin
    ]


def _covered_ranges(runs: Iterable[IdRun]) -> Iterator[tuple[IdRun, IdRun]]:
    """The ranges of ids that the runs cover together: for each its first run and the run with its last id."""
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


def find_missing(systems: Mapping[str, Store], exchange: str, day: date) -> Iterator[tuple[str, list[GapNeighbors]]]:
    """Each market that any system has, and its missing ranges. The keys of a few markets are in memory at a time.

    Raises what :meth:`~booktape.store.objects.Store.objects` raises.
    """
    stores = systems.values()
    names = {name for store in stores for name in store.folders(exchange_prefix(TRADES, exchange))}
    markets = sorted(name.removeprefix(_PAIR) for name in names if name.startswith(_PAIR))
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from zip(markets, pool.map(partial(_of_market, systems, exchange, day), markets), strict=True)


def _of_market(systems: Mapping[str, Store], exchange: str, day: date, market: str) -> list[GapNeighbors]:
    runs: defaultdict[ObjectSpan, list[IdRun]] = defaultdict(list)
    for run in _runs(systems, exchange, day, market):
        runs[ObjectSpan(run.minute, run.first, run.last, run.key)].append(run)

    @cache
    def read(span: ObjectSpan) -> ObjectTimes:
        return _times(systems[runs[span][0].system], span)

    return [
        missing
        for spans in by_epoch(runs, read)
        for missing in missing_between((run for span in spans for run in runs[span]), day)
    ]


def _times(store: Store, span: ObjectSpan) -> ObjectTimes:
    """The times of an object's records; if it cannot be read, those of its minute. The merge reports such an object."""
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
                except InvalidKeyError:  # not a batch; the merge reports it
                    continue
                yield IdRun(key.first, key.last, key.minute, system, found.key)
