"""Market files of a published day, for other programs: in Tardis's layout, or in Hive's.

The run's step and ``booktape export`` call it::

    written = write_market_files(
        publication,                   # the Store of the published Parquet
        parquet_key(run),              # its key: one file, or Athena's folder
        "binance", "trades", run.day,
        target,                        # the Store that receives the files
        form=TARDIS,                   # or HIVE
        markets=(),                    # names of markets and globs; empty for all markets of the day
        memory="1GB",                  # DuckDB's memory limit; more is spilled to a temporary directory
    )

It returns a :class:`MarketFile` for each market. Readers see a file whole or not at all. A second call writes the same
bytes again. It raises :class:`NoPublishedFileError`, :class:`MarketNotFoundError`, :class:`ExportFailedError` (DuckDB)
or the errors of the stores.
"""

from booktape.archive.exports.market_files import FORMS, HIVE, TARDIS, Form, MarketFile, write_market_files
from booktape.archive.exports.published import ExportFailedError, MarketNotFoundError, NoPublishedFileError

__all__ = [
    "FORMS",
    "HIVE",
    "TARDIS",
    "ExportFailedError",
    "Form",
    "MarketFile",
    "MarketNotFoundError",
    "NoPublishedFileError",
    "write_market_files",
]
