"""Finds by listing what the systems' storage holds of a day: objects, uptime logs, and the markets that they are of.

A market is in the day's certificate if anything shows that it was to be recorded: an object of the day, of the day
before or of the day after it, or a line of an uptime log of the day.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Final

from msgspec import structs

from booktape.exchanges.spec import Channel
from booktape.integrity.ordering import first_place
from booktape.integrity.uptime_log import readable_lines
from booktape.merge import Merge, MergeFailedError, epochs, inputs
from booktape.merge.inputs import MergeInputs, Systems
from booktape.merge.statement import stored_types
from booktape.merge.tables import SYSTEMS, systems_of
from booktape.model.records import MINUTE, SECOND
from booktape.model.resets import Resets
from booktape.model.sequence import placed_by_number
from booktape.model.timestamps import day_interval
from booktape.model.uptime import StreamUptime
from booktape.store.layout import (
    BatchKey,
    InvalidKeyError,
    day_prefix,
    exchange_prefix,
    month_prefix,
    parse_batch_key,
    partition_values,
)
from booktape.store.objects import Store

_AT_ONCE: Final = 32
_REST: Final = SYSTEMS.index("rest")
_MOST_DAYS: Final = 7
"""How many days away records are searched for where a market's day, or the days around it, have none."""

_ALL_MARKETS: Final = "*"
"""The market of log lines about a subscription to all markets at once."""

UptimeLogs = Mapping[str, Mapping[tuple[str, str], list[StreamUptime]]]
"""The lines of the uptime logs by market, and by system and instance."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One stored object: its parsed key, the number of its system, and where it is stored."""

    key: BatchKey
    system: int
    store: Store
    path: str


@dataclass(frozen=True, slots=True)
class StoredDay:
    """What storage holds of a day.

    :param objects: the objects that the merge reads, by market.
    :param before: the last id in the keys of the day before, by market: None where these have no ids. A market without
        objects on that day is left out.
    :param uptime_logs: the lines about the day and the hours around it.
    :param resets: the sequence resets within the day, by market.
    """

    systems: Systems
    merge: Merge
    channel: Channel
    objects: Mapping[str, list[ObjectRef]]
    before: Mapping[str, int | None]
    uptime_logs: UptimeLogs
    resets: Resets

    @property
    def markets(self) -> list[str]:
        """The markets that were to be recorded, sorted."""
        logged = (
            name
            for name, instances in self.uptime_logs.items()
            if name != _ALL_MARKETS and _is_logged(instances, self.merge.day)
        )
        return sorted({*self.objects, *self.before, *logged})

    def last_id_before(self, market: str, around: list[ObjectRef]) -> int | None:
        """Return the last id known from before the day; None without one, or where the venue reset its ids since.

        :param around: the objects of the day and of the day after it.
        """
        numbered = [one.key for one in around if self._is_numbered(one.key)]
        if not numbered:
            return None
        before = self.before.get(market)
        if before is None and not self._has_objects(market):
            before = max((one.key.last for one in self._nearest(market, -1)), default=None)
        return before if before is not None and before <= max(key.last for key in numbered) else None

    def next_objects(self, market: str) -> list[ObjectRef]:
        """Return the first objects of a later day, where neither the day nor the day after it has numbered ones."""
        if self._has_objects(market) or any(self._is_numbered(one.key) for one in self.objects.get(market, ())):
            return []
        found = self._nearest(market, 1)
        first = min((self._first_place(one) for one in found), default=0)
        return [one for one in found if self._first_place(one) == first]

    def uptime_lines(self, market: str) -> list[list[StreamUptime]]:
        """Return the lines of each instance about a market's stream, those about all markets included.

        A system that recorded something of the market without logging it counts as an instance without lines.
        """
        own, wide = self.uptime_logs.get(market, {}), self.uptime_logs.get(_ALL_MARKETS, {})
        lines = [own.get(instance, []) + wide.get(instance, []) for instance in sorted({*own, *wide})]
        recorded = {SYSTEMS[one.system] for one in self.objects.get(market, ()) if one.system != _REST}
        return lines + [[] for _ in recorded - {system for system, _ in (*own, *wide)}]

    def _has_objects(self, market: str) -> bool:
        """Whether the day itself has an object whose records are numbered."""
        return any(
            date_of(one.key) == self.merge.day and self._is_numbered(one.key) for one in self.objects.get(market, ())
        )

    def _is_numbered(self, key: BatchKey) -> bool:
        kind = recorded_type(self.merge, self.channel)
        return key.data_type == kind and placed_by_number(kind, self.channel.rule, key.first, key.minute)

    def _first_place(self, one: ObjectRef) -> int:
        return first_place(one.key.data_type, self.channel.rule, one.key)

    def _nearest(self, market: str, direction: int) -> list[ObjectRef]:
        """Find a market's numbered objects on the nearest day that has objects, two days away or more.

        :param direction: -1 for days before, 1 for days after.
        """
        kind = recorded_type(self.merge, self.channel)
        near = [self.merge.day + direction * timedelta(days=days) for days in range(2, _MOST_DAYS + 1)]
        months = {month_prefix(kind, self.merge.exchange, market, day) for day in near}
        folders = {
            f"{month}{folder}/"
            for system, month in product(systems_of(kind), months)
            if (store := self.systems.get(system)) is not None
            for folder in store.folders(month)
        }
        day = next((day for day in near if day_prefix(kind, self.merge.exchange, market, day) in folders), None)
        if day is None:
            return []
        found = [
            one for name in systems_of(kind) for one in _objects(self.systems, self.merge, kind, name, market, day)
        ]
        return [one for one in found if self._is_numbered(one.key)]


