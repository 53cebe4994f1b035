"""What each step leaves in the run's manifest, for the steps after it and for whoever asks later.

A result's tag is the name of its step and of its object: :class:`MergeResult` is kept in ``merge.json``.
"""

from typing import Literal

from msgspec import Struct

from booktape.integrity.csv_check import MarketRows
from booktape.rest.backfill_results import BackfilledMarket


class PublishedFile(Struct, frozen=True):
    """An earlier run's file: what a republication is compared with."""

    run: int
    sha256: str
    rows: int


class Start(Struct, frozen=True, tag="start"):
    """Why there is a run. ``request`` names who asked, so that the same request never starts two runs.

    ``revoke``: the revisions of earlier runs are to be revoked, once this run's is final.
    """

    reason: Literal["nightly", "republish"]
    request: str
    previous: PublishedFile | None = None
    revoke: bool = False


class Heal(Struct, frozen=True, tag="heal"):
    """What became of the trades that no system had, by market. ``why``: the venue was not asked for all of them."""

    markets: dict[str, BackfilledMarket]
    why: str | None = None


class MergeResult(Struct, frozen=True, tag="merge"):
    """Where the merged file lies (``file://…`` or ``s3://bucket/key``), and the query that wrote it."""

    query: str
    url: str


class Compute(Struct, frozen=True, tag="compute"):
    """Where the computed file lies, of which run of which source it was computed, and each market's rows.

    ``of_sha256`` is that of the CSV which that run published.
    """

    url: str
    of: str
    run: int
    of_sha256: str
    bytes: int
    sha256: str
    markets: dict[str, int]


class Query(Struct, frozen=True):
    """The merge's query that was started: it is asked for by its id until it is over."""

    id: str


class Check(Struct, frozen=True, tag="check"):
    """What the merged file was found to hold.

    ``rule`` is the sequence rule that the venue declares. ``completeness`` (0 to 1) is rows seen over the span of their
    ids; None says that the ids in this file cannot show loss: *unverifiable*, not complete. What the venue numbered and
    what is missing of it, the certificate says. ``held`` says why the run must not go on. ``version`` is the S3 ETag of
    what was read. ``differs`` compares with the ``previous`` run.
    """

    rows: int
    bytes: int
    sha256: str
    rule: str
    completeness: float | None
    markets: dict[str, MarketRows]
    held: str | None = None
    version: str | None = None
    previous: PublishedFile | None = None
    differs: bool | None = None


class Certify(Struct, frozen=True, tag="certify"):
    """The day's certificate: its key in the run's storage, and what it says of the whole file.

    ``share`` is the part of the venue's numbers that is there, as decimal text; None where nothing is numbered.
    ``held`` says why the run must not go on; ``releasable``: for no other reason than the source's threshold.
    """

    key: str
    sha256: str
    expected: int | None
    seen: int
    share: str | None
    held: str | None = None
    releasable: bool = False


class Released(Struct, frozen=True, tag="released"):
    """Somebody let a run go on that was held for its source's threshold: who, why, and what had held it."""

    who: str
    why: str
    held: str


class Rename(Struct, frozen=True, tag="rename"):
    """Where the file and its certificate are published. ``version`` is the file's S3 ETag."""

    url: str
    version: str | None = None
    certificate: str | None = None


class Parquet(Struct, frozen=True, tag="parquet"):
    """Where the same records are published in full: one file, or several below this URL. ``bytes`` of all of them.

    ``sha256`` is that of the list of their hashes, which lies beside them as ``….parquet.sha256``.
    """

    url: str
    files: int
    bytes: int
    sha256: str | None = None


class Checkpoints(Struct, frozen=True, tag="checkpoints"):
    """Where whole books lie that stand in between a day's messages, how many, and their ``bytes``."""

    url: str
    books: int
    bytes: int


class MarketFiles(Struct, frozen=True, tag="market_files"):
    """The files of single markets that were written, in which form, and below which URL.

    ``left_out`` counts the book messages before a market's first snapshot, which Tardis's form leaves out.
    """

    url: str
    form: str
    files: int
    rows: int
    bytes: int
    left_out: int


class Revision(Struct, frozen=True, tag="create_revision"):
    """The revision that this run fills."""

    id: str
    arn: str
    comment: str

    @property
    def data_set(self) -> str:
        """The data set that it was made in (its ARN names it), whatever the sources file says by now."""
        return self.arn.partition(":data-sets/")[2].partition("/")[0]


class Import(Struct, frozen=True, tag="import_assets"):
    """The job that imports the file into the revision."""

    job: str


class Imported(Struct, frozen=True, tag="poll_job"):
    """The job that did it: another than at first, where the service broke that one."""

    job: str


class Finalised(Struct, frozen=True, tag="finalise"):
    """The revision is final, with this one asset in it."""

    revision: str
    asset: str


class Submitted(Struct, frozen=True, tag="submit_change_set"):
    """For each product's entity id the change set that is to add the revision; None where it publishes by itself."""

    products: dict[str, str | None]


class Shown(Struct, frozen=True, tag="poll_change_set"):
    """For each product's entity id the change set that added the revision; None where it publishes by itself."""

    products: dict[str, str | None]


class Revoked(Struct, frozen=True, tag="revoke"):
    """The revisions of earlier runs that are taken back, once this run's was final; empty where that was not asked.

    ``gone``: those that Data Exchange does not know any more.
    """

    revisions: list[str]
    gone: list[str] = []


class Attempt(Struct, frozen=True):
    """A try that the service itself broke, and what replaced it."""

    why: str
    replaced_by: str | None = None


class Done(Struct, frozen=True, tag="done"):
    """The run is over, well. ``detail`` says what was reached."""

    detail: str


class HeldRun(Struct, frozen=True, tag="held"):
    """The run must not go on: the file is not fit to be published."""

    step: str
    why: str


class Failed(Struct, frozen=True, tag="failed"):
    """The run stopped at a step. Outdated as soon as that step has a result."""

    step: str
    why: str


StepResult = (
    Heal
    | MergeResult
    | Compute
    | Check
    | Certify
    | Rename
    | Parquet
    | Checkpoints
    | MarketFiles
    | Revision
    | Import
    | Imported
    | Finalised
    | Submitted
    | Shown
    | Revoked
)


def name_of(kind: type[Struct]) -> str:
    """The name of the step, and of the manifest object, that a kind of result belongs to."""
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str), f"{kind.__name__} has no name in the manifest"
    return tag
