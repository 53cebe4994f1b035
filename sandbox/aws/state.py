"""The state of one sandbox: everything that the handlers read and change."""

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sandbox.aws.athena.store import AthenaStore
from sandbox.aws.faults import Faults
from sandbox.aws.records import Asset, ChangeSet, DataSet, Job, Product, PublishedRevision, Revision


def utc_now() -> datetime:
    """The time of this machine's clock."""
    return datetime.now(UTC)


def new_id() -> str:
    """A new identifier of 32 letters and digits, as Data Exchange gives its resources."""
    return secrets.token_hex(16)


@dataclass
class State:
    """One sandbox's resources by id, in the order of their creation.

    Handlers hold ``lock``. ``job_seconds`` and ``change_set_seconds`` say how long jobs and change sets take.
    """

    job_seconds: float = 0.3
    change_set_seconds: float = 0.3
    clock: Callable[[], datetime] = utc_now
    data_sets: dict[str, DataSet] = field(default_factory=dict)
    revisions: dict[str, Revision] = field(default_factory=dict)
    assets: dict[str, Asset] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    products: dict[str, Product] = field(default_factory=dict)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    published: list[PublishedRevision] = field(default_factory=list)
    athena: AthenaStore = field(default_factory=AthenaStore)
    faults: Faults = field(default_factory=Faults)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def add_product(self, entity_id: str, data_set_arn: str, auto: bool = False) -> Product:
        """Create a product that offers one data set.

        With ``auto`` its revisions publish once they are finalised, as AWS does for products since July 2021;
        without it they need a change set. Raises ValueError if no data set has this ARN.
        """
        with self.lock:
            if all(data_set.arn != data_set_arn for data_set in self.data_sets.values()):
                raise ValueError(f"no data set {data_set_arn}")
            self.products[entity_id] = Product(entity_id, data_set_arn, auto, self.clock())
            return self.products[entity_id]

    def asset_bytes(self, asset_id: str) -> bytes:
        """Return what an import copied from S3. Raises KeyError if there is no such asset."""
        with self.lock:
            return self.assets[asset_id].content

    def publish(self, entity_id: str, revision_arn: str, change_set_id: str | None = None) -> None:
        """Show a revision to the subscribers of a product; again is no change."""
        seen = {(item.entity_id, item.revision_arn) for item in self.published}
        if (entity_id, revision_arn) not in seen:
            self.published.append(PublishedRevision(entity_id, revision_arn, self.clock(), change_set_id))
