"""The engine for scale: Amazon Athena over both systems' buckets.

Credentials, endpoint and region come from the standard AWS environment variables or from the role.
Source: Amazon Athena API Reference, StartQueryExecution and GetQueryExecution.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from typing import TYPE_CHECKING, Final

import boto3
import pyathena
from botocore import exceptions as aws
from botocore.config import Config
from pyathena.error import Error as PyAthenaError

from booktape.errors import Transient
from booktape.merge import ddl, inputs
from booktape.merge.engine import Merge, Merged, MergeFailed, MergeInterrupted, fingerprint
from booktape.merge.inputs import Systems
from booktape.merge.query import statement

if TYPE_CHECKING:
    from mypy_boto3_athena.client import AthenaClient

_LONGEST_QUERY: Final = 262_144
_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=10,
    read_timeout=30,
    user_agent_extra="booktape",
)
_BUSY: Final = frozenset({"TooManyRequestsException", "ThrottlingException", "InternalServerException"})

_TOKEN_USED: Final = "Idempotent parameters do not match"
"""The markets, and so the query, changed since this token was used."""

_HINTS: Final = {
    "Unable to locate credentials": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role",
    "NOT_FOUND": "make the tables with `booktape athena init`",
    "Unable to verify/create output bucket": "create the bucket of the results, in Athena's region",
    "AccessDenied": "allow this role Athena, Glue and both buckets",
    "UnrecognizedClientException": "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
}


class AthenaUnavailable(Transient):
    """Athena does not answer, or answers that it is busy."""


@dataclass(frozen=True, slots=True)
class AthenaEngine:
    """Merges on Athena. ``results`` is the ``s3://`` URL below which Athena writes ``{query id}.csv``."""

    systems: Systems
    results: str
    database: str
    workgroup: str
    client: "AthenaClient"

    def start(self, merge: Merge, token: str) -> str:
        """Start the query. See :class:`~booktape.merge.engine.Engine`."""
        sql = statement(merge, inputs.require_markets(self.systems, merge))
        if len(sql.encode()) > _LONGEST_QUERY:
            raise MergeFailed(f"{merge.exchange} has more markets than one Athena query can name: merge it with DuckDB")
        with _explained():
            started = self.client.start_query_execution(
                QueryString=sql,
                ClientRequestToken=fingerprint(merge, self.database, token),
                QueryExecutionContext={"Database": self.database},
                ResultConfiguration={"OutputLocation": self.results},
                ResultReuseConfiguration={"ResultReuseByAgeConfiguration": {"Enabled": False}},
                WorkGroup=self.workgroup,
            )
        return started["QueryExecutionId"]

    def poll(self, query: str) -> Merged | None:
        """Ask how the query is doing. See :class:`~booktape.merge.engine.Engine`."""
        with _explained():
            execution = self.client.get_query_execution(QueryExecutionId=query)["QueryExecution"]
        status = execution["Status"]
        state = status["State"]
        if state == "SUCCEEDED":
            # A workgroup may overrule where results go, so only Athena knows.
            url = execution["ResultConfiguration"]["OutputLocation"]
            return Merged(url, execution.get("Statistics", {}).get("DataScannedInBytes"))
        if state in ("QUEUED", "RUNNING"):
            return None
        reason = _hinted(f"query {query} {state}: {status.get('StateChangeReason', 'no reason given')}")
        if state == "FAILED" and status.get("AthenaError", {}).get("Retryable"):
            raise MergeInterrupted(reason)
        raise MergeFailed(reason)


def connect(systems: Systems, results: str, database: str, workgroup: str) -> AthenaEngine:
    """The engine. Nothing is asked of Athena yet."""
    with _explained():
        client = boto3.client("athena", region_name=_region(), config=_CONFIG)
    return AthenaEngine(systems, results, database, workgroup, client)


def init(
    primary: str, replica: str | None, results: str, exchanges: Sequence[str], database: str, workgroup: str
) -> None:
    """Make the database and the tables: see :func:`booktape.merge.init_athena`."""
    with (
        _explained(),
        pyathena.connect(
            s3_staging_dir=results, work_group=workgroup, region_name=_region(), poll_interval=0.2, config=_CONFIG
        ) as connection,
    ):
        cursor = connection.cursor()
        for sql in ddl.statements(database, primary, replica, exchanges):
            cursor.execute(sql)


def _region() -> str:
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"


@contextmanager
def _explained() -> Iterator[None]:
    """AWS's errors as the library's: what may pass by itself as transient, the rest with the next step."""
    try:
        yield
    except (aws.BotoCoreError, aws.ClientError) as error:
        raise _explanation(error) from error
    except PyAthenaError as error:  # it wraps whatever went wrong
        raise _explanation(error.__cause__ or error) from error


def _explanation(error: BaseException) -> MergeFailed | MergeInterrupted | AthenaUnavailable:
    if isinstance(error, aws.ClientError):
        code = error.response["Error"]["Code"]
        text = f"Athena: {code}: {error.response['Error']['Message']}"
        if code in _BUSY or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            return AthenaUnavailable(text)
        if _TOKEN_USED in text:
            return MergeInterrupted(f"{text}; the markets changed since, another query starts")
        return MergeFailed(_hinted(text))
    if isinstance(error, aws.HTTPClientError | aws.ConnectionError):
        return AthenaUnavailable(f"Athena is not reachable: {error}")
    return MergeFailed(_hinted(f"Athena: {error}"))


def _hinted(reason: str) -> str:
    line = " ".join(reason.split())
    return next((f"{line}; {hint}" for sign, hint in _HINTS.items() if sign in line), line)
