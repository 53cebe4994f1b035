"""What the publishing steps work with, made from the settings."""

from booktape.merge import open_engine
from booktape.publish.aws import Aws
from booktape.publish.context import Context
from booktape.store.objects import open_store
from config.backfill import open_backfiller
from config.settings import Settings
from config.sources import load_sources


def open_context(settings: Settings) -> Context:
    """The stores, the engine, AWS and the sources that the settings name. Nothing is asked of AWS yet.

    Raises a :class:`~booktape.model.errors.BooktapeError` for a bad URL or a bad sources file.
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
        healer=open_backfiller(settings) if settings.heal else None,
    )
