"""The engine for scale: runs the merge's SQL on Amazon Athena, over both systems' buckets.

A merge is one query for the CSV and one UNLOAD for the Parquet files of each hundred markets; they run side by side.
UNLOAD names its files at random; the manifest that it writes lists them. Credentials, endpoint and region come from the
standard AWS environment variables or from the role.
Sources: Amazon Athena API Reference, StartQueryExecution and GetQueryExecution; User Guide, "UNLOAD" and "Identify
query output files".
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from typing import TYPE_CHECKING, Final

import boto3
import pyathena
from botocore import exceptions as aws
from botocore.config import Config
from pyathena.cursor import Cursor
from pyathena.error import Error as PyAthenaError

from booktape.merge import athena_ddl, epochs, inputs
from booktape.merge.engine import Merge, Merged, MergeFailedError, MergeInterruptedError, merge_fingerprint
from booktape.merge.inputs import Systems
from booktape.merge.sql_fragments import literal
from booktape.merge.statement import statement
from booktape.model.errors import TransientError
from booktape.store.layout import athena_parquet_url
from booktape.store.objects import open_store

if TYPE_CHECKING:
    from mypy_boto3_athena.client import AthenaClient
    from mypy_boto3_athena.type_defs import QueryExecutionTypeDef

_LONGEST_QUERY: Final = 262_144
_MOST_PARTITIONS: Final = 100
"""The number of partitions that one UNLOAD can write."""

_BETWEEN: Final = "+"
"""Separates the ids of the queries that make up one merge; the CSV's is the first."""

_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=10,
    read_timeout=30,
    user_agent_extra="booktape",
)
_BUSY: Final = frozenset({"TooManyRequestsException", "ThrottlingException", "InternalServerException"})

_TOKEN_USED: Final = "Idempotent parameters do not match"  # noqa: S105  # an error's text
"""In the message where the markets, and so the query, changed since a token was used."""

_HINTS: Final = {
    "Unable to locate credentials": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role",
    "NOT_FOUND": "make the tables with `booktape athena init`",
    "Unable to verify/create output bucket": "create the bucket of the results, in Athena's region",
    "AccessDenied": "allow this role Athena, Glue and both buckets",
    "UnrecognizedClientException": "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
}


class AthenaUnavailableError(TransientError):
    """Athena does not answer, or is busy."""


@dataclass(frozen=True, slots=True)
class AthenaEngine:
    """Merges on Athena.

    ``results`` is the ``s3://`` URL below which Athena writes ``{query id}.csv``, and the Parquet files below
    ``parquet/``.
    """

    systems: Systems
    results: str
    database: str
    workgroup: str
    client: "AthenaClient"

    def start(self, merge: Merge, token: str) -> str:
        """Start the queries. See :class:`~booktape.merge.engine.Engine`."""
        pairs = inputs.require_markets(self.systems, merge)
        resets = epochs.find_merge_resets(merge, inputs.find_inputs(self.systems, merge, pairs))
        scope = (self.database, token, *epochs.describe_resets(resets))
        sql = statement(merge, pairs, resets).csv_query
        if len(sql.encode()) > _LONGEST_QUERY:
            raise MergeFailedError(
                f"{merge.exchange} has {len(pairs)} markets, of which {len(resets)} had sequence resets: "
                "more than one Athena query can name; merge it with DuckDB"
            )
        place = athena_parquet_url(self.results, merge_fingerprint(merge, *scope)[:32])
        queries = [sql, *(_unload(statement(merge, some, resets).parquet_query, place) for some in _hundreds(pairs))]
        return _BETWEEN.join(
            self._start(sql, merge_fingerprint(merge, *scope, *([f"parquet {number}"] if number else [])))
            for number, sql in enumerate(queries)
        )

    def _start(self, sql: str, token: str) -> str:
        with _explained():
            started = self.client.start_query_execution(
                QueryString=sql,
                ClientRequestToken=token,
                QueryExecutionContext={"Database": self.database},
                ResultConfiguration={"OutputLocation": self.results},
                ResultReuseConfiguration={"ResultReuseByAgeConfiguration": {"Enabled": False}},
                WorkGroup=self.workgroup,
            )
        return started["QueryExecutionId"]

    def poll(self, query: str) -> Merged | None:
        """Return the result of the queries. See :class:`~booktape.merge.engine.Engine`."""
        executions = [self._succeeded(one) for one in query.split(_BETWEEN)]
        finished = [execution for execution in executions if execution is not None]
        if len(finished) < len(executions):
            return None
        csv, *unloads = finished
        # A workgroup may override where results go, so only Athena knows.
        url = csv["ResultConfiguration"]["OutputLocation"]
        parts = [url for unload in unloads for url in _manifest_urls(unload["Statistics"]["DataManifestLocation"])]
        scanned = sum(execution.get("Statistics", {}).get("DataScannedInBytes", 0) for execution in finished)
        return Merged(url, scanned, file_names(parts))

    def _succeeded(self, query: str) -> "QueryExecutionTypeDef | None":
        """Return the execution of a query that succeeded, or None while it runs."""
        with _explained():
            execution = self.client.get_query_execution(QueryExecutionId=query)["QueryExecution"]
        status = execution["Status"]
        state = status["State"]
        if state == "SUCCEEDED":
            return execution
        if state in ("QUEUED", "RUNNING"):
            return None
        reason = _hinted(f"query {query} {state}: {status.get('StateChangeReason', 'no reason given')}")
        if state == "FAILED" and status.get("AthenaError", {}).get("Retryable"):
            raise MergeInterruptedError(reason)
        raise MergeFailedError(reason)


