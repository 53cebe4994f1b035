"""The results of the steps, as they are stored in a run's manifest.

The tag of a type is the name of its step and of its object: :class:`MergeResult` is stored as ``merge.json``. Field
names are stored too, and must not change.
"""

from typing import Literal

from msgspec import Struct

from booktape.integrity.csv_check import MarketRows
from booktape.rest.backfill_results import BackfilledMarket


class PreviousFile(Struct, frozen=True):
    """The file of an earlier run, with which a republication is compared."""

    run: int
    sha256: str
    rows: int


class Start(Struct, frozen=True, tag="start"):
    """The start of a run.

    :param request: identifies the request, so that the same request never starts two runs.
    :param previous: the file that an earlier run of the day published.
    :param revoke: whether the revisions of earlier runs are revoked once this run's is final.
    """

    reason: Literal["nightly", "republish"]
    request: str
    previous: PreviousFile | None = None
    revoke: bool = False


class Heal(Struct, frozen=True, tag="heal"):
    """The backfill of missing trades, by market. ``why``: what ended it early, if anything did."""

    markets: dict[str, BackfilledMarket]
    why: str | None = None


class MergeResult(Struct, frozen=True, tag="merge"):
    """The URL of the merged file (``file://…`` or ``s3://bucket/key``), and the query that wrote it."""

    query: str
    url: str


class Compute(Struct, frozen=True, tag="compute"):
    """The computed file of an analytics source.

    :param of: the source from which it is computed, and ``run`` that source's run.
    :param of_sha256: the hash of the CSV that this run published.
    :param markets: the number of rows of each market.
    """

    url: str
    of: str
    run: int
    of_sha256: str
    bytes: int
    sha256: str
    markets: dict[str, int]


class Query(Struct, frozen=True):
    """The query that a merge started, by whose id it is polled."""

    id: str


class Check(Struct, frozen=True, tag="check"):
    """The content of the file.

    :param rule: the sequence rule that the venue declares.
    :param completeness: the rows as a share (0 to 1) of the span of their ids; None if the ids cannot show a loss,
        which means unverifiable, not complete. The certificate says which ids are missing.
    :param held: why the run is held; None if it is not.
    :param version: the S3 ETag of the file.
    :param differs: whether the file differs from that of the ``previous`` run.
    """

    rows: int
    bytes: int
    sha256: str
    rule: str
    completeness: float | None
    markets: dict[str, MarketRows]
    held: str | None = None
    version: str | None = None
    previous: PreviousFile | None = None
    differs: bool | None = None


class Certify(Struct, frozen=True, tag="certify"):
    """The day's certificate.

    :param key: the certificate's key in the recordings' store.
    :param expected: how many records the venue numbered; None if it numbers none.
    :param seen: how many of these are present, and ``share`` their share, as decimal text.
    :param held: why the run is held; None if it is not.
    :param releasable: whether the run is held for its source's threshold only, and can be released.
    """

    key: str
    sha256: str
    expected: int | None
    seen: int
    share: str | None
    held: str | None = None
    releasable: bool = False


class Released(Struct, frozen=True, tag="released"):
    """A run that was held for its source's threshold was released: by whom, why, and what had held it."""

    who: str
    why: str
    held: str


class Rename(Struct, frozen=True, tag="rename"):
    """The URLs of the published file and of its certificate. ``version`` is the file's S3 ETag."""

    url: str
    version: str | None = None
    certificate: str | None = None


class Parquet(Struct, frozen=True, tag="parquet"):
    """The published Parquet: one file at this URL, or several below it.

    :param bytes: the size of all files together.
    :param sha256: the hash of the list of their hashes, which is published as ``….parquet.sha256``.
    """

    url: str
    files: int
    bytes: int
    sha256: str | None = None


class Checkpoints(Struct, frozen=True, tag="checkpoints"):
    """The published checkpoints of books: their URL, their number and the size of the file."""

    url: str
    books: int
    bytes: int


class MarketFiles(Struct, frozen=True, tag="market_files"):
    """The files of single markets, all below one URL.

    :param form: their format.
    :param left_out: how many book messages precede a market's first snapshot; Tardis's format leaves these out.
    """

    url: str
    form: str
    files: int
    rows: int
    bytes: int
    left_out: int


class Revision(Struct, frozen=True, tag="create_revision"):
    """The run's revision at AWS Data Exchange."""

    id: str
    arn: str
    comment: str

    @property
    def data_set(self) -> str:
        """The id of its data set, by its ARN. The sources file may name another one by now."""
        return self.arn.partition(":data-sets/")[2].partition("/")[0]


class Import(Struct, frozen=True, tag="import_assets"):
    """The job that imports the file into the revision."""

    job: str


class Imported(Struct, frozen=True, tag="poll_job"):
    """The job that completed the import; another than the first one if that failed by a fault of the service."""

    job: str


class Finalised(Struct, frozen=True, tag="finalise"):
    """The final revision and its one asset."""

    revision: str
    asset: str


class Submitted(Struct, frozen=True, tag="submit_change_set"):
    """The change set that is to add the revision to each product, by entity id; None if AWS adds it."""

    products: dict[str, str | None]


class Shown(Struct, frozen=True, tag="poll_change_set"):
    """The change set that added the revision to each product, by entity id; None if AWS added it."""

    products: dict[str, str | None]


class Revoked(Struct, frozen=True, tag="revoke"):
    """The revisions of earlier runs that were revoked; none unless the run's request says so.

    :param gone: revisions that do not exist at Data Exchange any more.
    """

    revisions: list[str]
    gone: list[str] = []


class Attempt(Struct, frozen=True):
    """An attempt that failed by a fault of the service, and the id of its replacement."""

    why: str
    replaced_by: str | None = None


class Done(Struct, frozen=True, tag="done"):
    """The run is done. ``detail`` says where its file is published."""

    detail: str


class HeldRun(Struct, frozen=True, tag="held"):
    """The run is held: the file is not fit to be published."""

    step: str
    why: str


class Failed(Struct, frozen=True, tag="failed"):
    """The run failed at a step. Obsolete as soon as that step has a result."""

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
    """The name of the step, and of the manifest object, of a type of result."""
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str), f"{kind.__name__} has no name in the manifest"
    return tag
