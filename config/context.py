"""Makes the context of the publishing steps from the settings."""

from booktape.merge import open_engine
from booktape.publish.aws import Aws
from booktape.publish.context import Context
from booktape.store.objects import open_store
from config.backfill import open_backfiller
from config.settings import Settings
from config.sources import load_sources


def open_context(settings: Settings) -> Context:
    """The stores, the merge engine, AWS and the sources. No request is sent to AWS yet.

    Raises a :class:`~booktape.model.errors.BooktapeError` for an invalid URL or sources file.
    """
    return Context(
        store=open_store(settings.storage),
        publication=open_store(settings.publication_url),
        engine=open_engine(
            settings.engine,
            primary=settings.storage,
            replica=settings.replica,
            results=settings.results_url,
            memory=settings.merge_memory,
            database=settings.athena_database,
            workgroup=settings.athena_workgroup,
        ),
        sources=load_sources(settings.sources),
        aws=Aws(),
        verify_seconds=settings.verify_seconds,
        backfiller=open_backfiller(settings) if settings.heal else None,
    )
