"""The last step at AWS: taking back what earlier runs of the day published, where a republication was asked to."""

from booktape.publish import data_exchange, manifest, results
from booktape.publish.aws_steps import data_set_of
from booktape.publish.context import Context
from booktape.publish.sources import Run


def revoke(context: Context, run: Run) -> results.Revoked:
    """Revoke the final revisions of the day's earlier runs. Subscribers lose them; it cannot be undone."""
    if not manifest.required(context.store, run, results.Start).revoke:
        return results.Revoked([])
    mine = manifest.required(context.store, run, results.Finalised).revision
    revoked = []
    for number in range(1, run.number):
        earlier = manifest.result(context.store, Run(run.source, run.day, number), results.Finalised)
        if earlier is not None and earlier.revision != mine:
            comment = f"superseded by {run}, revision {mine}"
            data_exchange.revoke(context.aws.data_exchange, data_set_of(context, run), earlier.revision, comment)
            revoked.append(earlier.revision)
    return results.Revoked(revoked)
