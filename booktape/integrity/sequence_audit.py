"""What of a market's sequence is missing: the rules of :mod:`booktape.model.sequence` over all systems' records.

The rules judge records as one connection delivers them. Here several connections' records lie in one order, so a gap
that a rule tells is taken back as far as a record that comes later in that order covers it: book messages may be cut
differently on each connection.

What is missing of a day in which the venue began its numbers anew: each era is a sequence of its own.
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
"""Rules and data types of which every single number that is missing can be told."""

CHAINED: Final = frozenset({(LINKED, BOOK_UPDATES)})
"""Those of which can be told between which two records something is missing, but not how much."""

_OneOf = Contiguous | Sequenced | Ranged | Linked
_RULES: Final[dict[str, type[_OneOf]]] = {CONTIGUOUS: Contiguous, SEQUENCED: Sequenced, RANGED: Ranged, LINKED: Linked}


@dataclass(frozen=True, slots=True)
class Edge:
    """Where the day's sequence begins or ends, seen from the neighbouring day.

    ``known`` is False where nothing of the neighbouring day is known. ``missing`` are the numbers between the two days,
    of which nobody can say to which day they belong; ``links`` the same under ``linked``.
    """

    known: bool
    missing: list[Range] = field(default_factory=list)
    links: list[Gap] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SequenceLoss:
    """What is missing of one market's day.

    ``expected`` and ``seen`` count numbers from the first to the last of the day (under ``linked``: links between
    messages); None where nothing is known of its numbers. Both are 0, without a ``first`` and a ``last``, where none of
    the day's records is there, but the days around it are: then both edges tell the one hole between them.
    ``elsewhere``: numbers in between that the venue's time puts into a neighbouring day. ``resumed``: missing numbers
    that a snapshot in the stream made up for. ``eras``: where the venue began its numbers anew within the day, each era
    by itself; the other fields are then those of all, from the first era's first to the last one's last.
    """

    first: int | None
    last: int | None
    expected: int | None
    seen: int | None
    missing: list[Range]
    links: list[Gap]
    elsewhere: list[Range]
    resumed: list[Range]
    start: Edge
    end: Edge
    eras: list["EpochLoss"] = field(default_factory=list)

    @property
    def at_edges(self) -> int:
        """How many numbers (or links) are missing between the days, each counted once."""
        holes = {*self.start.missing, *self.end.missing}
        return sum(last - first + 1 for first, last in holes) + len({*self.start.links, *self.end.links})

    @property
    def is_lost_day(self) -> bool:
        """Whether not one numbered record of the day is there, and the days around it show that there were some."""
        return self.first is None and self.at_edges > 0


class EpochLoss(NamedTuple):
    """What is missing of one era, and from when on its numbers are the venue's (µs); None for the day's first one."""

    begins: int | None
    loss: SequenceLoss


def has_number(record: Record, rule: str) -> bool:
    """Whether a record carries the number that a rule is about."""
    if isinstance(record, Trade):  # the hot path
        return isinstance(record.sequence if rule == SEQUENCED else record.id, int)
    if isinstance(record, BookUpdate):
        return None not in (record.last_id, record.previous_id if rule == LINKED else record.first_id)
    return False


class SequenceAudit:
    """Takes a market's copies place by place, and tells what is missing.

    :param before: the last number known from before the day's own objects, None where there is none.
    :param end: when the day ends (µs): a foreign record of that time or later is of a day after it.
    """

    def __init__(self, data_type: str, rule: str, before: int | None = None, end: int = 0) -> None:
        kind = (rule, data_type)
        self._counted, self._chained = kind in COUNTED, kind in CHAINED
        self._rule: _OneOf | None = _RULES[rule]() if self._counted or self._chained else None
        self._by_number = rule == SEQUENCED
        self._missing = IdSet()
        self._resumed = IdSet()
        self._elsewhere = IdSet()
        self._before = self._prior = before
        self._end = end
        self._is_followed = False
        self._afters: dict[int, int] = {}
        self._snapshot: int | None = None
        self._first: int | None = None
        self._last: int | None = None
        self._begins = self._ends = 0
        self._foreign_before = self._foreign_after = False
        self._counts_anew = False
        self._own = 0
        if before is not None and self._rule is not None:
            self._prime(before)

    @property
    def numbered(self) -> bool:
        """Whether loss can be seen at all by numbers."""
        return self._rule is not None

    def _prime(self, before: int) -> None:
        rule = self._rule
        if isinstance(rule, Linked):
            rule.last = before
        elif isinstance(rule, Ranged):
            rule.rebase(before)
        elif rule is not None:
            rule.advance(before)
        self._foreign_before = True

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
        if span is None:  # nothing vouches for it
            return
        first, last = span
        if own and self._before is not None and last <= self._before and not self._counts_anew:
            self._counts_anew = True
            self._forget()
        verdict: Verdict = self._rule.check(record)  # type: ignore[union-attr, arg-type]  # made for such records
        if isinstance(verdict, Gap):
            self._tell(verdict, last)
        self._missing.remove(first, last)
        self._remember(first, last, own=own)
        if not own and record_time(record) >= self._end:
            self._is_followed = True
        elif not own:
            self._prior = last if self._prior is None else max(self._prior, last)

    def _forget(self) -> None:
        """A record of the day has a number of the past: what is before the day's first one, its own era tells."""
        if isinstance(self._rule, Resettable):
            self._rule.forget()

    def _tell(self, gap: Gap, last: int) -> None:
        """Numbers are missing; not those up to the last one of before the day, where the venue began anew since."""
        first, before = gap.first, self._before
        if before is not None and first <= before <= gap.last and self._counts_anew:
            first = before + 1
        if first <= gap.last:
            self._gap(first, gap.last, last)

    def _gap(self, first: int, last: int, after: int) -> None:
        self._missing.cover(first, last)
        self._afters[last] = after
        if self._snapshot is not None and self._snapshot >= first:
            self._resumed.cover(first, min(last, self._snapshot))

    def _span(self, record: Record) -> Range | None:
        """The numbers that a record stands for; under ``linked`` all after the one before it."""
        if isinstance(record, Trade):
            number = record.sequence if self._by_number else record.id
            return (number, number) if isinstance(number, int) else None
        assert isinstance(record, BookUpdate)
        if record.last_id is None:
            return None
        if self._chained:
            return (record.previous_id + 1, record.last_id) if record.previous_id is not None else None
        return (record.first_id, record.last_id) if record.first_id is not None else None

    def _remember(self, first: int, last: int, *, own: bool) -> None:
        if not own:
            self._elsewhere.cover(first, last)
            if self._first is None:
                self._foreign_before = True
            self._foreign_after = True
            return
        self._foreign_after = False
        self._own += self._last is None or last > self._last  # of several copies, one
        number = last if self._chained else first
        if self._first is None or self._last is None:
            self._first, self._last, self._begins, self._ends = number, last, first, last
            return
        self._first, self._begins = min(self._first, number), min(self._begins, first)
        self._last = self._ends = max(self._last, last)

    def result(self) -> SequenceLoss:
        """What was found, after the last place."""
        first, last = self._first, self._last
        if self._rule is None or first is None or last is None:
            return self._of_no_record()
        holes = self._missing.within(self._begins, self._ends)
        inside = [] if self._chained else holes
        links = self._links(holes) if self._chained else []
        lost = sum(end - start + 1 for start, end in inside)
        expected = self._own - 1 + len(links) if self._chained else self._ends - self._begins + 1
        return SequenceLoss(
            first,
            last,
            expected,
            self._own - 1 if self._chained else expected - lost,
            inside,
            links,
            self._elsewhere.within(first, self._ends),
            [part for hole in inside for part in self._resumed.within(*hole)],
            self._edge(self._foreign_before, self._touching(self._begins - 1, after=False)),
            self._edge(self._foreign_after, self._touching(self._ends + 1, after=True)),
        )

    def _of_no_record(self) -> SequenceLoss:
        """Nothing of the day is there: the numbers of the days around it tell whether there should have been."""
        if self._prior is None or not self._is_followed:
            return SequenceLoss(None, None, None, None, [], [], [], [], Edge(False), Edge(False))
        edge = self._edge(True, self._touching(self._prior + 1, after=True))
        return SequenceLoss(None, None, 0, 0, [], [], [], [], edge, edge)

    def _touching(self, number: int, *, after: bool) -> list[Range]:
        """The hole that lies directly before or after the day."""
        return [hole for hole in self._missing.ranges() if (hole[0] if after else hole[1]) == number]

    def _edge(self, known: bool, holes: list[Range]) -> Edge:
        if self._chained:
            return Edge(known, links=self._links(holes))
        return Edge(known, missing=holes)

    def _links(self, holes: list[Range]) -> list[Gap]:
        return [Gap(GapUnit.LINK, first, self._afters.get(last, last + 1) - 1) for first, last in holes]


