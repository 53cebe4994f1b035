"""The steps at AWS: a revision with the file in it, finalised, and shown by its products."""

from booktape import clock
from booktape.core.records import SECOND
from booktape.errors import BooktapeError
from booktape.publish import catalog, data_exchange, files, manifest, results
from booktape.publish.catalog import ChangeSetFailed
from booktape.publish.context import Context
from booktape.publish.data_exchange import JobFailed
from booktape.publish.errors import Waiting
from booktape.publish.file_steps import sound
from booktape.publish.files import FileChanged, S3Object
from booktape.publish.results import name_of
from booktape.publish.sources import AUTO, VERIFY, Product, Run

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
    return data_exchange.find_or_create_job(client, _data_set(context, run), revision.id, place.bucket, place.key)


def poll_job(context: Context, run: Run) -> results.Imported:
    """The job that completed. Raises :class:`Waiting`; a job that the service broke is made anew a few times."""
    first = manifest.required(context.store, run, results.Import).job
    broken = manifest.attempts(context.store, run, name_of(results.Imported))
    job = _newest(first, broken)
    try:
        data_exchange.wait_for_job(context.aws.data_exchange, job)
    except JobFailed as error:
        if not error.may_pass or len(broken) >= MOST_REPLACEMENTS:
            raise
        again = results.Attempt(str(error), _job(context, run))
        manifest.record_attempt(context.store, run, name_of(results.Imported), len(broken) + 1, again)
        raise Waiting(f"{error}; job {again.replaced_by} imports again") from error
    return results.Imported(job)


def _newest(first: str, broken: list[results.Attempt]) -> str:
    return [first, *(attempt.replaced_by for attempt in broken if attempt.replaced_by)][-1]


def finalise(context: Context, run: Run) -> results.Finalised:
    """Make the revision final, once it holds this file and nothing else. The irreversible step."""
    client, data_set = context.aws.data_exchange, _data_set(context, run)
    revision = manifest.required(context.store, run, results.Revision)
    if data_exchange.is_final(client, data_set, revision.id):  # and the answer that said so was lost
        return results.Finalised(revision.id, min(data_exchange.assets(client, data_set, revision.id)).id)
    checked = sound(context, run)
    _refuse_changes(context, run, revision, checked)
    name = _published_object(context, run).key
    asset = data_exchange.only_asset(client, data_set, revision.id, name, checked.bytes)
    data_exchange.finalise(client, data_set, revision.id)
    return results.Finalised(revision.id, asset.id)


def _refuse_changes(context: Context, run: Run, revision: results.Revision, checked: results.Check) -> None:
    """The published file is still the one whose hash was compared, and the revision was made for that hash."""
    renamed = manifest.required(context.store, run, results.Rename)
    if files.version(renamed.url, context.aws) != renamed.version:
        raise FileChanged(f"{renamed.url} changed since it was checked; the revision is not finalised")
    if revision.comment != revision_comment(run, checked.sha256):
        raise FileChanged(f"revision {revision.id} was made for another file: {revision.comment}")


def submit_change_set(context: Context, run: Run) -> results.Submitted:
    """Ask each product to show the revision, unless it does so by itself."""
    finalised = manifest.entry(context.store, run, results.Finalised)
    if finalised is None:
        raise manifest.OutOfOrder(f"{run} is not finalised yet")
    products = context.source(run.source).products
    return results.Submitted({product.entity: _submit(context, run, product, finalised.at) for product in products})


def _submit(context: Context, run: Run, product: Product, finalised_at: int) -> str | None:
    revision = manifest.required(context.store, run, results.Revision)
    if product.mode == AUTO:
        return None
    if product.mode == VERIFY:
        client, data_set = context.aws.data_exchange, _data_set(context, run)
        if data_exchange.is_published(client, data_set, revision.id, product.entity):
            return None
        if clock.now() - finalised_at < context.verify_seconds * SECOND:
            raise Waiting(f"product {product.entity} does not show revision {revision.id} yet")
    return catalog.add_revision(context.aws.catalog, product.entity, revision.arn, attempt=1)


def poll_change_set(context: Context, run: Run) -> results.Shown:
    """The change sets that succeeded. Raises :class:`Waiting`; one that the service broke is made anew a few times."""
    submitted = manifest.required(context.store, run, results.Submitted).products
    return results.Shown(
        {
            product: _succeeded(context, run, product, change_set) if change_set is not None else None
            for product, change_set in submitted.items()
        }
    )


def _succeeded(context: Context, run: Run, product: str, first: str) -> str:
    """The change set that brought the revision into a product. Broken ones are counted in the manifest, by product."""
    counted_as = f"{name_of(results.Shown)}.{product}"
    broken = manifest.attempts(context.store, run, counted_as)
    change_set = _newest(first, broken)
    try:
        catalog.wait_for_change_set(context.aws.catalog, change_set)
    except ChangeSetFailed as error:
        if not error.may_pass or len(broken) >= MOST_REPLACEMENTS:
            raise
        revision = manifest.required(context.store, run, results.Revision)
        again = catalog.add_revision(context.aws.catalog, product, revision.arn, attempt=len(broken) + 2)
        manifest.record_attempt(context.store, run, counted_as, len(broken) + 1, results.Attempt(str(error), again))
        raise Waiting(f"{error}; change set {again} tries again") from error
    return change_set


def _data_set(context: Context, run: Run) -> str:
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
