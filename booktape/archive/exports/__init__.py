"""A published day as files that others can read: one per market, as Tardis lays them out or in hive's folders.

For the night's step and for ``booktape export``::

    written = write_market_files(
        publication,                   # Store that holds the published Parquet
        parquet_key(run),              # its key there: one file, or Athena's folder
        "binance", "trades", run.day,
        target,                        # Store that takes the files
        form=TARDIS,                   # or HIVE
        markets=(),                    # market names and globs; none: every market of the day
        memory="1GB",                  # what DuckDB may hold; what is more goes to a temporary directory
    )

It returns a :class:`MarketFile` for each market. Files appear whole or not at all, and a second call writes the same
bytes over them, so it may be repeated at any time. It raises :class:`NoPublishedFileError`,
:class:`MarketNotFoundError`,
:class:`ExportFailedError` (DuckDB) or the errors of the stores.
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
