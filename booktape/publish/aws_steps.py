"""The steps at AWS: a revision with the file in it, finalised, and shown by its products.

The last step at AWS: taking back what earlier runs of the day published, where a republication was asked to.

A run may have been killed, or have failed, after its revision was final, and so before its manifest said that. So
Data Exchange is asked of every revision that an earlier run made, in the data set in which it was made.
"""

from collections.abc import Callable, Iterator
from itertools import takewhile

from booktape.model.errors import BooktapeError
from booktape.model.records import SECOND
from booktape.publish import catalog, data_exchange, files, manifest, results
from booktape.publish.aws import ResourceNotFoundError
from booktape.publish.catalog import ChangeSetFailedError
from booktape.publish.context import Context
from booktape.publish.data_exchange import ImportJobFailedError
from booktape.publish.errors import WaitingError
from booktape.publish.file_steps import sound
from booktape.publish.files import FileChangedError, S3Object
from booktape.publish.results import name_of
from booktape.publish.sources import AUTO, VERIFY, DataSource, Product
from booktape.store import clock
from booktape.store.layout import Run

MOST_REPLACEMENTS = 3
"""How often a job or a change set that the service itself broke is made anew."""


def create_revision(context: Context, run: Run) -> results.Revision:
    """Find or create the revision that this run fills, known by its comment."""
    comment = revision_comment(run, sound(context, run).sha256)
    found = data_exchange.find_or_create_revision(context.aws.data_exchange, _data_set(context, run), comment)
    return results.Revision(found.id, found.arn, comment)


def revision_comment(run: Run, sha256: str) -> str:
    """What a revision is found by again: the same for the same run and content."""
    return f"booktape {run} sha256 {sha256[:32]}"


def import_assets(context: Context, run: Run) -> results.Import:
    """Find or create the job that imports the file, and start it."""
    return results.Import(_job(context, run))


def _job(context: Context, run: Run) -> str:
    revision = manifest.required(context.store, run, results.Revision)
    place = _published_object(context, run)
    client = context.aws.data_exchange
    return data_exchange.find_or_create_job(client, revision.data_set, revision.id, place.bucket, place.key)


def poll_job(context: Context, run: Run) -> results.Imported:
    """The job that completed. Raises :class:`WaitingError`; a job that the service broke is made anew a few times."""
    first = manifest.required(context.store, run, results.Import).job

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
    """The id of the job or change set that succeeded. Broken ones are counted in the manifest.

    One that failed for good is counted without a replacement: whoever tries the run again gets a new one.

    :param wait: returns once the one with that id succeeded.
    :param replace: starts another one, the ``number``-th, and returns its id.
    """
    broken = manifest.attempts(context.store, run, counted_as)

    def count(why: str, replaced_by: str | None) -> None:
        attempt = results.Attempt(why, replaced_by)
        manifest.record_attempt(context.store, run, counted_as, len(broken) + 1, attempt)

    def again(why: str) -> WaitingError:
        replacement = replace(len(broken) + 2)
        count(why, replacement)
        return WaitingError(f"{why}; {replacement} tries again")

    if broken and broken[-1].replaced_by is None:
        raise again(broken[-1].why)
    newest = [first, *(attempt.replaced_by for attempt in broken if attempt.replaced_by)][-1]
    try:
        wait(newest)
    except (ImportJobFailedError, ChangeSetFailedError) as error:
        if error.may_pass and _replacements(broken) < MOST_REPLACEMENTS:
            raise again(str(error)) from error
        count(str(error), None)
        raise
    return newest


def _replacements(broken: list[results.Attempt]) -> int:
    """How many were made anew by themselves since somebody last tried the run again."""
    since = list(takewhile(lambda attempt: attempt.replaced_by is not None, reversed(broken)))
    return len(since) if len(since) == len(broken) else len(since) - 1


def finalise(context: Context, run: Run) -> results.Finalised:
    """Make the revision final, once it holds this file and nothing else. The irreversible step."""
    revision = manifest.required(context.store, run, results.Revision)
    client, data_set = context.aws.data_exchange, revision.data_set
    if data_exchange.is_final(client, data_set, revision.id):  # and the answer that said so was lost
        return results.Finalised(revision.id, min(data_exchange.assets(client, data_set, revision.id)).id)
    checked = sound(context, run)
    _refuse_changes(context, run, revision, checked)
    name = _published_object(context, run).key
    asset = data_exchange.only_asset(client, data_set, revision.id, name, checked.bytes)
    data_exchange.finalise_revision(client, data_set, revision.id)
    return results.Finalised(revision.id, asset.id)


