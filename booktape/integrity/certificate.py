"""The certificate of a day, from the stored objects and ledgers: read market by market, in bounded memory.

What is told here is computed from the recordings in Python, and does not look at the merged file; what was found in
that file, which SQL wrote, is then held against it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from msgspec import structs

import booktape
from booktape.core import codec, ledger
from booktape.core.codec import CorruptObject
from booktape.core.csv import PUBLISHED
from booktape.core.keys import BadKey, Key, day_prefix, parse_key
from booktape.core.ledger import Line
from booktape.core.merge import Stored
from booktape.core.proof import SYSTEMS, Evidence, Market, prove, unverifiable
from booktape.core.proof_ids import Range
from booktape.core.proof_order import Part, begins, placed_by_number
from booktape.core.proof_terms import Terms
from booktape.core.proof_text import Heading, Present, certificate, encode, present
from booktape.core.records import BOOK_UPDATES, DAY, SECOND, TRADES, BookSnapshot, Record
from booktape.exchanges import exchange as find_exchange
from booktape.exchanges.spec import Channel
from booktape.merge import Merge, MergeFailed, inputs
from booktape.merge.inputs import Systems
from booktape.merge.query import stored_types
from booktape.storage import Store

_AHEAD: Final = 32
"""How many objects are fetched before they are needed: a bucket answers slowly, but many at once."""


Ledgers = Mapping[str, Mapping[tuple[str, str], list[Line]]]
"""The ledgers' lines by market, and by system and instance."""


@dataclass(frozen=True, slots=True)
class InFile:
    """What the merged file holds of one market. ``sha256`` is over the market's lines."""

    rows: int
    sha256: str | None
    first_id: int | str | None
    last_id: int | str | None


@dataclass(frozen=True, slots=True)
class File:
    """What the merged file holds."""

    rows: int
    bytes: int
    sha256: str
    markets: Mapping[str, InFile]


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate's bytes, what is present of the venue's numbers, and in what the file and the proof disagree."""

    content: bytes
    present: Present
    lacking: Mapping[str, tuple[int, int]]
    faults: list[str]


@dataclass(frozen=True, slots=True)
class _Place:
    """One stored object."""

    key: Key
    system: int
    store: Store
    path: str


def certify(
    systems: Systems,
    merge: Merge,
    channel: Channel,
    source: str,
    file: File,
    on_standing: Callable[[str, BookSnapshot], object] = lambda market, book: None,
) -> Certified:
    """Prove a day's recordings, and hold what the merged file holds against that.

    ``on_standing`` is told of each market's book at the day's end that is known to be right. ``lacking`` has, for each
    market that lacks numbers, how many and in how many ranges. Raises :class:`~booktape.merge.MergeFailed` for an
    object that does not hold what its key says, or :class:`~booktape.merge.NothingToMerge`.
    """
    pairs = inputs.require_markets(systems, merge)
    places = _places(systems, merge, pairs)
    ledgers = _ledgers(systems, merge, channel)
    markets: dict[str, Market] = {}
    with ThreadPoolExecutor(_AHEAD) as pool:
        for market in sorted(places):
            proven = _prove(merge, channel, market, places[market], systems, ledgers, pool)
            if proven.standing is not None:
                on_standing(market, proven.standing)
            if proven.rows or proven.loss.first is not None:
                markets[market] = replace(proven, standing=None)
    heading = _heading(systems, merge, channel, source, file)
    ids = {name: (found.first_id, found.last_id) for name, found in file.markets.items()}
    return Certified(
        encode(certificate(heading, markets, ids)),
        present(market.loss for market in markets.values()),
        {name: lacking for name, market in markets.items() if (lacking := _lacking(market))[0]},
        _faults(file, markets),
    )


def _heading(systems: Systems, merge: Merge, channel: Channel, source: str, file: File) -> Heading:
    text = files("booktape.merge").joinpath(f"sql/{PUBLISHED[merge.data_type]}.sql").read_bytes()
    return Heading(
        source,
        merge.exchange,
        merge.data_type,
        str(merge.day),
        channel.rule,
        unverifiable(channel.rule, merge.data_type),
        file.rows,
        file.bytes,
        file.sha256,
        sha256(text).hexdigest(),
        booktape.__version__,
        tuple(name for name in SYSTEMS if systems.get(name) is not None),
    )


def _places(systems: Systems, merge: Merge, pairs: list[str]) -> dict[str, list[_Place]]:
    """Every object that the merge reads, by market."""
    found: defaultdict[str, list[_Place]] = defaultdict(list)
    for one in inputs.find(systems, merge, pairs):
        system = SYSTEMS.index(one.system)
        for item in one.objects:
            try:
                key = parse_key(item.key)
            except BadKey as error:
                raise MergeFailed(f"{one.store.url}: {error}") from error
            found[key.market].append(_Place(key, system, one.store, item.key))
    return found


def _prove(
    merge: Merge,
    channel: Channel,
    market: str,
    places: Sequence[_Place],
    systems: Systems,
    ledgers: Ledgers,
    pool: ThreadPoolExecutor,
) -> Market:
    venue = find_exchange(merge.exchange)
    checksum = venue.book_checksum
    midnight = int(datetime(merge.day.year, merge.day.month, merge.day.day, tzinfo=UTC).timestamp()) * SECOND
    terms = Terms(
        exchange=merge.exchange,
        market=market,
        data_type=merge.data_type,
        rule=channel.rule,
        date=merge.day,
        day=range(midnight, midnight + DAY),
        checksum=checksum.compute if checksum is not None else None,
        depth=checksum.depth if checksum is not None else None,
        has_updates=BOOK_UPDATES in channel.data_types,
    )
    ordered = sorted(places, key=lambda place: begins(place.key.data_type, channel.rule, place.key))
    reading = _Reading(ordered, pool)

    def part(number: int, place: _Place) -> Part:
        start = begins(place.key.data_type, channel.rule, place.key)
        return Part(start, place.system, _date(place.key) == merge.day, lambda: reading.read(number))

    def stored() -> list[list[Stored[Any]]]:
        """All of the market's records: of trades those healed over REST too, which no other merge reads."""
        known = len(SYSTEMS) if merge.data_type == TRADES else len(SYSTEMS) - 1
        return [
            [
                Stored(market, _date(place.key), record, place.path)
                for place in ordered
                if place.system == system
                for record in _records(place)
            ]
            for system in range(known)
        ]

    evidence = Evidence(
        [part(number, place) for number, place in enumerate(ordered)],
        _before(systems, merge, channel, market, ordered),
        _of_market(ledgers, market),
        stored,
    )
    return prove(terms, evidence)


