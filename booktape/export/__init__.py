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
bytes over them, so it may be repeated at any time. It raises :class:`NoPublishedFile`, :class:`NoSuchMarket`,
:class:`ExportFailed` (DuckDB) or the errors of the stores.
"""

from booktape.export.markets import FORMS, HIVE, TARDIS, Form, MarketFile, write_market_files
from booktape.export.published import ExportFailed, NoPublishedFile, NoSuchMarket

__all__ = [
    "FORMS",
    "HIVE",
    "TARDIS",
    "ExportFailed",
    "Form",
    "MarketFile",
    "NoPublishedFile",
    "NoSuchMarket",
    "write_market_files",
]
