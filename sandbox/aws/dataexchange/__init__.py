"""AWS Data Exchange, as far as a provider of S3 snapshots uses it."""

from sandbox.aws.dataexchange import assets, data_sets, jobs, revisions
from sandbox.aws.dataexchange.jobs import settle

OPERATIONS = {**data_sets.OPERATIONS, **revisions.OPERATIONS, **assets.OPERATIONS, **jobs.OPERATIONS}

__all__ = ["OPERATIONS", "settle"]
