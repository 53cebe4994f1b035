"""How far the systems agree, record by record: what only one of them has, and what they have in different variants."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Final

from booktape.integrity.ordering import Copy
from booktape.model.records import BookSnapshot, BookUpdate, Liquidation, Quote, Record, Trade, identity, last_position

PRIMARY: Final = 0
REPLICA: Final = 1
REST: Final = 2

Variants = set[Hashable]
"""The different contents that one system has under one id."""


class ReplicaAudit:
    """Counts the records of a market's day by the systems that have them.

    ``variants`` counts records that both systems have under the same id with different content; ``variant_ids`` are
    their ids. A trade counts once, however many variants there are. ``from_replica`` and ``from_rest`` count what the
    preferred systems did not have. ``incomparable`` are records with neither ids nor an engine time, of which nobody
    can say whether two are copies. Book snapshots differ by connection, and are not counted.
    """

    __slots__ = (
        "both", "from_replica", "from_rest", "incomparable", "primary_only", "replica_only", "variant_ids", "variants",
    )  # fmt: skip

    def __init__(self) -> None:
        self.both = self.primary_only = self.replica_only = self.variants = 0
        self.from_replica = self.from_rest = self.incomparable = 0
        self.variant_ids: list[int | str] = []

    def take(self, copies: Sequence[Copy]) -> None:
        """Take all copies of one place that are of the day."""
        if len(copies) == 2 and self._take_pair(*copies):
            return
        self.take_all((copy.system, copy.record) for copy in copies)

    def take_all(self, records: Iterable[tuple[int, Record]]) -> None:
        """Take records of the day with the numbers of their systems: all that there are of each id, in any order."""
        found: defaultdict[Hashable, defaultdict[int, set[Hashable]]] = defaultdict(lambda: defaultdict(set))
        named: dict[Hashable, Record] = {}
        for system, record in records:
            if isinstance(record, BookSnapshot):
                continue
            if _is_incomparable(record):
                self.incomparable += 1
                continue
            ids = _ids(record)
            found[ids][system].add(identity(record))
            named.setdefault(ids, record)
        for ids, systems in found.items():
            count = self._count_trade if isinstance(named[ids], Trade) else self._count
            count(systems[PRIMARY], systems[REPLICA], systems[REST], named[ids])

    def _take_pair(self, first: Copy, second: Copy) -> bool:
        """The usual case, on the hot path: one trade that both systems have alike."""
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
        """Count one trade, of which one variant is published."""
        if primary and replica and primary != replica:
            self.variants += 1
            self.variant_ids.append(_named(named))
        elif primary and replica:
            self.both += 1
        elif primary:
            self.primary_only += 1
        elif replica:
            self.replica_only += 1
            self.from_replica += 1
        elif rest:
            self.from_rest += 1

    def _count(self, primary: Variants, replica: Variants, rest: Variants, named: Record) -> None:
        alone, other = len(primary - replica), len(replica - primary)
        differing = min(alone, other)
        self.both += len(primary & replica)
        self.variants += differing
        self.primary_only += alone - differing
        self.replica_only += other - differing
        self.from_replica += other - differing
        if differing:
            self.variant_ids.append(_named(named))
        if not primary and not replica:
            self.from_rest += len(rest)


def _named(record: Record) -> int | str:
    """The id of a record that the systems have in different variants. Without an id they would be two records."""
    match record:
        case Trade() | Quote() | Liquidation() if record.id is not None:
            return record.id
    return last_position(record)


def _ids(record: object) -> Hashable:
    """What two variants of one record have in common."""
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


def _is_incomparable(record: object) -> bool:
    match record:
        case BookUpdate():
            return record.last_id is None and record.timestamp is None
        case Trade():
            return False
    return getattr(record, "id", None) is None and getattr(record, "timestamp", None) is None
