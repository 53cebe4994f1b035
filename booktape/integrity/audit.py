"""The audit of one market's day, from its stored records and the uptime logs alone.

Pure: records and log lines come in, counts and ranges go out. What nobody can see is called unverifiable. The parts:

- :mod:`~booktape.integrity.ordering` brings the systems' records into one order;
- :mod:`~booktape.integrity.sequence_audit` finds what is missing;
- :mod:`~booktape.integrity.replica_audit` compares the systems;
- :mod:`~booktape.integrity.published_rows` computes the rows that must be published;
- :mod:`~booktape.integrity.book_audit` checks the rebuilt book;
- :mod:`~booktape.integrity.uptime` determines when the stream was recorded soundly.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from msgspec import Raw, json

from booktape.integrity.book_audit import BookAudit
from booktape.integrity.certificate import NO_SEQUENCE_RULE, BookCheck
from booktape.integrity.ordering import Copy, ObjectRecords, in_sequence_order, placing
from booktape.integrity.published_rows import streaming_rows, whole_day_rows
from booktape.integrity.replica_audit import ReplicaAudit
from booktape.integrity.scope import AuditScope
from booktape.integrity.sequence_audit import EpochAudits, SequenceSummary, combine_epochs, has_reused_id, reused_ids
from booktape.integrity.uptime import Downtime, downtime
from booktape.merge.reference import StoredRecord, is_of_day
from booktape.merge.tables import SYSTEMS
from booktape.model.id_sets import IdSet, Range
from booktape.model.intervals import intersection
from booktape.model.records import TRADES, BookSnapshot, record_time, sequence_id
from booktape.model.resets import epoch
from booktape.model.sequence import CHECKSUM, CONNECTION_COUNTER, MONOTONIC, SPANS_CONNECTIONS, applies
from booktape.model.uptime import StreamUptime

_REST: Final = SYSTEMS.index("rest")

_REASONS: Final = {
    CHECKSUM: "checksum only",
    CONNECTION_COUNTER: "connection counter",
    MONOTONIC: "monotonic only",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one market's day.

    :param parts: its stored objects in all systems, those of the next day included.
    :param before: the last id in the objects of the days before; None where there are none.
    :param uptime_logs: the lines of each instance about the market's stream.
    :param stored: reads the records of each system as the whole-day merge takes them, for days that do not fit into
        the order in which the parts are read.
    """

    parts: Sequence[ObjectRecords]
    before: int | None
    uptime_logs: Iterable[Sequence[StreamUptime]]
    stored: Callable[[], Sequence[Iterable[StoredRecord[Any]]]]


@dataclass(frozen=True, slots=True)
class MarketAudit:
    """The result of one market's audit.

    ``rows`` and ``sha256`` are what the published file must hold of it. ``records`` are the records behind the rows (of
    a book its updates); ``unnumbered`` of them lack the id that the rule is about. ``unverifiable`` says why ids cannot
    show loss under the rule, None where they can. ``burned_ids`` are ids that the venue used for trades of amount 0.
    ``reused_ids`` are ids under which one system has two trades made at different times: the venue reset its ids, and
    nothing shows when.
    """

    rows: int
    sha256: str
    records: int
    unnumbered: int
    loss: SequenceSummary
    unverifiable: str | None
    burned_ids: list[Range]
    agreement: ReplicaAudit
    downtime: Downtime
    book: BookCheck | None
    end_of_day: BookSnapshot | None
    """The book at the end of the day, where it is known to be right."""

    reused_ids: list[int | str] = field(default_factory=list)


def audit_market(scope: AuditScope, evidence: Evidence) -> MarketAudit:
    """Audit one market's day."""
    sequence = EpochAudits(scope, evidence.before)
    agreement = ReplicaAudit()
    published = streaming_rows(scope)
    times = _ReceiptTimes()
    reused: list[int | str] = []
    last, late = -1, False
    for copies in in_sequence_order(evidence.parts, scope.day, placing(scope.data_type, scope.rule, scope.resets)):
        late = late or copies[0].place <= last
        last = max(last, copies[0].place)
        sequence.take(copies)
        own = copies if all(copy.own for copy in copies) else [copy for copy in copies if copy.own]
        if own:
            agreement.take(own)
            times.take(own)
            if len(own) > 1 and scope.data_type == TRADES and has_reused_id(own):
                reused.append(own[0].record.id)
            if published is not None:
                published.take(own)
    if published is not None:
        published.end()
    if published is None or published.broken or late:
        published = whole_day_rows(scope, evidence.stored(), published.burned if published is not None else IdSet())
        if scope.data_type == TRADES:
            reused = reused or reused_ids(_of_day(evidence, scope))
        if scope.data_type == TRADES or late:
            agreement = _agreement_by_ids(evidence, scope)
    found = downtime(evidence.uptime_logs, scope.day)
    epochs = sequence.results()
    loss = _with_edges(combine_epochs(epochs), found, scope.day, times)
    snapshot = None
    if published.book is not None:
        latest = replace(epochs[-1].loss, end=loss.end)
        is_recorded = times.first is not None and _is_sound_from(found, times.last, scope.day.stop)
        snapshot = end_of_day_snapshot(published.book, latest, scope, is_recorded=is_recorded)
    return MarketAudit(
        rows=published.rows.count,
        sha256=published.rows.sha256,
        records=published.rows.records,
        unnumbered=published.rows.unnumbered,
        loss=loss,
        unverifiable=unverifiable(scope.rule, scope.data_type),
        burned_ids=published.burned.ranges(),
        agreement=agreement,
        downtime=found,
        book=published.book.result() if published.book is not None else None,
        end_of_day=snapshot,
        reused_ids=reused,
    )


