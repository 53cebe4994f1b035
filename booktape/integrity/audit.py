"""A market's book at the day's end, as the next day's first snapshot: only where it is known to be right.

What can be proven of one market's day, from its stored records and the collectors' ledgers alone.

Pure: records and the ledgers' lines come in, counts and ranges go out. What nobody can see is called unverifiable. The
parts: :mod:`~booktape.integrity.ordering` puts the systems' records side by side,
:mod:`~booktape.integrity.sequence_audit` says
what is missing, :mod:`~booktape.integrity.replica_audit` who had what, :mod:`~booktape.integrity.published_rows`
which rows
they give, :mod:`~booktape.integrity.book_audit` whether the book holds, :mod:`~booktape.integrity.uptime` who
listened when.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from msgspec import Raw, json

from booktape.integrity.book_audit import BookAudit
from booktape.integrity.ordering import Copy, ObjectRecords, in_sequence_order, is_of_day, placing
from booktape.integrity.published_rows import PublishedRows, streaming_rows, whole_day_rows
from booktape.integrity.replica_audit import ReplicaAudit
from booktape.integrity.scope import AuditScope
from booktape.integrity.sequence_audit import EpochAudits, SequenceLoss, combine_epochs, has_reused_id, reused_ids
from booktape.integrity.uptime import Downtime, downtime
from booktape.merge.reference import StoredRecord
from booktape.model.id_sets import IdSet, Range
from booktape.model.intervals import intersection
from booktape.model.records import TRADES, BookSnapshot, record_time, sequence_id
from booktape.model.resets import epoch
from booktape.model.sequence import CHECKSUM, CONNECTION_COUNTER, MONOTONIC, SPANS_CONNECTIONS, applies
from booktape.model.uptime import StreamUptime


def end_of_day_snapshot(
    proof: BookAudit, loss: SequenceLoss, terms: AuditScope, *, listened: bool
) -> BookSnapshot | None:
    """The book after the day's last message, told at the midnight that ends the day; None if nobody can vouch for it.

    Somebody can where its checksums hold to the end, or where no number is missing since its last snapshot; and where
    it is known that nothing came after the last message: by the next day's first number, or because somebody
    ``listened`` from that message to midnight.
    """
    book = proof.crossed.book
    whole = not loss.end.missing and not loss.end.links
    ended = whole and (listened or loss.end.known)
    if not ended or book is None or proof.last is None or book.is_crossed() or not _is_sound(proof, loss):
        return None
    bids, asks = proof.known()
    return BookSnapshot(
        last_id=sequence_id(proof.last),
        timestamp=terms.day.stop,
        bids=Raw(json.encode(bids)),
        asks=Raw(json.encode(asks)),
        origin="derived",
        local_timestamp=terms.day.stop,
    )


def _is_sound(proof: BookAudit, loss: SequenceLoss) -> bool:
    """Whether nothing is missing since the last snapshot; where nothing is numbered, a checksum must have said so."""
    if proof.checksum is not None:
        return proof.checksum.is_sound and proof.checksum.checked > proof.checked
    begun = sequence_id(proof.begun) if proof.begun is not None else None
    if begun is None or loss.first is None or not proof.joined:
        return False
    holes = [last for _, last in (*loss.missing, *loss.start.missing)]
    holes += [link.last + 1 for link in (*loss.links, *loss.start.links)]
    return all(hole <= begun for hole in holes)


SYSTEMS: Final = ("primary", "replica", "rest")
"""The systems in the order of preference; ``rest`` holds what was healed over a venue's REST API."""

_REST: Final = SYSTEMS.index("rest")

_WHY: Final = {CHECKSUM: "checksum only", CONNECTION_COUNTER: "connection counter", MONOTONIC: "monotonic only"}


@dataclass(frozen=True, slots=True)
class BookCounts:
    """What testing a rebuilt book gave. ``mismatch`` is the first snapshot that differed: its id and time."""

    crossed: int
    snapshots: int
    compared: int
    differing: int
    mismatch: tuple[int | None, int] | None
    checked: int
    failed: int
    unchecked: int


@dataclass(frozen=True, slots=True)
class MarketAudit:
    """What is proven of one market's day.

    ``rows`` and ``sha256`` are what the published file must hold of it; ``records`` are the records behind the rows (of
    a book its updates), of which ``unnumbered`` lack the number that the rule is about. ``why`` says why nothing is
    verified by numbers, None where it is. ``void`` are ids that the venue used up for trades of nothing.
    """

    rows: int
    sha256: str
    records: int
    unnumbered: int
    loss: SequenceLoss
    why: str | None
    void: list[Range]
    agreement: ReplicaAudit
    downtime: Downtime
    book: BookCounts | None
    standing: BookSnapshot | None
    """The book at the day's end, where it is known to be right."""

    reused: list[int | str] = field(default_factory=list)
    """Ids of which one system has two trades made at times apart: the venue began anew, and nothing shows where."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one market's day.

    :param parts: its stored objects, of all systems, those of the day after included.
    :param before: the last number in the objects of the days before, None where there are none.
    :param ledger: the lines of each instance about the market's stream.
    :param stored: the records of each system as the plain merge takes them, for days that must be held whole.
    """

    parts: Sequence[ObjectRecords]
    before: int | None
    ledger: Iterable[Sequence[StreamUptime]]
    stored: Callable[[], Sequence[Iterable[StoredRecord[Any]]]]


