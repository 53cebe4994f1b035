"""Certifies a day: audits all markets from the stored objects and uptime logs, in bounded memory.

The audit is computed from the recordings in Python and does not read the merged file. What the check found in that
file, which SQL wrote, is then compared to it.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from booktape.exchanges import exchange as find_exchange
from booktape.exchanges.spec import Channel
from booktape.integrity import stored_day
from booktape.integrity.audit import Evidence, MarketAudit, audit_market, unverifiable
from booktape.integrity.certificate import Certificate, Maker, PublishedFile
from booktape.integrity.certificate_builder import build_certificate
from booktape.integrity.csv_check import MarketRows
from booktape.integrity.ordering import ObjectRecords, first_place
from booktape.integrity.scope import AuditScope
from booktape.integrity.stored_day import ObjectRef, StoredDay, date_of
from booktape.merge import Merge, MergeFailedError, inputs
from booktape.merge.inputs import Systems
from booktape.merge.reference import StoredRecord
from booktape.merge.tables import SYSTEMS
from booktape.model import codec
from booktape.model.codec import CorruptObjectError
from booktape.model.csv import PUBLISHED
from booktape.model.records import BOOK_UPDATES, DAY, TRADES, Record
from booktape.model.timestamps import midnight
from booktape.model.version import VERSION

_NAMED: Final = 3
"""How many ids a fault names."""

_AHEAD: Final = 32
"""How many objects are fetched before they are needed: a bucket answers slowly, but many requests at once."""


@dataclass(frozen=True, slots=True)
class CertifiedDay:
    """The result of certifying a day.

    ``faults`` say where the file differs from what the recordings say that it must hold. ``end_of_day_snapshots`` are
    the books at the end of the day that are known to be right, by market, each as the lines of a stored object.
    """

    certificate: Certificate
    faults: list[str]
    end_of_day_snapshots: Mapping[str, bytes]


def certify_day(
    systems: Systems,
    merge: Merge,
    channel: Channel,
    source: str,
    file: PublishedFile,
    markets: Mapping[str, MarketRows],
) -> CertifiedDay:
    """Audit a day's recordings, compare the merged file to them, and build the certificate.

    :param channel: the venue's channel of the merged data type.
    :param source: the name of the data source.
    :param file: the merged file.
    :param markets: what the merged file holds of each market. A market's hash is compared where it is given.
    :raises MergeFailedError: an object does not hold what its key says.
    :raises NothingToMergeError: nothing of the day is stored.
    """
    stored = stored_day.find_stored_day(systems, merge, channel, inputs.require_markets(systems, merge))
    audits: dict[str, MarketAudit] = {}
    snapshots: dict[str, bytes] = {}
    with ThreadPoolExecutor(_AHEAD) as pool:
        for market in stored.markets:
            audit = _audit(stored, market, pool)
            if audit.end_of_day is not None:
                snapshots[market] = codec.encode_records([audit.end_of_day])
            audits[market] = replace(audit, end_of_day=None)
    certificate = build_certificate(
        source=source,
        exchange=merge.exchange,
        data_type=merge.data_type,
        day=merge.day,
        rule=channel.rule,
        unverifiable=unverifiable(channel.rule, merge.data_type),
        systems=[name for name in SYSTEMS if systems.get(name) is not None],
        file=file,
        made_by=Maker(booktape=VERSION, sql_sha256=_sql_sha256(merge.data_type)),
        audits=audits,
        ids={name: (found.first_id, found.last_id) for name, found in markets.items()},
    )
    return CertifiedDay(certificate, _faults(markets, audits), snapshots)


def _sql_sha256(data_type: str) -> str:
    text = files("booktape.merge").joinpath(f"sql/{PUBLISHED[data_type]}.sql").read_bytes()
    return sha256(text).hexdigest()


def _audit(stored: StoredDay, market: str, pool: ThreadPoolExecutor) -> MarketAudit:
    merge, channel = stored.merge, stored.channel
    checksum = find_exchange(merge.exchange).book_checksum
    start = midnight(merge.day)
    scope = AuditScope(
        exchange=merge.exchange,
        market=market,
        data_type=merge.data_type,
        rule=channel.rule,
        date=merge.day,
        day=range(start, start + DAY),
        checksum=checksum.compute if checksum is not None else None,
        depth=checksum.depth if checksum is not None else None,
        has_updates=BOOK_UPDATES in channel.data_types,
        resets=tuple(stored.resets.get(market, ())),
    )
    objects = sorted(
        [*stored.objects.get(market, ()), *stored.next_objects(market)],
        key=lambda one: first_place(one.key.data_type, channel.rule, one.key, scope.resets),
    )
    reader = _Reader(objects, pool)

    def part(number: int, one: ObjectRef) -> ObjectRecords:
        begins = first_place(one.key.data_type, channel.rule, one.key, scope.resets)
        return ObjectRecords(begins, one.system, date_of(one.key) == merge.day, lambda: reader.read(number))

    def records() -> Sequence[Sequence[StoredRecord[Any]]]:
        """All of the market's records: of trades those recovered over REST too, which no other merge reads."""
        merged = len(SYSTEMS) if merge.data_type == TRADES else len(SYSTEMS) - 1
        return [
            [
                StoredRecord(market, date_of(one.key), record, one.path)
                for one in objects
                if one.system == system
                for record in _decoded(one, one.store.read(one.path))
            ]
            for system in range(merged)
        ]

    evidence = Evidence(
        [part(number, one) for number, one in enumerate(objects)],
        stored.last_id_before(market, objects),
        stored.uptime_lines(market),
        records,
    )
    return audit_market(scope, evidence)


class _Reader:
    """Reads objects one after the other, and fetches the next ones ahead."""

    def __init__(self, objects: Sequence[ObjectRef], pool: ThreadPoolExecutor) -> None:
        self._objects = objects
        self._pool = pool
        self._ahead: dict[int, Future[bytes]] = {}

    def read(self, number: int) -> list[Record]:
        """Read the records of the ``number``-th object."""
        for ahead in range(number, min(number + _AHEAD, len(self._objects))):
            if ahead not in self._ahead:
                one = self._objects[ahead]
                self._ahead[ahead] = self._pool.submit(one.store.read, one.path)
        return _decoded(self._objects[number], self._ahead.pop(number).result())


def _decoded(one: ObjectRef, content: bytes) -> list[Record]:
    try:
        return codec.decode_records(one.key.data_type, content)
    except CorruptObjectError as error:
        raise MergeFailedError(f"{one.store.url}/{one.path} cannot be certified: {error}; restore it") from error


def _faults(markets: Mapping[str, MarketRows], audits: Mapping[str, MarketAudit]) -> list[str]:
    """Say where the file differs from what the recordings say that it must hold."""
    faults = []
    for name in sorted({*markets, *(name for name, audit in audits.items() if audit.rows)}):
        found, audit = markets.get(name), audits.get(name)
        rows = (found.rows if found is not None else 0, audit.rows if audit is not None else 0)
        if rows[0] != rows[1]:
            faults.append(f"{name}: {rows[0]:,} rows in the file, {rows[1]:,} by the recordings")
        elif found is not None and audit is not None and found.sha256 not in (None, audit.sha256):
            faults.append(f"{name}: {rows[0]:,} rows in the file and by the recordings, but not the same ones")
    for name, audit in audits.items():
        if audit.reused_ids:
            ids = ", ".join(map(str, audit.reused_ids[:_NAMED]))
            faults.append(
                f"{name}: {len(audit.reused_ids):,} ids stand for two trades each, and nothing separates them: {ids}"
            )
    return faults