def _hundreds(pairs: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(pairs), _MOST_PARTITIONS):
        yield pairs[start : start + _MOST_PARTITIONS]


def _unload(sql: str, place: str) -> str:
    """Build the UNLOAD of a query, whose last column must be the one that it is partitioned by."""
    properties = "format = 'PARQUET', compression = 'ZSTD', partitioned_by = ARRAY['symbol']"
    return f"UNLOAD (\n{sql}) TO {literal(place)}\nWITH ({properties})"


def _manifest_urls(manifest: str) -> list[str]:
    """Read the URLs in a data manifest, one a line. A listing could include what a failed attempt left."""
    store, _, key = manifest.rpartition("/")
    return open_store(store).read(key).decode().split()


def file_names(urls: Iterable[str]) -> dict[str, str]:
    """Return the files' URLs by their published names: ``symbol=BTC-USDT/0000.parquet``, numbered in each folder.

    Athena does not sort the files: the column ``position`` orders their records.
    """
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for url in sorted(urls):
        folder = url.split("/")[-2]
        names[f"{folder}/{counts[folder]:04}.parquet"] = url
        counts[folder] += 1
    return names


def connect_athena(systems: Systems, results: str, database: str, workgroup: str) -> AthenaEngine:
    """Return the engine. Athena is not called yet."""
    with _explained():
        client = boto3.client("athena", region_name=_region(), config=_CONFIG)
    return AthenaEngine(systems, results, database, workgroup, client)


def init_tables(
    primary: str, replica: str | None, results: str, exchanges: Sequence[str], database: str, workgroup: str
) -> None:
    """Create the database and the tables: see :func:`booktape.merge.init_athena`."""
    with (
        _explained(),
        pyathena.connect(
            s3_staging_dir=results, work_group=workgroup, region_name=_region(), poll_interval=0.2, config=_CONFIG
        ) as connection,
    ):
        cursor = connection.cursor()
        for sql in athena_ddl.statements(database, primary, replica, exchanges):
            cursor.execute(sql)


@contextmanager
def cursor(results: str, database: str, workgroup: str) -> Iterator[Cursor]:
    """Provide a cursor that runs SQL in the database, one statement after the other."""
    with (
        _explained(),
        pyathena.connect(
            s3_staging_dir=results,
            schema_name=database,
            work_group=workgroup,
            region_name=_region(),
            poll_interval=0.2,
            config=_CONFIG,
        ) as connection,
    ):
        yield connection.cursor()


def _region() -> str:
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"


@contextmanager
def _explained() -> Iterator[None]:
    """Translate AWS's errors: what may pass by itself becomes transient, the rest gets a next step."""
    try:
        yield
    except (aws.BotoCoreError, aws.ClientError) as error:
        raise _explanation(error) from error
    except PyAthenaError as error:  # it wraps every other error
        raise _explanation(error.__cause__ or error) from error


def _explanation(error: BaseException) -> MergeFailedError | MergeInterruptedError | AthenaUnavailableError:
    if isinstance(error, aws.ClientError):
        code = error.response["Error"]["Code"]
        text = f"Athena: {code}: {error.response['Error']['Message']}"
        if code in _BUSY or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            return AthenaUnavailableError(text)
        if _TOKEN_USED in text:
            return MergeInterruptedError(f"{text}; the markets changed since, another query starts")
        return MergeFailedError(_hinted(text))
    if isinstance(error, aws.HTTPClientError | aws.ConnectionError):
        return AthenaUnavailableError(f"Athena is not reachable: {error}")
    return MergeFailedError(_hinted(f"Athena: {error}"))


def _hinted(reason: str) -> str:
    line = " ".join(reason.split())
    return next((f"{line}; {hint}" for sign, hint in _HINTS.items() if sign in line), line)
