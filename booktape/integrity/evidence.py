"""What the systems' storage holds of a day, found by listing: objects, ledgers, and the markets that these speak of.

A market stands in the day's certificate if anything says that it was to be recorded: an object of the day or of the day
before or after it, or a ledger's line of the day.
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
from booktape.integrity.audit import SYSTEMS
from booktape.integrity.ordering import begins_epoch
from booktape.integrity.uptime_log import day_start, readable_lines
from booktape.merge import Merge, MergeFailedError, epochs, inputs
from booktape.merge.inputs import MergeInputs, Systems
from booktape.merge.statement import stored_types
from booktape.merge.tables import systems_of
from booktape.model.records import MINUTE, SECOND
from booktape.model.resets import Resets
from booktape.model.sequence import placed_by_number
from booktape.model.uptime import StreamUptime
from booktape.store.layout import BatchKey, InvalidKeyError, day_prefix, exchange_prefix, month_prefix, parse_batch_key
from booktape.store.objects import Store

_AT_ONCE: Final = 32
_REST: Final = SYSTEMS.index("rest")
_PAIR: Final = "pair="
_FAR: Final = 7
"""How many days away the neighbours of a market's lost days are looked for."""

_EVERY: Final = "*"
"""The market of a ledger's lines about a subscription to all markets at once."""

Ledgers = Mapping[str, Mapping[tuple[str, str], list[StreamUptime]]]
"""The ledgers' lines by market, and by system and instance."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One stored object."""

    key: BatchKey
    system: int
    store: Store
    path: str


@dataclass(frozen=True, slots=True)
class StoredDay:
    """What storage holds of a day.

    ``places`` are the objects that the merge reads, by market. ``before`` has the markets that the day before has
    objects of, each with the last number in their keys, None where these are not numbers. ``restarts``: where markets'
    numbers began anew.
    """

    systems: Systems
    merge: Merge
    channel: Channel
    places: Mapping[str, list[ObjectRef]]
    before: Mapping[str, int | None]
    ledgers: Ledgers
    restarts: Resets

    @property
    def markets(self) -> list[str]:
        """The markets that were to be recorded, sorted."""
        told = (
            name for name, instances in self.ledgers.items() if name != _EVERY and _is_told(instances, self.merge.day)
        )
        return sorted({*self.places, *self.before, *told})

    def numbers_before(self, market: str, around: list[ObjectRef]) -> int | None:
        """The last number that is known from before the day; None where there is none, or where ids have begun anew.

        :param around: the objects of the day and of the day after it.
        """
        numbered = [place.key for place in around if self._is_numbered(place.key)]
        if not numbered:
            return None
        before = self.before.get(market)
        if before is None and not self._has_objects(market):
            before = max((place.key.last for place in self._nearest(market, -1)), default=None)
        return before if before is not None and before <= max(key.last for key in numbered) else None

    def next_ones(self, market: str) -> list[ObjectRef]:
        """The first objects of the nearest day after the next, where a market's numbers of these two are lost."""
        if self._has_objects(market) or any(self._is_numbered(place.key) for place in self.places.get(market, ())):
            return []
        found = self._nearest(market, 1)
        first = min((self._begins(place) for place in found), default=0)
        return [place for place in found if self._begins(place) == first]

    def of_market(self, market: str) -> list[list[StreamUptime]]:
        """The lines of each instance about a market's stream, those about all markets included.

        Without any for a system that recorded something of the market, and whose ledger tells nothing of it.
        """
        own, wide = self.ledgers.get(market, {}), self.ledgers.get(_EVERY, {})
        told = [own.get(instance, []) + wide.get(instance, []) for instance in sorted({*own, *wide})]
        recorded = {SYSTEMS[place.system] for place in self.places.get(market, ()) if place.system != _REST}
        return told + [[] for _ in recorded - {system for system, _ in (*own, *wide)}]

    def _has_objects(self, market: str) -> bool:
        """Whether the day itself has an object whose records are numbered."""
        return any(
            date_of(place.key) == self.merge.day and self._is_numbered(place.key)
            for place in self.places.get(market, ())
        )

    def _is_numbered(self, key: BatchKey) -> bool:
        kind = recorded_type(self.merge, self.channel)
        return key.data_type == kind and placed_by_number(kind, self.channel.rule, key.first, key.minute)

    def _begins(self, place: ObjectRef) -> int:
        return begins_epoch(place.key.data_type, self.channel.rule, place.key)

    def _nearest(self, market: str, direction: int) -> list[ObjectRef]:
        """A market's numbered objects of the nearest day that has any, beyond the neighbouring one: before it (-1) or
        after it (1)."""
        kind = recorded_type(self.merge, self.channel)
        near = [self.merge.day + direction * timedelta(days=days) for days in range(2, _FAR + 1)]
        months = {month_prefix(kind, self.merge.exchange, market, day) for day in near}
        there = {
            f"{month}{folder}/"
            for system, month in product(systems_of(kind), months)
            if (store := self.systems.get(system)) is not None
            for folder in store.folders(month)
        }
        day = next((day for day in near if day_prefix(kind, self.merge.exchange, market, day) in there), None)
        if day is None:
            return []
        found = [
            place for name in systems_of(kind) for place in _of_day(self.systems, self.merge, kind, name, market, day)
        ]
        return [place for place in found if self._is_numbered(place.key)]


