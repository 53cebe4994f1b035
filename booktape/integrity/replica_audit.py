"""How far the systems agree, record by record: what only one of them had, and what they tell differently."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Final

from booktape.integrity.ordering import Copy
from booktape.model.records import BookSnapshot, BookUpdate, Liquidation, Quote, Record, Trade, identity, last_position

PRIMARY: Final = 0
REPLICA: Final = 1
REST: Final = 2

Variants = set[Hashable]
"""How one system tells the records of one id."""


class ReplicaAudit:
    """Counts the records of a market's day by who had them.

    ``disagree``: both systems have a record of these ids (``disagreeing``), and tell it differently. A trade counts
    once, however often it was told. ``by_replica`` and ``by_rest`` count what the systems preferred to them did not
    have. ``untold``: records with neither ids nor an engine's time, of which nobody can say whether two are copies.
    Book snapshots are each connection's own, and not counted.
    """

    __slots__ = ("both", "by_replica", "by_rest", "disagree", "disagreeing", "primary_only", "replica_only", "untold")

    def __init__(self) -> None:
        self.both = self.primary_only = self.replica_only = self.disagree = 0
        self.by_replica = self.by_rest = self.untold = 0
        self.disagreeing: list[int | str] = []

    def take(self, copies: Sequence[Copy]) -> None:
        """Take all copies of one place that are of the day."""
        if len(copies) == 2 and self._take_pair(*copies):
            return
        self.take_all((copy.system, copy.record) for copy in copies)

    def take_all(self, records: Iterable[tuple[int, Record]]) -> None:
        """Take records of the day with their systems, wherever they stand: all that there are of each id."""
        told: defaultdict[Hashable, defaultdict[int, set[Hashable]]] = defaultdict(lambda: defaultdict(set))
        named: dict[Hashable, Record] = {}
        for system, record in records:
            if isinstance(record, BookSnapshot):
                continue
            if _is_untold(record):
                self.untold += 1
                continue
            ids = _ids(record)
            told[ids][system].add(identity(record))
            named.setdefault(ids, record)
        for ids, systems in told.items():
            count = self._count_trade if isinstance(named[ids], Trade) else self._count
            count(systems[PRIMARY], systems[REPLICA], systems[REST], named[ids])

    def _take_pair(self, first: Copy, second: Copy) -> bool:
        """The usual case, which is the hot path: one trade, the same in both systems."""
        one, other = first.record, second.record
        if not isinstance(one, Trade) or (first.system, second.system) != (PRIMARY, REPLICA):
            return False
        if (one.id, one.timestamp, one.price, one.amount, one.side) != (
            other.id, other.timestamp, other.price, other.amount, other.side,
        ):  # fmt: skip
            return False
        self.both += 1
        return True

    def _count_trade(self, primary: Variants, replica: Variants, rest: Variants, named: Record) -> None:
        """One trade, of which one telling is published."""
        if primary and replica and primary != replica:
            self.disagree += 1
            self.disagreeing.append(_named(named))
        elif primary and replica:
            self.both += 1
        elif primary:
            self.primary_only += 1
        elif replica:
            self.replica_only += 1
            self.by_replica += 1
        elif rest:
            self.by_rest += 1

    def _count(self, primary: Variants, replica: Variants, rest: Variants, named: Record) -> None:
        alone, other = len(primary - replica), len(replica - primary)
        differing = min(alone, other)
        self.both += len(primary & replica)
        self.disagree += differing
        self.primary_only += alone - differing
        self.replica_only += other - differing
        self.by_replica += other - differing
        if differing:
            self.disagreeing.append(_named(named))
        if not primary and not replica:
            self.by_rest += len(rest)


def _named(record: Record) -> int | str:
    """The id of a record that two systems tell differently: without any, they would be two records."""
    match record:
        case Trade() | Quote() | Liquidation() if record.id is not None:
            return record.id
    return last_position(record)


def _ids(record: object) -> Hashable:
    """What two records that tell the same thing must have in common."""
    match record:
        case Trade():
            return str(record.id)
        case BookUpdate() if record.last_id is not None:
            return record.first_id, record.previous_id, record.last_id
        case Quote() if record.id is not None:
            return record.id
        case Liquidation() if record.id is not None:
            return str(record.id), record.price
    return identity(record)  # type: ignore[arg-type]  # one of the other published records


def _is_untold(record: object) -> bool:
    match record:
        case BookUpdate():
            return record.last_id is None and record.timestamp is None
        case Trade():
            return False
    return getattr(record, "id", None) is None and getattr(record, "timestamp", None) is None
