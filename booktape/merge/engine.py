"""What a merge is, and the interface of the engines that run one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Protocol

from booktape.model.errors import FailedError, NotAvailableError, TransientError
from booktape.store.objects import Store


class NothingToMergeError(NotAvailableError):
    """There is no object, or no record, of the day. This is never a quiet day."""


class MergeFailedError(FailedError):
    """The merge ended without a result. The text says why; a new attempt needs a new token."""


class MergeInterruptedError(TransientError):
    """The query ended without a result through no fault of its own: start it again with a new token."""


@dataclass(frozen=True, slots=True)
class Merge:
    """What to merge: one data source and one UTC day.

    ``data_type`` is one of :data:`booktape.model.csv.PUBLISHED`; ``book_updates`` takes the book's snapshots in.
    """

    exchange: str
    data_type: str
    day: date


@dataclass(frozen=True, slots=True)
class Merged:
    """A finished merge.

    :param url: where its CSV is (``file://…`` or ``s3://…``).
    :param scanned_bytes: the bytes read for it, where the engine charges by them.
    :param parquet: the URLs of the same records in full, by name. A single file has the name ``""``; of several
        (Athena) each has a name like ``symbol=BTC-USDT/0000.parquet``.
    """

    url: str
    scanned_bytes: int | None
    parquet: Mapping[str, str] = field(default_factory=dict)


def merge_fingerprint(merge: Merge, *scope: str) -> str:
    """Return 64 hex digits that identify a merge.

    :param scope: the caller's token, and whatever else distinguishes it.
    """
    parts = (merge.exchange, merge.data_type, str(merge.day), *scope)
    return sha256("\n".join(parts).encode()).hexdigest()


class Engine(Protocol):
    """Merges the systems' records of one day into one CSV, and the same in full into Parquet."""

    @property
    def systems(self) -> Mapping[str, Store | None]:
        """The store of each system that is merged, by its name; None where there is none."""
        ...

    def start(self, merge: Merge, token: str) -> str:
        """Start a merge and return its query id. The same token finds the same query again, which is paid once.

        :raises NothingToMergeError: nothing of the day is stored.
        :raises MergeFailedError: the merge failed for good.
        :raises TransientError: the same call may be tried again.
        """
        ...

    def poll(self, query: str) -> Merged | None:
        """Return the result of a query, or None while it runs.

        :raises MergeFailedError: the query failed for good.
        :raises MergeInterruptedError: start the merge again with a new token.
        :raises TransientError: poll again.
        """
        ...
