"""What a merge is, and what every engine that can do one looks like."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Protocol

from booktape.model.errors import FailedError, NotAvailableError, TransientError
from booktape.store.objects import Store


class NothingToMergeError(NotAvailableError):
    """There is not one object, or not one record, of that day: never to be mistaken for a quiet day."""


class MergeFailedError(FailedError):
    """The merge is over and gave no result. Its text says why; a new attempt needs a new token."""


class MergeInterruptedError(TransientError):
    """The query is over without a result by no fault of its own: start it again, with a new token."""


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
    """A finished merge: where its CSV lies (``file://…`` or ``s3://…``), and the bytes that were read for it.

    ``parquet`` has the URLs of the same records in full. A single file has the name ``""``; where there are several
    (Athena), each has a name like ``symbol=BTC-USDT/0000.parquet``.
    """

    url: str
    scanned_bytes: int | None
    parquet: Mapping[str, str] = field(default_factory=dict)


def merge_fingerprint(merge: Merge, *scope: str) -> str:
    """Sixty-four hex digits that stand for this merge under a caller's token, and whatever else tells it apart."""
    parts = (merge.exchange, merge.data_type, str(merge.day), *scope)
    return sha256("\n".join(parts).encode()).hexdigest()


class Engine(Protocol):
    """Merges the systems' records of one day into one CSV, and the same in full into Parquet."""

    @property
    def systems(self) -> Mapping[str, Store | None]:
        """The store of each system that is merged, by its name; None where it is absent."""
        ...

    def start(self, merge: Merge, token: str) -> str:
        """Start a merge and return its query id; the same token finds the same query again, and pays once.




        Raises :class:`NothingToMergeError`, :class:`MergeFailedError`, or
        :class:`~booktape.model.errors.TransientError`: the same call may
        be tried again.
        """
        ...

    def poll(self, query: str) -> Merged | None:
        """The result of a query, or None while it runs.




        Raises :class:`MergeFailedError` (terminal), :class:`MergeInterruptedError` (start again with a new token) or
        another
        :class:`~booktape.model.errors.TransientError` (poll again).
        """
        ...
