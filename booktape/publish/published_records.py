"""The records that were published of a day, market by market, with what is missing: as everybody reads them back."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from booktape.archive import Archive
from booktape.archive.catalog import Catalog, open_catalog
from booktape.publish.context import Context
from booktape.publish.sources import DataSource
from booktape.store.layout import Run

_MEMORY: Final = "1GB"


def newest_published(context: Context, base: DataSource, run: Run) -> Run | None:
    """The newest run that is done of a run's day, of a source or another one of the same data; None where none is."""
    return _library(context).published(base.exchange, base.data_type, run.day)


def read_published(context: Context, base: DataSource, run: Run) -> Iterator[tuple[str, Iterator[Any]]]:
    """Each market of a run's day and its published records, with a Gap where something is missing: maybe all.

    Use them up one after the other.
    """
    library = _library(context)
    found = library.published(base.exchange, base.data_type, run.day)
    markets = library.certificate(found).markets if found is not None else {}
    with Archive(context.store.url, publication=context.publication.url, memory=_MEMORY) as archive:
        for name in sorted(markets):
            end = run.day + timedelta(days=1)
            yield name, iter(archive.rows(base.data_type, base.exchange, name, run.day, end, gaps="mark"))


def _library(context: Context) -> Catalog:
    return open_catalog(context.store.url, None, context.publication.url)