def find_stored_day(systems: Systems, merge: Merge, channel: Channel, pairs: list[str]) -> StoredDay:
    """Find what storage holds of a day.

    :param pairs: the markets that any system has stored, whatever the day.
    :raises MergeFailedError: an object has a key that cannot be parsed.
    """
    found = inputs.find_inputs(systems, merge, pairs)
    return StoredDay(
        systems,
        merge,
        channel,
        _merged_objects(found),
        _before(systems, merge, channel),
        _uptime_logs(systems, merge, channel),
        epochs.find_merge_resets(merge, found),
    )


def recorded_type(merge: Merge, channel: Channel) -> str:
    """Return the stored data type that the channel's rule is about: of a book its updates, unless it has none."""
    return next((kind for kind in stored_types(merge.data_type) if kind in channel.data_types), merge.data_type)


def date_of(key: BatchKey) -> date:
    """Return the day of the partition that an object is in."""
    return datetime.fromtimestamp(key.minute // SECOND, UTC).date()


def _merged_objects(objects: Iterable[MergeInputs]) -> dict[str, list[ObjectRef]]:
    found: defaultdict[str, list[ObjectRef]] = defaultdict(list)
    for one in objects:
        system = SYSTEMS.index(one.system)
        for item in one.objects:
            try:
                key = parse_batch_key(item.key)
            except InvalidKeyError as error:
                raise MergeFailedError(f"{one.store.url}: {error}") from error
            found[key.market].append(ObjectRef(key, system, one.store, item.key))
    return found


def _before(systems: Systems, merge: Merge, channel: Channel) -> dict[str, int | None]:
    kind, day = recorded_type(merge, channel), merge.day - timedelta(days=1)

    def last(stored: tuple[str, str]) -> tuple[str, bool, int | None]:
        name, market = stored
        keys = [found.key for found in _objects(systems, merge, kind, name, market, day)]
        newest = max((key.minute for key in keys), default=0) - MINUTE  # earlier ids may belong to another epoch
        last_ones = (key for key in keys if key.minute >= newest)
        numbers = (
            key.last for key in last_ones if placed_by_number(key.data_type, channel.rule, key.first, key.minute)
        )
        return market, bool(keys), max(numbers, default=None)

    markets = [
        (name, market)
        for name in systems_of(kind)
        if (store := systems.get(name)) is not None
        for market in partition_values(store.folders(exchange_prefix(kind, merge.exchange)), "pair")
    ]
    lasts: defaultdict[str, list[int]] = defaultdict(list)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for market, has_objects, number in pool.map(last, markets):
            if has_objects:
                lasts[market] += [number] if number is not None else []
    return {market: max(numbers, default=None) for market, numbers in lasts.items()}


def _objects(systems: Systems, merge: Merge, kind: str, system: str, market: str, day: date) -> Iterator[ObjectRef]:
    """Yield one system's objects of one data type of a market's day."""
    store = systems.get(system)
    if store is None:
        return
    for item in store.objects(day_prefix(kind, merge.exchange, market, day)):
        try:
            yield ObjectRef(parse_batch_key(item.key), SYSTEMS.index(system), store, item.key)
        except InvalidKeyError:  # the merge of that day reports it
            continue


def _is_logged(instances: Mapping[tuple[str, str], list[StreamUptime]], day: date) -> bool:
    """Whether an instance was responsible for a stream on a day. A line without length only lists what was written."""
    begin, end = day_interval(day)
    lines = (line for lines in instances.values() for line in lines)
    return any(max(line.start, begin) < min(line.end, end) for line in lines)


def _uptime_logs(systems: Systems, merge: Merge, channel: Channel) -> UptimeLogs:
    """Read the lines about the day's streams and the hours around it."""
    data_type = recorded_type(merge, channel)
    found: defaultdict[str, defaultdict[tuple[str, str], list[StreamUptime]]] = defaultdict(lambda: defaultdict(list))
    for name in SYSTEMS:
        store = systems.get(name)
        if store is None:
            continue
        for line in readable_lines(store, merge.exchange, merge.day):
            if line.data_type == data_type:
                found[line.market][name, line.instance].append(structs.replace(line, batches=[]))
    return found