def _refuse_changes(context: Context, run: Run, revision: results.Revision, checked: results.Check) -> None:
    """The published file is still the one whose hash was compared, and the revision was made for that hash."""
    renamed = manifest.required(context.store, run, results.Rename)
    if files.version(renamed.url, context.aws) != renamed.version:
        raise FileChangedError(f"{renamed.url} changed since it was checked; the revision is not finalised")
    if revision.comment != revision_comment(run, checked.sha256):
        raise FileChangedError(f"revision {revision.id} was made for another file: {revision.comment}")


def submit_change_set(context: Context, run: Run) -> results.Submitted:
    """Ask each product to show the revision, unless it does so by itself."""
    finalised = manifest.entry(context.store, run, results.Finalised)
    if finalised is None:
        raise manifest.OutOfOrderError(f"{run} is not finalised yet")
    products = context.source(run.source).products
    return results.Submitted({product.entity: _submit(context, run, product, finalised.at) for product in products})


def _submit(context: Context, run: Run, product: Product, finalised_at: int) -> str | None:
    revision = manifest.required(context.store, run, results.Revision)
    if product.mode == AUTO:
        return None
    if product.mode == VERIFY:
        if data_exchange.is_published(context.aws.data_exchange, revision.data_set, revision.id, product.entity):
            return None
        if clock.now() - finalised_at < context.verify_seconds * SECOND:
            raise WaitingError(f"product {product.entity} does not show revision {revision.id} yet")
    return catalog.add_revision(context.aws.catalog, product.entity, revision.arn, attempt=1)


def poll_change_set(context: Context, run: Run) -> results.Shown:
    """The change sets that succeeded.
    Raises :class:`WaitingError`; one that the service broke is made anew a few times."""
    submitted = manifest.required(context.store, run, results.Submitted).products
    return results.Shown(
        {
            product: _shown(context, run, product, change_set) if change_set is not None else None
            for product, change_set in submitted.items()
        }
    )


def _shown(context: Context, run: Run, product: str, first: str) -> str:
    """The change set that brought the revision into a product. Broken ones are counted by product."""
    revision = manifest.required(context.store, run, results.Revision)

    def wait(change_set: str) -> None:
        catalog.wait_for_change_set(context.aws.catalog, change_set)

    def replace(number: int) -> str:
        return catalog.add_revision(context.aws.catalog, product, revision.arn, attempt=number)

    return _succeeded(context, run, f"{name_of(results.Shown)}.{product}", first, wait, replace)


def _data_set(context: Context, run: Run) -> str:
    """The data set that the run's source feeds."""
    data_set = context.source(run.source).data_set
    if data_set is None:
        raise BooktapeError(f"{run.source} has no data set any more; put it back into the sources file")
    return data_set


def _published_object(context: Context, run: Run) -> S3Object:
    url = manifest.required(context.store, run, results.Rename).url
    place = files.s3_object(url)
    if place is None:
        raise BooktapeError(f"Data Exchange imports from S3 only, not from {url}: publish to an s3:// URL")
    return place


class NothingToRevokeError(BooktapeError):
    """A source that publishes no revisions."""


def require_revocable(source: DataSource) -> None:
    """Raise :class:`NothingToRevokeError` for a source without a data set: its runs end before they could revoke."""
    if source.data_set is None:
        raise NothingToRevokeError(f"{source.name} has no data set in the sources file, so there is nothing to revoke")


def revoke_earlier(context: Context, run: Run) -> results.Revoked:
    """Revoke the final revisions of the day's earlier runs. Subscribers lose them; it cannot be undone."""
    if not manifest.required(context.store, run, results.Start).revoke:
        return results.Revoked([])
    mine = manifest.required(context.store, run, results.Finalised).revision
    comment = f"superseded by {run}, revision {mine}"
    revoked, gone = [], []
    for revision in _earlier(context, run):
        try:
            if data_exchange.revoke_revision(context.aws.data_exchange, revision.data_set, revision.id, comment):
                revoked.append(revision.id)
        except ResourceNotFoundError:  # somebody deleted it, or its data set: no subscriber has it
            gone.append(revision.id)
    return results.Revoked(revoked, gone)


def _earlier(context: Context, run: Run) -> Iterator[results.Revision]:
    for number in range(1, run.number):
        revision = manifest.result(context.store, Run(run.source, run.day, number), results.Revision)
        if revision is not None:
            yield revision