class EpochAudits:
    """Takes a market's copies place by place, and tells what is missing of each era.

    :param before: the last number known from before the day's own objects, None where there is none.
    """

    def __init__(self, terms: AuditScope, before: int | None) -> None:
        self._terms = terms
        self._watches = {0: self._watch(before)}

    def _watch(self, before: int | None = None) -> SequenceAudit:
        return SequenceAudit(self._terms.data_type, self._terms.rule, before, self._terms.day.stop)

    def take(self, copies: Sequence[Copy]) -> None:
        """Take all copies of one place."""
        era = copies[0].place // EPOCH
        watch = self._watches.get(era)
        if watch is None:
            watch = self._watches[era] = self._watch()
        watch.take(copies)

    def results(self) -> list[EpochLoss]:
        """What was found of each era that the day has records of; of the first one at least."""
        found = [
            EpochLoss(self._terms.restarts[number - 1].high if number else None, watch.result())
            for number, watch in sorted(self._watches.items())
        ]
        return [one for one in found if one.loss.first is not None] or found[:1]


def combine_epochs(eras: Sequence[EpochLoss]) -> SequenceLoss:
    """What is missing of all eras of a day. Between two of them, numbers tell nothing."""
    losses = [one.loss for one in eras]
    if len(losses) == 1:
        return losses[0]
    return SequenceLoss(
        losses[0].first,
        losses[-1].last,
        sum(loss.expected or 0 for loss in losses),
        sum(loss.seen or 0 for loss in losses),
        [one for loss in losses for one in loss.missing],
        [one for loss in losses for one in loss.links],
        [one for loss in losses for one in loss.elsewhere],
        [one for loss in losses for one in loss.resumed],
        losses[0].start,
        losses[-1].end,
        list(eras),
    )


def has_reused_id(copies: Sequence[Copy]) -> bool:
    """Whether one system has two trades of one id, one made certainly later: no copies, and nothing shows a restart."""
    return any(
        one.system == other.system and abs(one.record.timestamp - other.record.timestamp) > CERTAINLY_LATER
        for one, other in pairwise(copies)
    )


def reused_ids(trades: Iterable[tuple[int, Trade]]) -> list[int | str]:
    """The ids of such trades, where trades are not placed by their ids. They come with their systems."""
    times: defaultdict[tuple[int, int | str], set[int]] = defaultdict(set)
    for system, trade in trades:
        times[system, trade.id].add(trade.timestamp)
    apart = {identifier for (_, identifier), told in times.items() if max(told) - min(told) > CERTAINLY_LATER}
    return sorted(apart, key=str)
