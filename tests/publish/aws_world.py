"""An AWS to publish in: the sandbox's, with a bucket, a data set and a product of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from sandbox.aws.server import Sandbox, running
from sandbox.aws.state import State

BUCKET = "booktape"
PRODUCT = "prod-binance-trades"


@dataclass(frozen=True)
class World:
    """``state`` looks behind the scenes; ``environment`` is what a process needs to reach it."""

    sandbox: Sandbox
    data_set: str
    data_set_arn: str
    environment: dict[str, str]

    @property
    def state(self) -> State:
        return self.sandbox.state

    def lose_answer(self, operation: str, service: str = "dataexchange") -> None:
        """The next call has its effect, and then answers 500."""
        self.state.faults.add({"service": service, "operation": operation, "status": 500, "times": 1, "after": True})

    def refuse(self, operation: str, status: int, code: str, service: str = "dataexchange", times: int = 1) -> None:
        """The next calls have no effect, and answer so."""
        self.state.faults.add(
            {"service": service, "operation": operation, "status": status, "code": code, "times": times}
        )

    def calls(self, operation: str, service: str = "dataexchange") -> int:
        """How often an operation was called."""
        return self.state.requests[(service, operation)]

    def summary(self) -> dict[str, Any]:
        """What there is, without ids and times: equal summaries mean that nothing changed."""
        state = self.state
        return {
            "revisions": [(item.comment, item.finalized) for item in state.revisions.values()],
            "assets": [(item.name, len(item.content)) for item in state.assets.values()],
            "jobs": [item.state for item in state.jobs.values()],
            "change sets": [item.status for item in state.change_sets.values()],
            "published": [item.entity_id for item in state.published],
        }


@contextmanager
def aws_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A new, empty AWS with fast jobs; this process's AWS clients go there."""
    with running(job_seconds=0.05, change_set_seconds=0.05) as sandbox:
        environment = {
            "AWS_ENDPOINT_URL": sandbox.url,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        session = boto3.Session()
        session.client("s3").create_bucket(Bucket=BUCKET)
        data_set = session.client("dataexchange").create_data_set(
            AssetType="S3_SNAPSHOT", Name="Binance trades", Description="Every trade"
        )
        sandbox.state.add_product(PRODUCT, data_set["Arn"])
        yield World(sandbox, data_set["Id"], data_set["Arn"], environment)
