"""A running sandbox and real clients for it. One sandbox a module: moto's S3 is one for the whole process."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pyathena
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws.server import Sandbox, running

Connect = Callable[[str], Any]
PutLines = Callable[..., None]

BUCKET = "booktape-test"

JOB_SECONDS = 600.0
"""How long jobs and change sets take by the sandbox's clock: longer than any test, so that a test lets them end."""


class Clock:
    """The sandbox's clock: the real one, put forward by tests."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def put_forward(self, seconds: float = JOB_SECONDS) -> None:
        """Let time pass: by default as long as jobs and change sets take."""
        self._ahead += timedelta(seconds=seconds)


CLOCK = Clock()


@pytest.fixture(scope="module")
def aws() -> Iterator[Sandbox]:
    settings = {
        "AWS_ACCESS_KEY_ID": "booktape",
        "AWS_SECRET_ACCESS_KEY": "booktape",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with (
        pytest.MonkeyPatch.context() as patch,
        running(job_seconds=JOB_SECONDS, change_set_seconds=JOB_SECONDS) as sandbox,
    ):
        sandbox.state.clock = CLOCK
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in (settings | {"AWS_ENDPOINT_URL": sandbox.url}).items():
            patch.setenv(name, value)
        yield sandbox


@pytest.fixture(scope="module")
def connect(aws: Sandbox) -> Connect:
    """Make a boto3 client that never retries: what the server says is what the test sees."""
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    client: Any = boto3.client  # Its type has an overload for each service, and takes no plain string.
    return lambda service: client(service, config=config)


@pytest.fixture(scope="session")
def refusal() -> Callable[..., tuple[str, int]]:
    """Make a call that must be refused; return the error's code and HTTP status."""

    def refused(call: Callable[..., Any], **params: Any) -> tuple[str, int]:
        with pytest.raises(ClientError) as caught:
            call(**params)
        answer = caught.value.response
        return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]

    return refused


@pytest.fixture(scope="module")
def s3(connect: Connect) -> Any:
    client = connect("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="module")
def dx(connect: Connect) -> Any:
    return connect("dataexchange")


@pytest.fixture(scope="module")
def catalog(connect: Connect) -> Any:
    return connect("marketplace-catalog")


@pytest.fixture(scope="module")
def athena(connect: Connect, s3: Any) -> Any:
    return connect("athena")


@pytest.fixture(scope="module")
def connection(aws: Sandbox, s3: Any) -> Iterator[Any]:
    with pyathena.connect(
        s3_staging_dir=f"s3://{BUCKET}/results/", schema_name="tape", poll_interval=0.01
    ) as connected:
        yield connected


@pytest.fixture
def cursor(connection: Any) -> Any:
    """PyAthena's plain cursor over an empty database named ``tape``."""
    plain = connection.cursor()
    plain.execute("DROP DATABASE IF EXISTS tape CASCADE")
    plain.execute("CREATE DATABASE tape")
    return plain


@pytest.fixture(scope="module")
def put_lines(s3: Any) -> PutLines:
    """Put gzipped JSON lines; text goes in as it stands."""

    def put(key: str, *lines: dict[str, Any] | str) -> None:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        s3.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress("".join(f"{text}\n" for text in texts).encode()))

    return put


@pytest.fixture
def data_set(dx: Any) -> dict[str, Any]:
    created: dict[str, Any] = dx.create_data_set(AssetType="S3_SNAPSHOT", Name="Trades", Description="Every trade")
    return created


@pytest.fixture
def revision(dx: Any, data_set: dict[str, Any]) -> dict[str, str]:
    """An open, empty revision, as the two parameters that name it."""
    created = dx.create_revision(DataSetId=data_set["Id"], Comment="2024-05-01")
    return {"DataSetId": data_set["Id"], "RevisionId": created["Id"]}


@pytest.fixture
def start_import(dx: Any, s3: Any) -> Callable[..., str]:
    """Create and start a job that imports the keys given; return its id."""

    def start(revision: dict[str, str], *keys: str) -> str:
        sources = [{"Bucket": BUCKET, "Key": key} for key in keys]
        details = {"ImportAssetsFromS3": {**revision, "AssetSources": sources}}
        job_id: str = dx.create_job(Type="IMPORT_ASSETS_FROM_S3", Details=details)["Id"]
        dx.start_job(JobId=job_id)
        return job_id

    return start