def find_evidence(systems: Systems, merge: Merge, channel: Channel, pairs: list[str]) -> StoredDay:
    """Find what storage holds of a day of some markets.
    Raises :class:`~booktape.merge.MergeFailedError`: a strange key."""
    found = inputs.find_inputs(systems, merge, pairs)
    return StoredDay(
        systems,
        merge,
        channel,
        _places(found),
        _before(systems, merge, channel),
        _ledgers(systems, merge, channel),
        epochs.find_merge_resets(merge, found),
    )


def recorded_type(merge: Merge, channel: Channel) -> str:
    """The stored data type that the channel's rule is about: of a book its updates, unless it has none."""
    return next((kind for kind in stored_types(merge.data_type) if kind in channel.data_types), merge.data_type)


def date_of(key: BatchKey) -> date:
    """The day of the partition that an object lies in."""
    return datetime.fromtimestamp(key.minute // SECOND, UTC).date()


def _places(objects: Iterable[MergeInputs]) -> dict[str, list[ObjectRef]]:
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

    def last(place: tuple[str, str]) -> tuple[str, bool, int | None]:
        name, market = place
        keys = [found.key for found in _of_day(systems, merge, kind, name, market, day)]
        newest = max((key.minute for key in keys), default=0) - MINUTE  # numbers of before may have been of another era
        last_ones = (key for key in keys if key.minute >= newest)
        numbers = (
            key.last for key in last_ones if placed_by_number(key.data_type, channel.rule, key.first, key.minute)
        )
        return market, bool(keys), max(numbers, default=None)

    there = [
        (name, folder.removeprefix(_PAIR))
        for name in systems_of(kind)
        if (store := systems.get(name)) is not None
        for folder in store.folders(exchange_prefix(kind, merge.exchange))
        if folder.startswith(_PAIR)
    ]
    lasts: defaultdict[str, list[int]] = defaultdict(list)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for market, has_objects, number in pool.map(last, there):
            if has_objects:
                lasts[market] += [number] if number is not None else []
    return {market: max(numbers, default=None) for market, numbers in lasts.items()}


def _of_day(systems: Systems, merge: Merge, kind: str, system: str, market: str, day: date) -> Iterator[ObjectRef]:
    """One system's objects of one data type of a market's day."""
    store = systems.get(system)
    if store is None:
        return
    for item in store.objects(day_prefix(kind, merge.exchange, market, day)):
        try:
            yield ObjectRef(parse_batch_key(item.key), SYSTEMS.index(system), store, item.key)
        except InvalidKeyError:  # not one of ours; the merge of that day names it
            continue


def _is_told(instances: Mapping[tuple[str, str], list[StreamUptime]], day: date) -> bool:
    """Whether somebody was responsible for a stream on a day; a line may only tell what was written before."""
    begin, end = day_start(day)
    lines = (line for lines in instances.values() for line in lines)
    return any(max(line.start, begin) < min(line.end, end) for line in lines)


def _ledgers(systems: Systems, merge: Merge, channel: Channel) -> Ledgers:
    """The lines about the day's streams and the hours around it, by market and by instance."""
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
