"""The steps at AWS: a revision with the file in it is created, finalised, and added to its products.

The last step revokes the revisions of the day's earlier runs, if the republication requests that. A run may have been
killed after its revision was final and before its manifest said so. Therefore the step reads the state of every
revision that an earlier run created, in the data set in which it was created.
"""

from collections.abc import Callable, Iterator
from itertools import takewhile

from booktape.model.errors import BooktapeError, StateError
from booktape.model.records import SECOND
from booktape.publish import catalog, data_exchange, files, manifest, results
from booktape.publish.aws import ResourceNotFoundError
from booktape.publish.catalog import ChangeSetFailedError
from booktape.publish.context import Context
from booktape.publish.data_exchange import ImportJobFailedError
from booktape.publish.file_steps import require_passed_check
from booktape.publish.files import FileChangedError, S3Object
from booktape.publish.results import name_of
from booktape.publish.retries import WaitingError
from booktape.publish.sources import AUTO, VERIFY, DataSource, Product
from booktape.store import clock
from booktape.store.layout import Run

MAX_REPLACEMENTS = 3
"""How often a job or change set that failed by a fault of the service is replaced."""


def create_revision(context: Context, run: Run) -> results.Revision:
    """Find or create this run's revision, which its comment identifies."""
    comment = revision_comment(run, require_passed_check(context, run).sha256)
    found = data_exchange.find_or_create_revision(context.aws.data_exchange, _data_set(context, run), comment)
    return results.Revision(found.id, found.arn, comment)


def revision_comment(run: Run, sha256: str) -> str:
    """The comment that identifies a run's revision: the same for the same run and content."""
    return f"booktape {run} sha256 {sha256[:32]}"


def import_assets(context: Context, run: Run) -> results.Import:
    """Find or create the job that imports the file, and start it."""
    return results.Import(_job(context, run))


def _job(context: Context, run: Run) -> str:
    revision = manifest.require_result(context.store, run, results.Revision)
    place = _published_object(context, run)
    client = context.aws.data_exchange
    return data_exchange.find_or_create_job(client, revision.data_set, revision.id, place.bucket, place.key)


def poll_job(context: Context, run: Run) -> results.Imported:
    """The import job that completed; a job that failed by a fault of the service is replaced a few times.

    Raises :class:`WaitingError` while a job runs.
    """
    first = manifest.require_result(context.store, run, results.Import).job

    def wait(job: str) -> None:
        data_exchange.wait_for_job(context.aws.data_exchange, job)

    def replace(number: int) -> str:
        return _job(context, run)

    return results.Imported(_succeeded(context, run, name_of(results.Imported), first, wait, replace))


def _succeeded(
    context: Context,
    run: Run,
    counted_as: str,
    first: str,
    wait: Callable[[str], None],
    replace: Callable[[int], str],
) -> str:
    """The id of the job or change set that succeeded. Those that failed are recorded as attempts in the manifest.

    One that failed for good is recorded without a replacement: the next time the run is tried, it is replaced.

    :param counted_as: the step's name in the manifest.
    :param wait: returns once the job or change set with that id has succeeded.
    :param replace: starts the ``number``-th one and returns its id.
    """
    broken = manifest.read_attempts(context.store, run, counted_as)

    def record(why: str, replaced_by: str | None) -> None:
        attempt = results.Attempt(why, replaced_by)
        manifest.record_attempt(context.store, run, counted_as, len(broken) + 1, attempt)

    def replaced(why: str) -> WaitingError:
        replacement = replace(len(broken) + 2)
        record(why, replacement)
        return WaitingError(f"{why}; {replacement} tries again")

    if broken and broken[-1].replaced_by is None:
        raise replaced(broken[-1].why)
    newest = [first, *(attempt.replaced_by for attempt in broken if attempt.replaced_by)][-1]
    try:
        wait(newest)
    except (ImportJobFailedError, ChangeSetFailedError) as error:
        if error.may_pass and _replacements(broken) < MAX_REPLACEMENTS:
            raise replaced(str(error)) from error
        record(str(error), None)
        raise
    return newest


def _replacements(broken: list[results.Attempt]) -> int:
    """How many were replaced since the run was last tried again."""
    since = list(takewhile(lambda attempt: attempt.replaced_by is not None, reversed(broken)))
    return len(since) if len(since) == len(broken) else len(since) - 1


def finalise(context: Context, run: Run) -> results.Finalised:
    """Make the revision final, if it holds this file and nothing else. This step is irreversible."""
    revision = manifest.require_result(context.store, run, results.Revision)
    client, data_set = context.aws.data_exchange, revision.data_set
    if data_exchange.is_final(client, data_set, revision.id):  # an earlier response was lost
        return results.Finalised(revision.id, min(data_exchange.assets(client, data_set, revision.id)).id)
    checked = require_passed_check(context, run)
    _refuse_changes(context, run, revision, checked)
    name = _published_object(context, run).key
    asset = data_exchange.only_asset(client, data_set, revision.id, name, checked.bytes)
    data_exchange.finalise_revision(client, data_set, revision.id)
    return results.Finalised(revision.id, asset.id)


