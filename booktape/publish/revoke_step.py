"""The last step at AWS: taking back what earlier runs of the day published, where a republication was asked to.

A run may have been killed, or have failed, after its revision was final, and so before its manifest said that. So
Data Exchange is asked of every revision that an earlier run made, in the data set in which it was made.
"""

from collections.abc import Iterator

from booktape.errors import BooktapeError
from booktape.publish import data_exchange, manifest, results
from booktape.publish.aws import NoSuchResource
from booktape.publish.context import Context
from booktape.publish.sources import Run, Source


class NothingToRevoke(BooktapeError):
    """A source that publishes no revisions."""


def require_revocable(source: Source) -> None:
    """Raise :class:`NothingToRevoke` for a source without a data set: its runs end before they could revoke."""
    if source.data_set is None:
        raise NothingToRevoke(f"{source.name} has no data set in the sources file, so there is nothing to revoke")


def revoke(context: Context, run: Run) -> results.Revoked:
    """Revoke the final revisions of the day's earlier runs. Subscribers lose them; it cannot be undone."""
    if not manifest.required(context.store, run, results.Start).revoke:
        return results.Revoked([])
    mine = manifest.required(context.store, run, results.Finalised).revision
    comment = f"superseded by {run}, revision {mine}"
    revoked, gone = [], []
    for revision in _earlier(context, run):
        try:
            if data_exchange.revoke(context.aws.data_exchange, revision.data_set, revision.id, comment):
                revoked.append(revision.id)
        except NoSuchResource:  # somebody deleted it, or its data set: no subscriber has it
            gone.append(revision.id)
    return results.Revoked(revoked, gone)


def _earlier(context: Context, run: Run) -> Iterator[results.Revision]:
    for number in range(1, run.number):
        revision = manifest.result(context.store, Run(run.source, run.day, number), results.Revision)
        if revision is not None:
            yield revision
