"""What can be proven of one market's day, from its stored records and the collectors' ledgers alone.

Pure: records and the ledgers' lines come in, counts and ranges go out. What nobody can see is called unverifiable. The
parts: :mod:`~booktape.core.proof_order` puts the systems' records side by side, :mod:`~booktape.core.proof_loss` says
what is missing, :mod:`~booktape.core.proof_agreement` who had what, :mod:`~booktape.core.proof_published` which rows
they give, :mod:`~booktape.core.proof_book` whether the book holds, :mod:`~booktape.core.proof_times` who listened when.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from booktape.core.ledger import Line, intersection
from booktape.core.merge import Stored
from booktape.core.proof_agreement import Agreement
from booktape.core.proof_end import standing
from booktape.core.proof_ids import Ids, Range
from booktape.core.proof_loss import Loss, Watch
from booktape.core.proof_order import Copy, Part, in_order, placing
from booktape.core.proof_published import Published, streaming, whole
from booktape.core.proof_terms import Terms
from booktape.core.proof_times import Downtime, downtime
from booktape.core.records import BookSnapshot
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

    ``rows`` and ``sha256`` are what the published file must hold of it. ``why`` says why nothing is verified by
    numbers, None where it is. ``void`` are ids that the venue used up for trades of nothing.
    """

    rows: int
    sha256: str
    loss: Loss
    why: str | None
    void: list[Range]
    agreement: Agreement
    downtime: Downtime
    book: BookCounts | None
    standing: BookSnapshot | None
    """The book at the day's end, where it is known to be right."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one market's day.

    :param parts: its stored objects, of all systems, those of the day after included.
    :param before: the last number in the objects of the day before, None where there are none.
    :param ledger: the lines of each instance about the market's stream.
    :param stored: the records of each system as the plain merge takes them, for days that must be held whole.
    """

    parts: Sequence[Part]
    before: int | None
    ledger: Iterable[Sequence[Line]]
    stored: Callable[[], Sequence[Iterable[Stored[Any]]]]


def prove(terms: Terms, evidence: Evidence) -> Market:
    """Tell what can be proven of one market's day."""
    watch = Watch(terms.data_type, terms.rule, evidence.before)
    agreement = Agreement()
    published = streaming(terms)
    times = _Times()
    last, late = -1, False
    for copies in in_order(evidence.parts, terms.day, placing(terms.data_type, terms.rule)):
        late = late or copies[0].place <= last
        last = max(last, copies[0].place)
        watch.take(copies)
        own = copies if all(copy.own for copy in copies) else [copy for copy in copies if copy.own]
        if own:
            agreement.take(own)
            times.see(own)
            if published is not None:
                published.take(own)
    if published is not None:
        published.end()
    if published is None or published.broken or late:
        published = whole(terms, evidence.stored(), published.void if published is not None else Ids())
    known = downtime(evidence.ledger, terms.day)
    loss = _with_edges(watch.result(), known, terms.day, times)
    listened = times.first is not None and _listened(known, times.last, terms.day.stop)
    return Market(
        rows=published.rows.count,
        sha256=published.rows.sha256,
        loss=loss,
        why=unverifiable(terms.rule, terms.data_type),
        void=published.void.ranges(),
        agreement=agreement,
        downtime=known,
        book=_counts(published),
        standing=standing(published.book, loss, terms, listened=listened) if published.book is not None else None,
    )


def unverifiable(rule: str, data_type: str) -> str | None:
    """Why numbers cannot show what is missing of such a channel; None where they can."""
    if not applies(rule, data_type):
        return "none"
    return None if rule in SPANS_CONNECTIONS else _WHY.get(rule, "none")


class _Times:
    """When the first and the last record of the day were received (µs)."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.last = 0

    def see(self, copies: Sequence[Copy]) -> None:
        """Take all copies of a record. What was fetched over REST was heard by nobody, whenever that was."""
        received = next((copy.received for copy in copies if copy.system < _REST), None)
        if received is None:
            return
        if self.first is None or received < self.first:
            self.first = received
        self.last = max(self.last, received)


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