class _Reading:
    """Objects one after the other, with those that come next fetched already."""

    def __init__(self, places: Sequence[_Place], pool: ThreadPoolExecutor) -> None:
        self._places = places
        self._pool = pool
        self._ahead: dict[int, Future[bytes]] = {}

    def read(self, number: int) -> list[Record]:
        """The records of the ``number``-th object."""
        for next_one in range(number, min(number + _AHEAD, len(self._places))):
            if next_one not in self._ahead:
                place = self._places[next_one]
                self._ahead[next_one] = self._pool.submit(place.store.read, place.path)
        content = self._ahead.pop(number).result()
        return _decoded(self._places[number], content)


def _records(place: _Place) -> list[Record]:
    return _decoded(place, place.store.read(place.path))


def _decoded(place: _Place, content: bytes) -> list[Record]:
    try:
        return codec.decode(place.key.data_type, content)
    except CorruptObject as error:
        raise MergeFailed(f"{place.store.url}/{place.path} cannot be certified: {error}; restore it") from error


def _date(key: Key) -> date:
    return datetime.fromtimestamp(key.minute // SECOND, UTC).date()


def _before(systems: Systems, merge: Merge, channel: Channel, market: str, places: Sequence[_Place]) -> int | None:
    """The last number in the objects of the day before; None where there is none, or where ids have begun anew."""
    numbered = [place.key for place in places if placed_by_number(place.key.data_type, channel.rule, place.key)]
    if not numbered:
        return None
    day = merge.day - timedelta(days=1)
    lasts = []
    for system in SYSTEMS:
        store = systems.get(system)
        if store is None:
            continue
        for item in store.objects(day_prefix(stored_types(merge.data_type)[0], merge.exchange, market, day)):
            try:
                lasts.append(parse_key(item.key).last)
            except BadKey:
                continue
    before = max(lasts, default=None)
    return before if before is not None and before <= max(key.last for key in numbered) else None


def _of_market(ledgers: Ledgers, market: str) -> list[list[Line]]:
    """The lines of each instance about a market's stream, those about all markets included."""
    own, wide = ledgers.get(market, {}), ledgers.get("*", {})
    return [own.get(instance, []) + wide.get(instance, []) for instance in sorted({*own, *wide})]


def _ledgers(systems: Systems, merge: Merge, channel: Channel) -> Ledgers:
    """The lines about the day's streams, by market and by instance. What cannot be read is as if it was not there."""
    data_type = next((kind for kind in stored_types(merge.data_type) if kind in channel.data_types), merge.data_type)
    found: defaultdict[str, defaultdict[tuple[str, str], list[Line]]] = defaultdict(lambda: defaultdict(list))
    for name in SYSTEMS:
        store = systems.get(name)
        if store is None:
            continue
        for item in sorted(store.objects(ledger.ledger_prefix(merge.exchange, merge.day)), key=lambda item: item.key):
            for line in _lines(store, item.key):
                if line.data_type == data_type:
                    found[line.market][name, line.instance].append(structs.replace(line, batches=[]))
    return found


def _lines(store: Store, key: str) -> list[Line]:
    try:
        ledger.parse_segment_key(key)
        return ledger.decode(store.read(key))
    except (BadKey, CorruptObject):
        return []


def _lacking(market: Market) -> Range:
    """How many numbers a market lacks, and in how many places."""
    loss = market.loss
    ranges = [*loss.missing, *loss.start.missing, *loss.end.missing]
    links = [*loss.links, *loss.start.links, *loss.end.links]
    return sum(last - first + 1 for first, last in ranges) + len(links), len(ranges) + len(links)


def _faults(file: File, markets: Mapping[str, Market]) -> list[str]:
    """In what the file differs from what the recordings say that it must hold."""
    faults = []
    for name in sorted({*file.markets, *(name for name, market in markets.items() if market.rows)}):
        found, proven = file.markets.get(name), markets.get(name)
        rows = (found.rows if found is not None else 0, proven.rows if proven is not None else 0)
        if rows[0] != rows[1]:
            faults.append(f"{name}: {rows[0]:,} rows in the file, {rows[1]:,} by the recordings")
        elif found is not None and proven is not None and found.sha256 not in (None, proven.sha256):
            faults.append(f"{name}: {rows[0]:,} rows as by the recordings, but not the same ones")
    return faults
