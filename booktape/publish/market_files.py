"""The step that writes each market's file, as others read them: see :mod:`booktape.export`."""

from typing import Final

from booktape.export import TARDIS, write_market_files
from booktape.publish import results
from booktape.publish.context import Context
from booktape.publish.parquet import parquet_key
from booktape.publish.sources import Run
from booktape.storage import open_store

_FOLDER: Final = "markets"


def write(context: Context, run: Run) -> results.MarketFiles:
    """Write the market files of what this run published, over those of earlier runs of its day."""
    source = context.source(run.source)
    target = open_store(f"{context.publication.url}/{_FOLDER}")
    written = write_market_files(
        context.publication, parquet_key(run), source.exchange, source.data_type, run.day, target, form=TARDIS
    )
    return results.MarketFiles(
        url=target.url,
        form=TARDIS,
        files=sum(file.key is not None for file in written),
        rows=sum(file.rows for file in written),
        bytes=sum(file.bytes for file in written),
        left_out=sum(file.left_out for file in written),
    )
