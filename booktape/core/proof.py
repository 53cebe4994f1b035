"""What can be proven of one market's day, from its stored records and the collectors' ledgers alone.

Pure: records and the ledgers' lines come in, counts and ranges go out. What nobody can see is called unverifiable. The
parts: :mod:`~booktape.core.proof_order` puts the systems' records side by side, :mod:`~booktape.core.proof_loss` says
what is missing, :mod:`~booktape.core.proof_agreement` who had what, :mod:`~booktape.core.proof_published` which rows
they give, :mod:`~booktape.core.proof_book` whether the book holds, :mod:`~booktape.core.proof_times` who listened when.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from booktape.core.ledger import Line, intersection
from booktape.core.merge import Stored
from booktape.core.proof_agreement import Agreement
from booktape.core.proof_end import standing
from booktape.core.proof_eras import Watches, ids_told_apart, together, told_apart
from booktape.core.proof_ids import Ids, Range
from booktape.core.proof_loss import Loss
from booktape.core.proof_order import Copy, Part, in_order, is_of_day, placing
from booktape.core.proof_published import Published, streaming, whole
from booktape.core.proof_terms import Terms
from booktape.core.proof_times import Downtime, downtime
from booktape.core.records import TRADES, BookSnapshot, record_time
from booktape.core.restarts import era
from booktape.core.sequence import (
    CHECKSUM,
    CONNECTION_COUNTER,
    MONOTONIC,
    SPANS_CONNECTIONS,
    applies,
)

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
class Market:
    """What is proven of one market's day.

    ``rows`` and ``sha256`` are what the published file must hold of it; ``records`` are the records behind the rows (of
    a book its updates), of which ``unnumbered`` lack the number that the rule is about. ``why`` says why nothing is
    verified by numbers, None where it is. ``void`` are ids that the venue used up for trades of nothing.
    """

    rows: int
    sha256: str
    records: int
    unnumbered: int
    loss: Loss
    why: str | None
    void: list[Range]
    agreement: Agreement
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

    parts: Sequence[Part]
    before: int | None
    ledger: Iterable[Sequence[Line]]
    stored: Callable[[], Sequence[Iterable[Stored[Any]]]]


def prove(terms: Terms, evidence: Evidence) -> Market:
    """Tell what can be proven of one market's day."""
    watch = Watches(terms, evidence.before)
    agreement = Agreement()
    published = streaming(terms)
    times = _Times()
    reused: list[int | str] = []
    last, late = -1, False
    for copies in in_order(evidence.parts, terms.day, placing(terms.data_type, terms.rule, terms.restarts)):
        late = late or copies[0].place <= last
        last = max(last, copies[0].place)
        watch.take(copies)
        own = copies if all(copy.own for copy in copies) else [copy for copy in copies if copy.own]
        if own:
            agreement.take(own)
            times.see(own)
            if len(own) > 1 and terms.data_type == TRADES and told_apart(own):
                reused.append(own[0].record.id)
            if published is not None:
                published.take(own)
    if published is not None:
        published.end()
    if published is None or published.broken or late:
        published = whole(terms, evidence.stored(), published.void if published is not None else Ids())
        if terms.data_type == TRADES:
            reused = reused or ids_told_apart(_of_day(evidence, terms))
        if terms.data_type == TRADES or late:
            agreement = _by_ids(evidence, terms)
    known = downtime(evidence.ledger, terms.day)
    eras = watch.results()
    loss = _with_edges(together(eras), known, terms.day, times)
    latest = replace(eras[-1].loss, end=loss.end)
    listened = times.first is not None and _listened(known, times.last, terms.day.stop)
    return Market(
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
        standing=standing(published.book, latest, terms, listened=listened) if published.book is not None else None,
        reused=reused,
    )


def unverifiable(rule: str, data_type: str) -> str | None:
    """Why numbers cannot show what is missing of such a channel; None where they can."""
    if not applies(rule, data_type):
        return "none"
    return None if rule in SPANS_CONNECTIONS else _WHY.get(rule, "none")


def _by_ids(evidence: Evidence, terms: Terms) -> Agreement:
    """How far the systems agree on records of which the copies do not stand at one place."""
    eras: defaultdict[int, list[tuple[int, Any]]] = defaultdict(list)
    for system, record in _of_day(evidence, terms):
        eras[era(terms.restarts, record)].append((system, record))
    agreement = Agreement()
    for records in eras.values():
        agreement.take_all(records)
    return agreement


def _of_day(evidence: Evidence, terms: Terms) -> Iterator[tuple[int, Any]]:
    return (
        (system, stored.record)
        for system, records in enumerate(evidence.stored())
        for stored in records
        if is_of_day(stored.record, terms.day, in_day=stored.partition == terms.date)
    )


class _Times:
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


def _with_edges(loss: Loss, known: Downtime, day: range, times: _Times) -> Loss:
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


def _counts(published: Published) -> BookCounts | None:
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
