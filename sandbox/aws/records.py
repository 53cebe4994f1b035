"""What the sandbox remembers of Data Exchange and of the Marketplace Catalog. Times are aware datetimes in UTC."""

from dataclasses import dataclass, field
from datetime import datetime

ACCOUNT = "123456789012"
REGION = "us-east-1"


@dataclass
class DataSet:
    """A data set: the thing that products offer and revisions belong to."""

    id: str
    name: str
    description: str
    created_at: datetime
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:dataexchange:{REGION}:{ACCOUNT}:data-sets/{self.id}"


@dataclass
class Revision:
    """One version of a data set. Once ``finalized`` it can only be revoked."""

    id: str
    data_set_id: str
    comment: str
    created_at: datetime
    updated_at: datetime
    finalized: bool = False
    revocation_comment: str | None = None
    revoked_at: datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:dataexchange:{REGION}:{ACCOUNT}:data-sets/{self.data_set_id}/revisions/{self.id}"


@dataclass
class Asset:
    """A copy of one S3 object's bytes within a revision; ``name`` is the object's whole key until it is renamed."""

    id: str
    data_set_id: str
    revision_id: str
    name: str
    content: bytes = field(repr=False)
    created_at: datetime
    updated_at: datetime

    @property
    def arn(self) -> str:
        path = f"data-sets/{self.data_set_id}/revisions/{self.revision_id}/assets/{self.id}"
        return f"arn:aws:dataexchange:{REGION}:{ACCOUNT}:{path}"


@dataclass(frozen=True)
class ObjectSource:
    """The S3 object that an import reads."""

    bucket: str
    key: str


@dataclass(frozen=True)
class JobFault:
    """Why a job ended in ERROR: a code of the model's ``Code`` enum, and what it says."""

    code: str
    message: str


@dataclass
class Job:
    """An import from S3. What it will bring is decided when it starts; it shows at ``due``."""

    id: str
    data_set_id: str
    revision_id: str
    sources: list[ObjectSource]
    created_at: datetime
    updated_at: datetime
    state: str = "WAITING"
    due: datetime | None = None
    outcome: str = "COMPLETED"
    pending: list[Asset] = field(default_factory=list)
    fault: JobFault | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:dataexchange:{REGION}:{ACCOUNT}:jobs/{self.id}"


@dataclass
class Product:
    """A data product of the Marketplace. With ``auto`` a finalised revision of its data set publishes by itself."""

    entity_id: str
    data_set_arn: str
    auto: bool
    modified_at: datetime

    @property
    def arn(self) -> str:
        return f"arn:aws:aws-marketplace:{REGION}:{ACCOUNT}:AWSMarketplace/DataProduct/{self.entity_id}"


@dataclass(frozen=True)
class PublishedRevision:
    """A revision that subscribers of a product can see; ``change_set_id`` is None where it published by itself."""

    entity_id: str
    revision_arn: str
    published_at: datetime
    change_set_id: str | None = None


@dataclass(frozen=True)
class Change:
    """One requested change of a change set, with the errors found in it: (code, message) pairs."""

    change_type: str
    entity_type: str
    entity_id: str
    details: str
    revision_arns: tuple[str, ...]
    errors: tuple[tuple[str, str], ...]
    change_name: str | None = None


@dataclass
class ChangeSet:
    """Changes applied together or not at all. The outcome is decided at the start; it shows at ``due``."""

    id: str
    name: str | None
    token: str
    changes: list[Change]
    started_at: datetime
    due: datetime
    failure_code: str | None
    status: str = "PREPARING"
    ended_at: datetime | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:aws-marketplace:{REGION}:{ACCOUNT}:AWSMarketplace/ChangeSet/{self.id}"
