"""The certificate of a day, from the stored objects and ledgers: read market by market, in bounded memory.

What is told here is computed from the recordings in Python, and does not look at the merged file; what was found in
that file, which SQL wrote, is then held against it.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from booktape.exchanges import exchange as find_exchange
from booktape.exchanges.spec import Channel
from booktape.integrity import evidence
from booktape.integrity.audit import SYSTEMS, Evidence, MarketAudit, audit_market, unverifiable
from booktape.integrity.certificate import Heading, Present, build_certificate, encode_certificate, present
from booktape.integrity.evidence import ObjectRef, StoredDay, date_of
from booktape.integrity.ordering import ObjectRecords, begins_epoch
from booktape.integrity.scope import AuditScope
from booktape.merge import Merge, MergeFailedError, inputs
from booktape.merge import reference as merging
from booktape.merge.inputs import Systems
from booktape.model import codec
from booktape.model.codec import CorruptObjectError
from booktape.model.csv import PUBLISHED
from booktape.model.id_sets import Range
from booktape.model.records import BOOK_UPDATES, DAY, SECOND, TRADES, BookSnapshot, Record
from booktape.version import VERSION

_NAMED: Final = 3
"""How many ids a fault names."""

_AHEAD: Final = 32
"""How many objects are fetched before they are needed: a bucket answers slowly, but many at once."""


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
    """A certificate's bytes, what is present of the venue's numbers, and in what the file and the proof disagree.

    ``lacking`` has, for each market that lacks numbers, how many and in how many ranges; ``lost`` are those markets of
    which not one numbered record of the day is there.
    """

    content: bytes
    present: Present
    lacking: Mapping[str, tuple[int, int]]
    lost: list[str]
    faults: list[str]


def certify(
    systems: Systems,
    merge: Merge,
    channel: Channel,
    source: str,
    file: File,
    on_standing: Callable[[str, BookSnapshot], object] = lambda market, book: None,
) -> Certified:
    """Prove a day's recordings, and hold what the merged file holds against that.

    ``on_standing`` is told of each market's book at the day's end that is known to be right. Raises
    :class:`~booktape.merge.MergeFailedError` for an object that does not hold what its key says, or
    :class:`~booktape.merge.NothingToMergeError`.
    """
    stored = evidence.find_evidence(systems, merge, channel, inputs.require_markets(systems, merge))
    markets: dict[str, MarketAudit] = {}
    with ThreadPoolExecutor(_AHEAD) as pool:
        for market in stored.markets:
            proven = _prove(stored, market, pool)
            if proven.standing is not None:
                on_standing(market, proven.standing)
            markets[market] = replace(proven, standing=None)
    heading = _heading(systems, merge, channel, source, file)
    ids = {name: (found.first_id, found.last_id) for name, found in file.markets.items()}
    return Certified(
        encode_certificate(build_certificate(heading, markets, ids)),
        present(market.loss for market in markets.values()),
        {name: lacking for name, market in markets.items() if (lacking := _lacking(market))[0]},
        [name for name, market in markets.items() if market.loss.is_lost_day],
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
        VERSION,
        tuple(name for name in SYSTEMS if systems.get(name) is not None),
    )


def _prove(stored: StoredDay, market: str, pool: ThreadPoolExecutor) -> MarketAudit:
    merge, channel = stored.merge, stored.channel
    venue = find_exchange(merge.exchange)
    checksum = venue.book_checksum
    midnight = int(datetime(merge.day.year, merge.day.month, merge.day.day, tzinfo=UTC).timestamp()) * SECOND
    terms = AuditScope(
        exchange=merge.exchange,
        market=market,
        data_type=merge.data_type,
        rule=channel.rule,
        date=merge.day,
        day=range(midnight, midnight + DAY),
        checksum=checksum.compute if checksum is not None else None,
        depth=checksum.depth if checksum is not None else None,
        has_updates=BOOK_UPDATES in channel.data_types,
        restarts=tuple(stored.restarts.get(market, ())),
    )
    places = [*stored.places.get(market, ()), *stored.next_ones(market)]
    ordered = sorted(
        places, key=lambda place: begins_epoch(place.key.data_type, channel.rule, place.key, terms.restarts)
    )
    reading = _Reading(ordered, pool)

    def part(number: int, place: ObjectRef) -> ObjectRecords:
        start = begins_epoch(place.key.data_type, channel.rule, place.key, terms.restarts)
        return ObjectRecords(start, place.system, date_of(place.key) == merge.day, lambda: reading.read(number))

    def records() -> list[list[merging.StoredRecord[Any]]]:
        """All of the market's records: of trades those healed over REST too, which no other merge reads."""
        known = len(SYSTEMS) if merge.data_type == TRADES else len(SYSTEMS) - 1
        return [
            [
                merging.StoredRecord(market, date_of(place.key), record, place.path)
                for place in ordered
                if place.system == system
                for record in _records(place)
            ]
            for system in range(known)
        ]

    known = Evidence(
        [part(number, place) for number, place in enumerate(ordered)],
        stored.numbers_before(market, ordered),
        stored.of_market(market),
        records,
    )
    return audit_market(terms, known)


class _Reading:
    """Objects one after the other, with those that come next fetched already."""

    def __init__(self, places: Sequence[ObjectRef], pool: ThreadPoolExecutor) -> None:
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


def _records(place: ObjectRef) -> list[Record]:
    return _decoded(place, place.store.read(place.path))


def _decoded(place: ObjectRef, content: bytes) -> list[Record]:
    try:
        return codec.decode_records(place.key.data_type, content)
    except CorruptObjectError as error:
        raise MergeFailedError(f"{place.store.url}/{place.path} cannot be certified: {error}; restore it") from error


def _lacking(market: MarketAudit) -> Range:
    """How many numbers a market lacks, and in how many places."""
    loss = market.loss
    ranges = {*loss.missing, *loss.start.missing, *loss.end.missing}
    links = {*loss.links, *loss.start.links, *loss.end.links}
    return sum(last - first + 1 for first, last in ranges) + len(links), len(ranges) + len(links)


def _faults(file: File, markets: Mapping[str, MarketAudit]) -> list[str]:
    """In what the file differs from what the recordings say that it must hold."""
    faults = []
    for name in sorted({*file.markets, *(name for name, market in markets.items() if market.rows)}):
        found, proven = file.markets.get(name), markets.get(name)
        rows = (found.rows if found is not None else 0, proven.rows if proven is not None else 0)
        if rows[0] != rows[1]:
            faults.append(f"{name}: {rows[0]:,} rows in the file, {rows[1]:,} by the recordings")
        elif found is not None and proven is not None and found.sha256 not in (None, proven.sha256):
            faults.append(f"{name}: {rows[0]:,} rows as by the recordings, but not the same ones")
    for name, market in markets.items():
        if market.reused:
            ids = ", ".join(map(str, market.reused[:_NAMED]))
            faults.append(
                f"{name}: {len(market.reused):,} ids stand for two trades each, and nothing tells apart: {ids}"
            )
    return faults