def audit_market(terms: AuditScope, evidence: Evidence) -> MarketAudit:
    """Tell what can be proven of one market's day."""
    watch = EpochAudits(terms, evidence.before)
    agreement = ReplicaAudit()
    published = streaming_rows(terms)
    times = _ReceiptTimes()
    reused: list[int | str] = []
    last, late = -1, False
    for copies in in_sequence_order(evidence.parts, terms.day, placing(terms.data_type, terms.rule, terms.restarts)):
        late = late or copies[0].place <= last
        last = max(last, copies[0].place)
        watch.take(copies)
        own = copies if all(copy.own for copy in copies) else [copy for copy in copies if copy.own]
        if own:
            agreement.take(own)
            times.see(own)
            if len(own) > 1 and terms.data_type == TRADES and has_reused_id(own):
                reused.append(own[0].record.id)
            if published is not None:
                published.take(own)
    if published is not None:
        published.end()
    if published is None or published.broken or late:
        published = whole_day_rows(terms, evidence.stored(), published.void if published is not None else IdSet())
        if terms.data_type == TRADES:
            reused = reused or reused_ids(_of_day(evidence, terms))
        if terms.data_type == TRADES or late:
            agreement = _by_ids(evidence, terms)
    known = downtime(evidence.ledger, terms.day)
    eras = watch.results()
    loss = _with_edges(combine_epochs(eras), known, terms.day, times)
    latest = replace(eras[-1].loss, end=loss.end)
    listened = times.first is not None and _listened(known, times.last, terms.day.stop)
    return MarketAudit(
        rows=published.rows.count,
        sha256=published.rows.sha256,
        records=published.rows.records,
        unnumbered=published.rows.unnumbered,
        loss=loss,
        why=unverifiable(terms.rule, terms.data_type),
        void=published.void.ranges(),
        agreement=agreement,
        downtime=known,
        book=_counts(published),
        standing=end_of_day_snapshot(published.book, latest, terms, listened=listened)
        if published.book is not None
        else None,
        reused=reused,
    )


def unverifiable(rule: str, data_type: str) -> str | None:
    """Why numbers cannot show what is missing of such a channel; None where they can."""
    if not applies(rule, data_type):
        return "none"
    return None if rule in SPANS_CONNECTIONS else _WHY.get(rule, "none")


def _by_ids(evidence: Evidence, terms: AuditScope) -> ReplicaAudit:
    """How far the systems agree on records of which the copies do not stand at one place."""
    eras: defaultdict[int, list[tuple[int, Any]]] = defaultdict(list)
    for system, record in _of_day(evidence, terms):
        eras[epoch(terms.restarts, record)].append((system, record))
    agreement = ReplicaAudit()
    for records in eras.values():
        agreement.take_all(records)
    return agreement


def _of_day(evidence: Evidence, terms: AuditScope) -> Iterator[tuple[int, Any]]:
    return (
        (system, stored.record)
        for system, records in enumerate(evidence.stored())
        for stored in records
        if is_of_day(stored.record, terms.day, in_day=stored.partition == terms.date)
    )


class _ReceiptTimes:
    """When the first and the last record of the day were heard (µs), by the exchange's clock as far as it tells."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.last = 0

    def see(self, copies: Sequence[Copy]) -> None:
        """Take all copies of a record. What REST gave, or was derived, was heard by nobody, whenever that was."""
        heard = next(
            (record_time(copy.record) for copy in copies if copy.system < _REST and _is_heard(copy.record)), None
        )
        if heard is None:
            return
        if self.first is None or heard < self.first:
            self.first = heard
        self.last = max(self.last, heard)


def _is_heard(record: Any) -> bool:
    return not isinstance(record, BookSnapshot) or record.origin == "stream"


def _with_edges(loss: SequenceLoss, known: Downtime, day: range, times: _ReceiptTimes) -> SequenceLoss:
    """An edge that no neighbouring day's record shows is known all the same if somebody listened all the time there."""
    if loss.first is None or times.first is None:
        return loss
    start, end = loss.start, loss.end
    if not start.known and _listened(known, day.start, times.first):
        start = replace(start, known=True)
    if not end.known and _listened(known, times.last, day.stop):
        end = replace(end, known=True)
    return replace(loss, start=start, end=end)


def _listened(known: Downtime, start: int, end: int) -> bool:
    """Whether one and the same time without a break spans all of an interval; a segment may end a moment early."""
    start = min(start, end - 1)  # received after midnight: that says nothing of the time before
    inside = intersection(known.sound, [(start, end)])
    return bool(inside) and inside[0] == (start, end)


def _counts(published: PublishedRows) -> BookCounts | None:
    book = published.book
    if book is None:
        return None
    rule = book.checksum
    return BookCounts(
        crossed=book.crossed.count,
        snapshots=book.snapshots,
        compared=book.compared,
        differing=book.differing,
        mismatch=book.first_mismatch,
        checked=rule.checked if rule is not None else 0,
        failed=rule.failed if rule is not None else 0,
        unchecked=rule.unchecked if rule is not None else 0,
    )
