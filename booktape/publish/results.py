"""What each step leaves in the run's manifest, for the steps after it and for whoever asks later."""

from typing import Literal

from msgspec import Struct


class Published(Struct, frozen=True):
    """An earlier run's file: what a republication is compared with."""

    run: int
    sha256: str
    rows: int


class Start(Struct, frozen=True):
    """Why there is a run. ``request`` names who asked, so that the same request never starts two runs."""

    reason: Literal["nightly", "republish"]
    request: str
    previous: Published | None = None


class Merge(Struct, frozen=True):
    """Where the merged file lies (``file://…`` or ``s3://bucket/key``), and the query that wrote it."""

    query: str
    url: str


class Market(Struct, frozen=True):
    """One market's part of the file. ``missing`` and ``gaps`` are None where the venue's ids cannot show loss."""

    rows: int
    first_id: int | str | None = None
    last_id: int | str | None = None
    missing: int | None = None
    gaps: int | None = None


class Check(Struct, frozen=True):
    """What the merged file was found to hold.

    ``rule`` is the sequence rule that the venue declares. ``completeness`` (0 to 1) is rows seen over rows numbered by
    the venue; None says that this file's ids cannot show loss: *unverifiable*, not complete. ``held`` says why the
    run must not go on. ``version`` is the S3 ETag of what was read. ``differs`` compares with the ``previous`` run.
    """

    rows: int
    bytes: int
    sha256: str
    rule: str
    completeness: float | None
    markets: dict[str, Market]
    held: str | None = None
    version: str | None = None
    previous: Published | None = None
    differs: bool | None = None


class Rename(Struct, frozen=True):
    """Where the file is published. ``version`` is its S3 ETag."""

    url: str
    key: str
    version: str | None = None


class Revision(Struct, frozen=True):
    """The revision that this run fills."""

    id: str
    arn: str
    comment: str


class Import(Struct, frozen=True):
    """The job that imports the file into the revision."""

    job: str


class Finalised(Struct, frozen=True):
    """The revision is final, with this one asset in it."""

    revision: str
    asset: str


class ChangeSets(Struct, frozen=True):
    """For each product's entity id the change set that adds the revision; None where it publishes by itself."""

    products: dict[str, str | None]


class Attempt(Struct, frozen=True):
    """A try that the service itself broke, and after which another one was made."""

    why: str
    replaced_by: str | None = None


class Done(Struct, frozen=True):
    """The run is over, well. ``detail`` says what was reached."""

    detail: str


class Stopped(Struct, frozen=True):
    """The run is held, or failed: at which step, and why."""

    step: str
    why: str