def unverifiable(rule: str, data_type: str) -> str | None:
    """Say why ids cannot show what is missing under a rule; None where they can."""
    if not applies(rule, data_type):
        return NO_SEQUENCE_RULE
    return None if rule in SPANS_CONNECTIONS else _REASONS.get(rule, NO_SEQUENCE_RULE)


def end_of_day_snapshot(
    audit: BookAudit, loss: SequenceSummary, scope: AuditScope, *, is_recorded: bool
) -> BookSnapshot | None:
    """Return the book after the day's last message, with the time of the midnight that ends the day.

    The result is None unless the book is known to be right: its checksums match up to the end, or no id is missing
    since its last snapshot; and nothing came after the last message, as the next day's first id shows, or because the
    stream ``is_recorded`` soundly from that message to midnight.
    """
    book = audit.crossed.book
    is_whole = not loss.end.missing and not loss.end.broken_links
    is_last = is_whole and (is_recorded or loss.end.known)
    if not is_last or book is None or audit.last is None or book.is_crossed() or not _is_right(audit, loss):
        return None
    bids, asks = audit.known()
    return BookSnapshot(
        last_id=sequence_id(audit.last),
        timestamp=scope.day.stop,
        bids=Raw(json.encode(bids)),
        asks=Raw(json.encode(asks)),
        origin="derived",
        local_timestamp=scope.day.stop,
    )


def _is_right(audit: BookAudit, loss: SequenceSummary) -> bool:
    """Whether nothing is missing since the last snapshot. Without ids, a checksum since then must have matched."""
    if audit.checksum is not None:
        return audit.checksum.is_sound and audit.checksum.checked > audit.checked_before
    base = sequence_id(audit.base) if audit.base is not None else None
    if base is None or loss.first is None or not audit.joined:
        return False
    gaps = [last for _, last in (*loss.missing, *loss.start.missing)]
    gaps += [link.last + 1 for link in (*loss.broken_links, *loss.start.broken_links)]
    return all(gap <= base for gap in gaps)


def _agreement_by_ids(evidence: Evidence, scope: AuditScope) -> ReplicaAudit:
    """Compare the systems where the copies of a record are not at one place."""
    epochs: defaultdict[int, list[tuple[int, Any]]] = defaultdict(list)
    for system, record in _of_day(evidence, scope):
        epochs[epoch(scope.resets, record)].append((system, record))
    agreement = ReplicaAudit()
    for records in epochs.values():
        agreement.take_all(records)
    return agreement


def _of_day(evidence: Evidence, scope: AuditScope) -> Iterator[tuple[int, Any]]:
    return (
        (system, stored.record)
        for system, records in enumerate(evidence.stored())
        for stored in records
        if is_of_day(stored.record, scope.day, in_day=stored.partition == scope.date)
    )


class _ReceiptTimes:
    """The times (µs) of the first and the last record that an instance received on the day.

    They are the exchange's, as far as the records carry one.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self.last = 0

    def take(self, copies: Sequence[Copy]) -> None:
        """Take all copies of a record. One fetched over REST or derived was received by no instance."""
        time = next(
            (record_time(copy.record) for copy in copies if copy.system < _REST and _is_received(copy.record)), None
        )
        if time is None:
            return
        if self.first is None or time < self.first:
            self.first = time
        self.last = max(self.last, time)


def _is_received(record: Any) -> bool:
    return not isinstance(record, BookSnapshot) or record.origin == "stream"


def _with_edges(loss: SequenceSummary, found: Downtime, day: range, times: _ReceiptTimes) -> SequenceSummary:
    """Mark an edge as known where no record of the neighbouring day shows it, but the stream was recorded soundly."""
    if loss.first is None or times.first is None:
        return loss
    start, end = loss.start, loss.end
    if not start.known and _is_sound_from(found, day.start, times.first):
        start = replace(start, known=True)
    if not end.known and _is_sound_from(found, times.last, day.stop):
        end = replace(end, known=True)
    return replace(loss, start=start, end=end)


def _is_sound_from(found: Downtime, start: int, end: int) -> bool:
    """Whether one sound interval covers all of a half-open interval (µs)."""
    start = min(start, end - 1)  # a record received after midnight says nothing of the time before it
    inside = intersection(found.sound, [(start, end)])
    return bool(inside) and inside[0] == (start, end)
