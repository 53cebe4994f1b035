"""What is missing of a market's sequence: the rules of :mod:`booktape.model.sequence` over all systems' records.

A rule judges records as one connection delivers them. Here the records of several connections are in one order, and
connections may cut book messages differently: a gap that a rule reports is closed again as far as a later record in
that order covers it. Where the venue reset its sequence within the day, each epoch is audited by itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from booktape.integrity.ordering import EPOCH, Copy
from booktape.integrity.scope import AuditScope
from booktape.model.gap import Gap, GapUnit
from booktape.model.id_sets import IdSet, Range
from booktape.model.records import BOOK_UPDATES, TRADES, BookSnapshot, BookUpdate, Record, Trade, record_time
from booktape.model.resets import CERTAINLY_LATER
from booktape.model.sequence import (
    CONTIGUOUS,
    LINKED,
    RANGED,
    SEQUENCED,
    Contiguous,
    Linked,
    Ranged,
    Resettable,
    Sequenced,
    Verdict,
)

COUNTED: Final = frozenset({(CONTIGUOUS, TRADES), (SEQUENCED, TRADES), (RANGED, BOOK_UPDATES)})
"""Rules and data types under which every missing id is known."""

CHAINED: Final = frozenset({(LINKED, BOOK_UPDATES)})
"""Rules and data types under which the neighbours of a gap are known, but not the number of records in it."""

_OneOf = Contiguous | Sequenced | Ranged | Linked
_RULES: Final[dict[str, type[_OneOf]]] = {CONTIGUOUS: Contiguous, SEQUENCED: Sequenced, RANGED: Ranged, LINKED: Linked}


@dataclass(frozen=True, slots=True)
class Edge:
    """Where the day's sequence begins or ends, as its neighbouring day shows it.

    ``known`` is False where nothing of the neighbouring day is known. ``missing`` are the ids between the two days,
    which may belong to either; ``broken_links`` are the same under ``linked``.
    """

    known: bool
    missing: list[Range] = field(default_factory=list)
    broken_links: list[Gap] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SequenceSummary:
    """What is missing of one market's day, or of one epoch of it.

    ``expected`` and ``present`` count ids from the first to the last of the day (under ``linked``: links between
    messages). They are None where nothing is known of the market's ids. They are 0, and ``first`` and ``last`` are
    None, where no record of the day is there but records of the days around it are: then both edges report the one gap
    between these. ``other_day_ids`` are ids in between that the venue's time puts into a neighbouring day.
    ``resumed_ids`` are missing ids up to which a snapshot in the stream restored the book. ``epochs`` are the parts of
    a day in which the venue reset its sequence: the other fields then add them up, from the first epoch's first id to
    the last epoch's last.
    """

    first: int | None
    last: int | None
    expected: int | None
    present: int | None
    missing: list[Range]
    broken_links: list[Gap]
    other_day_ids: list[Range]
    resumed_ids: list[Range]
    start: Edge
    end: Edge
    epochs: list["EpochSummary"] = field(default_factory=list)


class EpochSummary(NamedTuple):
    """What is missing of one epoch.

    ``starts_at`` is the time (µs) from which its ids are valid; None where that is before the day.
    """

    starts_at: int | None
    loss: SequenceSummary


def has_number(record: Record, rule: str) -> bool:
    """Whether a record carries the id that a rule is about."""
    if isinstance(record, Trade):  # the hot path
        return isinstance(record.sequence if rule == SEQUENCED else record.id, int)
    if isinstance(record, BookUpdate):
        return None not in (record.last_id, record.previous_id if rule == LINKED else record.first_id)
    return False


class SequenceAudit:
    """Audits the sequence of one market, or of one epoch of it, copy group by copy group.

    :param before: the last id known from before the day's own objects, None where there is none.
    :param end: the end of the day (µs): a record of another day with this time or a later one is of a day after it.
    """

    def __init__(self, data_type: str, rule: str, before: int | None = None, end: int = 0) -> None:
        kind = (rule, data_type)
        self._counted, self._chained = kind in COUNTED, kind in CHAINED
        self._rule: _OneOf | None = _RULES[rule]() if self._counted or self._chained else None
        self._by_sequence = rule == SEQUENCED
        self._missing = IdSet()
        self._resumed = IdSet()
        self._other_day = IdSet()
        self._before = self._prior = before
        self._end = end
        self._is_followed = False
        self._afters: dict[int, int] = {}
        self._snapshot: int | None = None
        self._first: int | None = None
        self._last: int | None = None
        self._begins = self._ends = 0
        self._other_before = self._other_after = False
        self._was_reset = False
        self._own = 0
        if before is not None and self._rule is not None:
            self._continue_from(before)

    def _continue_from(self, before: int) -> None:
        rule = self._rule
        if isinstance(rule, Linked):
            rule.last = before
        elif isinstance(rule, Ranged):
            rule.rebase(before)
        elif rule is not None:
            rule.advance(before)
        self._other_before = True

    def take(self, copies: Sequence[Copy]) -> None:
        """Take all copies of one place."""
        if self._rule is None:
            return
        if isinstance(copies[0].record, Trade):
            self._take_record(copies[0].record, own=any(copy.own for copy in copies))
            return
        for copy in copies:
            if isinstance(copy.record, BookUpdate):
                self._take_record(copy.record, own=copy.own)
        for copy in copies:
            if isinstance(copy.record, BookSnapshot) and copy.record.origin == "stream":
                self._snapshot = copy.record.last_id

    def _take_record(self, record: Record, *, own: bool) -> None:
        span = self._span(record)
        if span is None:  # it has no id that could be checked
            return
        first, last = span
        if own and self._before is not None and last <= self._before and not self._was_reset:
            self._was_reset = True
            self._forget()
        verdict: Verdict = self._rule.check(record)  # type: ignore[union-attr, arg-type]  # made for such records
        if isinstance(verdict, Gap):
            self._report(verdict, last)
        self._missing.remove(first, last)
        self._remember(first, last, own=own)
        if not own and record_time(record) >= self._end:
            self._is_followed = True
        elif not own:
            self._prior = last if self._prior is None else max(self._prior, last)

    def _forget(self) -> None:
        """A record of the day has an id of the past: ids before the day's first one belong to another epoch."""
        if isinstance(self._rule, Resettable):
            self._rule.forget()

    def _report(self, gap: Gap, last: int) -> None:
        """Note missing ids, but none up to the last one before the day where the venue reset its sequence since."""
        first, before = gap.first, self._before
        if before is not None and first <= before <= gap.last and self._was_reset:
            first = before + 1
        if first <= gap.last:
            self._gap(first, gap.last, last)

    def _gap(self, first: int, last: int, after: int) -> None:
        self._missing.cover(first, last)
        self._afters[last] = after
        if self._snapshot is not None and self._snapshot >= first:
            self._resumed.cover(first, min(last, self._snapshot))

    def _span(self, record: Record) -> Range | None:
        """The ids that a record stands for; under ``linked`` all those after the message before it."""
        if isinstance(record, Trade):
            number = record.sequence if self._by_sequence else record.id
            return (number, number) if isinstance(number, int) else None
        assert isinstance(record, BookUpdate)
        if record.last_id is None:
            return None
        if self._chained:
            return (record.previous_id + 1, record.last_id) if record.previous_id is not None else None
        return (record.first_id, record.last_id) if record.first_id is not None else None

    def _remember(self, first: int, last: int, *, own: bool) -> None:
        if not own:
            self._other_day.cover(first, last)
            if self._first is None:
                self._other_before = True
            self._other_after = True
            return
        self._other_after = False
        self._own += self._last is None or last > self._last  # of several copies, one
        number = last if self._chained else first
        if self._first is None or self._last is None:
            self._first, self._last, self._begins, self._ends = number, last, first, last
            return
        self._first, self._begins = min(self._first, number), min(self._begins, first)
        self._last = self._ends = max(self._last, last)

    def result(self) -> SequenceSummary:
        """What is missing, after the last place."""
        first, last = self._first, self._last
        if self._rule is None or first is None or last is None:
            return self._of_no_record()
        ranges = self._missing.within(self._begins, self._ends)
        inside = [] if self._chained else ranges
        links = self._links(ranges) if self._chained else []
        lost = sum(end - start + 1 for start, end in inside)
        expected = self._own - 1 + len(links) if self._chained else self._ends - self._begins + 1
        return SequenceSummary(
            first,
            last,
            expected,
            self._own - 1 if self._chained else expected - lost,
            inside,
            links,
            self._other_day.within(first, self._ends),
            [part for one in inside for part in self._resumed.within(*one)],
            self._edge(self._other_before, self._touching(self._begins - 1, after=False)),
            self._edge(self._other_after, self._touching(self._ends + 1, after=True)),
        )

    def _of_no_record(self) -> SequenceSummary:
        """No record of the day is there: the ids of the days around it show whether there should have been any."""
        if self._prior is None or not self._is_followed:
            return SequenceSummary(None, None, None, None, [], [], [], [], Edge(False), Edge(False))
        edge = self._edge(True, self._touching(self._prior + 1, after=True))
        return SequenceSummary(None, None, 0, 0, [], [], [], [], edge, edge)

    def _touching(self, number: int, *, after: bool) -> list[Range]:
        """The missing range directly before or after the day."""
        return [one for one in self._missing.ranges() if (one[0] if after else one[1]) == number]

    def _edge(self, known: bool, ranges: list[Range]) -> Edge:
        if self._chained:
            return Edge(known, broken_links=self._links(ranges))
        return Edge(known, missing=ranges)

    def _links(self, ranges: list[Range]) -> list[Gap]:
        return [Gap(GapUnit.LINK, first, self._afters.get(last, last + 1) - 1) for first, last in ranges]


