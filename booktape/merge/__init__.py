"""The nightly merge: the records of all systems of one exchange, data type and day become one file without duplicates.

The result is a sorted CSV, and the same records in full as Parquet. One SQL text per published data type (``sql/``), in
Athena's dialect, runs on Athena at scale and, translated, on DuckDB as the embedded default.
:mod:`booktape.merge.reference` defines the same semantics in Python.
"""

from collections.abc import Sequence
from os import cpu_count
from typing import Literal

from booktape.merge.engine import Engine, Merge, Merged, MergeFailedError, MergeInterruptedError, NothingToMergeError
from booktape.merge.tables import PRIMARY, REPLICA, REST
from booktape.store.layout import backfill_url
from booktape.store.objects import InvalidStorageUrlError, open_store

__all__ = [
    "Engine",
    "Merge",
    "MergeFailedError",
    "MergeInterruptedError",
    "Merged",
    "NothingToMergeError",
    "init_athena",
    "open_engine",
]


def open_engine(
    kind: Literal["duckdb", "athena"],
    *,
    primary: str,
    replica: str | None,
    results: str,
    memory: str = "2GB",
    threads: int | None = None,
    database: str = "booktape",
    workgroup: str = "primary",
) -> Engine:
    """Open the engine that merges the systems' storage.

    :param primary: storage URL of the primary system; trades fetched over REST are there below ``rest/``.
    :param replica: storage URL of the replica, or None to merge the primary alone.
    :param results: storage URL below which results are written.
    :param memory: what DuckDB may hold at most, in its notation; more is spilled to disk.
    :param threads: DuckDB's threads, by default one for each core.
    :param database: Athena's database, as :func:`init_athena` made it.
    :param workgroup: Athena's workgroup.
    :raises InvalidStorageUrlError: a URL is not valid, or Athena cannot use it.
    """
    systems = {
        PRIMARY: open_store(primary),
        REPLICA: open_store(replica) if replica else None,
        REST: open_store(backfill_url(primary)),
    }
    if kind == "duckdb":
        from booktape.merge.duckdb_engine import DuckDBEngine  # here, since the file readers need no SQL translator

        return DuckDBEngine(systems, open_store(results), memory, threads or cpu_count() or 1)
    _require_s3(primary, replica, results)
    from booktape.merge import athena_engine  # here, since DuckDB needs none of Amazon's libraries

    return athena_engine.connect_athena(systems, results, database, workgroup)


def init_athena(
    *,
    primary: str,
    replica: str | None,
    results: str,
    exchanges: Sequence[str],
    database: str = "booktape",
    workgroup: str = "primary",
) -> None:
    """Create Athena's database and tables over the systems' buckets, or bring them up to date.

    :param exchanges: the ids of the exchanges that may be recorded.
    :raises MergeFailedError: Athena refuses; the text names the next step.
    :raises TransientError: Athena does not answer, or is busy.
    """
    _require_s3(primary, replica, results)
    from booktape.merge import athena_engine

    athena_engine.init_tables(primary, replica, results, exchanges, database, workgroup)


def _require_s3(*urls: str | None) -> None:
    for url in urls:
        if url is not None and not url.startswith("s3://"):
            raise InvalidStorageUrlError(
                f"Athena reads and writes s3://bucket/prefix only, not {url!r}: use DuckDB for it"
            )