def _refuse_changes(context: Context, run: Run, revision: results.Revision, checked: results.Check) -> None:
    """Raise :class:`~booktape.publish.files.FileChangedError` unless file and revision are those that were checked."""
    renamed = manifest.require_result(context.store, run, results.Rename)
    if files.version(renamed.url, context.aws) != renamed.version:
        raise FileChangedError(f"{renamed.url} changed since it was checked; the revision is not finalised")
    if revision.comment != revision_comment(run, checked.sha256):
        raise FileChangedError(f"revision {revision.id} was made for another file: {revision.comment}")


def submit_change_set(context: Context, run: Run) -> results.Submitted:
    """Start a change set for each product that does not add the revision by itself."""
    finalised = manifest.read_entry(context.store, run, results.Finalised)
    if finalised is None:
        raise manifest.OutOfOrderError(f"{run} is not finalised yet")
    products = context.source(run.source).products
    return results.Submitted({product.entity: _submit(context, run, product, finalised.at) for product in products})


def _submit(context: Context, run: Run, product: Product, finalised_at: int) -> str | None:
    revision = manifest.require_result(context.store, run, results.Revision)
    if product.mode == AUTO:
        return None
    if product.mode == VERIFY:
        if data_exchange.is_published(context.aws.data_exchange, revision.data_set, revision.id, product.entity):
            return None
        if clock.now() - finalised_at < context.verify_seconds * SECOND:
            raise WaitingError(f"product {product.entity} does not show revision {revision.id} yet")
    return catalog.add_revision(context.aws.catalog, product.entity, revision.arn, attempt=1)


def poll_change_set(context: Context, run: Run) -> results.Shown:
    """The change sets that succeeded; one that failed by a fault of the service is replaced a few times.

    Raises :class:`WaitingError` while a change set is applied.
    """
    submitted = manifest.require_result(context.store, run, results.Submitted).products
    return results.Shown(
        {
            product: _shown(context, run, product, change_set) if change_set is not None else None
            for product, change_set in submitted.items()
        }
    )


def _shown(context: Context, run: Run, product: str, first: str) -> str:
    """The change set that added the revision to a product. Failed ones are recorded by product."""
    revision = manifest.require_result(context.store, run, results.Revision)

    def wait(change_set: str) -> None:
        catalog.wait_for_change_set(context.aws.catalog, change_set)

    def replace(number: int) -> str:
        return catalog.add_revision(context.aws.catalog, product, revision.arn, attempt=number)

    return _succeeded(context, run, f"{name_of(results.Shown)}.{product}", first, wait, replace)


def _data_set(context: Context, run: Run) -> str:
    """The data set of the run's source."""
    data_set = context.source(run.source).data_set
    if data_set is None:
        raise BooktapeError(f"{run.source} has no data set any more; put it back into the sources file")
    return data_set


def _published_object(context: Context, run: Run) -> S3Object:
    url = manifest.require_result(context.store, run, results.Rename).url
    place = files.s3_object(url)
    if place is None:
        raise BooktapeError(f"Data Exchange imports from S3 only, not from {url}: publish to an s3:// URL")
    return place


class NothingToRevokeError(StateError):
    """The source publishes no revisions."""


def require_revocable(source: DataSource) -> None:
    """Raise :class:`NothingToRevokeError` if the source has no data set."""
    if source.data_set is None:
        raise NothingToRevokeError(f"{source.name} has no data set in the sources file, so there is nothing to revoke")


def revoke_earlier(context: Context, run: Run) -> results.Revoked:
    """Revoke the final revisions of the day's earlier runs. Subscribers lose them. This cannot be undone."""
    if not manifest.require_result(context.store, run, results.Start).revoke:
        return results.Revoked([])
    mine = manifest.require_result(context.store, run, results.Finalised).revision
    comment = f"superseded by {run}, revision {mine}"
    revoked, gone = [], []
    for revision in _earlier(context, run):
        try:
            if data_exchange.revoke_revision(context.aws.data_exchange, revision.data_set, revision.id, comment):
                revoked.append(revision.id)
        except ResourceNotFoundError:  # it was deleted, or its data set: no subscriber has it
            gone.append(revision.id)
    return results.Revoked(revoked, gone)


def _earlier(context: Context, run: Run) -> Iterator[results.Revision]:
    for number in range(1, run.number):
        revision = manifest.read_result(context.store, Run(run.source, run.day, number), results.Revision)
        if revision is not None:
            yield revision