class EpochAudits:
    """Audits each epoch of a market's day, copy group by copy group.

    :param before: the last id known from before the day's own objects, None where there is none.
    """

    def __init__(self, scope: AuditScope, before: int | None) -> None:
        self._scope = scope
        self._audits = {0: self._audit(before)}

    def _audit(self, before: int | None = None) -> SequenceAudit:
        return SequenceAudit(self._scope.data_type, self._scope.rule, before, self._scope.day.stop)

    def take(self, copies: Sequence[Copy]) -> None:
        """Take all copies of one place."""
        epoch = copies[0].place // EPOCH
        audit = self._audits.get(epoch)
        if audit is None:
            audit = self._audits[epoch] = self._audit()
        audit.take(copies)

    def results(self) -> list[EpochSummary]:
        """What is missing of each epoch that the day has records of; at least of the first one."""
        found = [
            EpochSummary(self._scope.resets[number - 1].high if number else None, audit.result())
            for number, audit in sorted(self._audits.items())
        ]
        return [one for one in found if one.loss.first is not None] or found[:1]


def combine_epochs(epochs: Sequence[EpochSummary]) -> SequenceSummary:
    """Add up what is missing of all epochs of a day. Between two epochs, ids cannot show what is missing."""
    losses = [one.loss for one in epochs]
    if len(losses) == 1:
        return losses[0]
    return SequenceSummary(
        losses[0].first,
        losses[-1].last,
        sum(loss.expected or 0 for loss in losses),
        sum(loss.present or 0 for loss in losses),
        [one for loss in losses for one in loss.missing],
        [one for loss in losses for one in loss.broken_links],
        [one for loss in losses for one in loss.other_day_ids],
        [one for loss in losses for one in loss.resumed_ids],
        losses[0].start,
        losses[-1].end,
        list(epochs),
    )


def has_reused_id(copies: Sequence[Copy]) -> bool:
    """Whether one system has two trades of one id, one of them certainly made later, and so not a copy."""
    return any(
        one.system == other.system and abs(one.record.timestamp - other.record.timestamp) > CERTAINLY_LATER
        for one, other in pairwise(copies)
    )


def reused_ids(trades: Iterable[tuple[int, Trade]]) -> list[int | str]:
    """Find the ids that :func:`has_reused_id` is about among trades that are not ordered by their ids.

    :param trades: each trade with the number of its system.
    """
    times: defaultdict[tuple[int, int | str], set[int]] = defaultdict(set)
    for system, trade in trades:
        times[system, trade.id].add(trade.timestamp)
    reused = {identifier for (_, identifier), found in times.items() if max(found) - min(found) > CERTAINLY_LATER}
    return sorted(reused, key=str)
