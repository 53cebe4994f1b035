"""How far the systems agree, record by record: what only one of them had, and what they tell differently."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Final

from booktape.core.proof_order import Copy
from booktape.core.records import BookSnapshot, BookUpdate, Liquidation, Quote, Trade, identity

PRIMARY: Final = 0
REPLICA: Final = 1
REST: Final = 2


class Agreement:
    """Counts the records of a market's day by who had them.

    ``disagree``: both systems have a record of these ids, and tell it differently. ``by_replica`` and ``by_rest`` count
    what the systems preferred to them did not have. ``untold``: records with neither ids nor an engine's time, of which
    nobody can say whether two are copies. Book snapshots are each connection's own, and not counted.
    """

    __slots__ = ("both", "by_replica", "by_rest", "disagree", "disagreeing", "primary_only", "replica_only", "untold")

    def __init__(self) -> None:
        self.both = self.primary_only = self.replica_only = self.disagree = 0
        self.by_replica = self.by_rest = self.untold = 0
        self.disagreeing: list[int] = []

    def take(self, copies: Sequence[Copy]) -> None:
        """Take all copies of one place that are of the day."""
        if len(copies) == 2 and self._take_pair(*copies):
            return
        told: defaultdict[Hashable, defaultdict[int, set[Hashable]]] = defaultdict(lambda: defaultdict(set))
        for copy in copies:
            record = copy.record
            if isinstance(record, BookSnapshot):
                continue
            if _is_untold(record):
                self.untold += 1
                continue
            told[_ids(record)][copy.system].add(identity(record))
        for systems in told.values():
            self._count(systems[PRIMARY], systems[REPLICA], systems[REST], copies[0].place)

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

    def _count(self, primary: set[Hashable], replica: set[Hashable], rest: set[Hashable], place: int) -> None:
        alone, other = len(primary - replica), len(replica - primary)
        differing = min(alone, other)
        self.both += len(primary & replica)
        self.disagree += differing
        self.primary_only += alone - differing
        self.replica_only += other - differing
        self.by_replica += other - differing
        if differing:
            self.disagreeing.append(place)
        if not primary and not replica:
            self.by_rest += len(rest)


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
