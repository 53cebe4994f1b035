"""Where a published record came from: which of the systems had it."""

from collections.abc import Iterable
from typing import Final, NamedTuple, Self

PRIMARY: Final = "primary"
REPLICA: Final = "replica"
BOTH: Final = "both"
REST: Final = "rest"

PROVENANCES: Final = (PRIMARY, REPLICA, BOTH, REST)
"""What :attr:`Received.provenance` can be."""


class Received(NamedTuple):
    """When each system received a record first (µs), or None where it did not.

    ``rest`` is the time at which it was fetched from the venue, because neither system had it.
    """

    primary: int | None = None
    replica: int | None = None
    rest: int | None = None

    @classmethod
    def of(cls, times: Iterable[tuple[int, int]]) -> Self:
        """From the system's number (0 the primary's, 1 the replica's, 2 REST) and time (µs) of each copy."""
        first: dict[int, int] = {}
        for system, time in times:
            first[system] = min(time, first.get(system, time))
        return cls(*(first.get(system) for system in range(len(cls._fields))))

    @property
    def provenance(self) -> str:
        """``both`` where both systems had it; ``rest`` only where neither had."""
        if self.primary is not None:
            return PRIMARY if self.replica is None else BOTH
        return REST if self.replica is None else REPLICA
