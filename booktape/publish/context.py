"""What the steps work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from booktape.merge import Engine
from booktape.publish.aws import Aws
from booktape.publish.sources import DataSource, UnknownSourceError
from booktape.rest.backfill_results import BackfillResult
from booktape.store.objects import Store

VERIFY_SECONDS: Final = 600


@dataclass(frozen=True)
class Context:
    """The stores, the merge engine, AWS and the data sources.

    :param store: holds the recordings and the manifests.
    :param publication: holds the published files.
    :param verify_seconds: how long a product in the mode ``verify`` may take to publish by itself before a change set
        is sent.
    :param backfiller: fetches the missing trades of an exchange's day; its third argument is the request whose calls
        share one quota. None if missing trades are not fetched.
    """

    store: Store
    publication: Store
    engine: Engine
    sources: Mapping[str, DataSource]
    aws: Aws
    verify_seconds: float = VERIFY_SECONDS
    backfiller: Callable[[str, date, str], BackfillResult] | None = None

    def source(self, name: str) -> DataSource:
        """The source of that name. Raises :class:`UnknownSourceError`, whose text lists all names."""
        try:
            return self.sources[name]
        except KeyError:
            known = ", ".join(sorted(self.sources)) or "none"
            raise UnknownSourceError(f"unknown data source {name!r}; there are: {known}") from None
