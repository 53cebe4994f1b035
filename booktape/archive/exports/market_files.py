"""Market files: the markets of a published day, each in a file of its own, in Tardis's or Hive's layout.

A file in Hive's layout is Parquet with all columns of the published one, below the folders of its partitions.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final, Literal, NamedTuple

import duckdb

from booktape.archive.exports.published import DAY_VIEW, ExportSource, open_published_day
from booktape.archive.exports.tardis import write_tardis
from booktape.exchanges.tardis_names import tardis_name
from booktape.merge.sql_fragments import PUBLISHED_PARQUET_FORMAT, copy_to, literal
from booktape.model.parquet import PARQUET_COLUMNS
from booktape.model.records import BOOK_UPDATES
from booktape.store.layout import hive_key, tardis_key
from booktape.store.objects import Store

_IN_FOLDERS: Final = ("exchange", "symbol")
"""The columns that the folders hold: Athena accepts no file that has them too."""


def write_hive(connection: duckdb.DuckDBPyConnection, data_type: str, market: str, path: Path) -> int:
    """Write a market's rows in the published order into a Parquet file; returns their number."""
    columns = ", ".join(column for column in PARQUET_COLUMNS[data_type] if column not in _IN_FOLDERS)
    rows = f"SELECT {columns} FROM {DAY_VIEW} WHERE symbol = {literal(market)} ORDER BY position"
    connection.execute(copy_to(rows, path, PUBLISHED_PARQUET_FORMAT))
    return int(connection.fetchall()[0][0])


TARDIS: Final = "tardis"
HIVE: Final = "hive"
FORMS: Final = (TARDIS, HIVE)

Form = Literal["tardis", "hive"]


class MarketFile(NamedTuple):
    """The file of one market.

    :ivar key: its key in the store; None for a book without a snapshot on that day, of which Tardis's layout has none.
    :ivar rows: the number of rows, without the header of a CSV.
    :ivar bytes: the size.
    :ivar left_out: the book messages before the first snapshot, which Tardis's layout leaves out.
    """

    market: str
    key: str | None
    rows: int
    bytes: int
    left_out: int = 0


def write_market_files(
    published: Store,
    key: str,
    exchange: str,
    data_type: str,
    day: date,
    to: Store,
    *,
    form: Form = TARDIS,
    markets: Sequence[str] = (),
    memory: str = "1GB",
) -> list[MarketFile]:
    """Write the file of each market of a published day. See :mod:`booktape.archive.exports`.

    :param published: the store of the published Parquet.
    :param key: its key: one file, or Athena's folder of files.
    :param to: the store that receives the files.
    :param markets: the names of markets, or globs; empty for all markets of the day.
    :param memory: the memory limit of DuckDB, in its notation.
    """
    with open_published_day(published, key, memory) as source:
        chosen = source.markets(markets)
        write = _tardis_file if form == TARDIS else _hive_file
        return [write(source, exchange, data_type, market, day, to) for market in chosen]


def _tardis_file(source: ExportSource, exchange: str, data_type: str, market: str, day: date, to: Store) -> MarketFile:
    name = tardis_name(exchange, market)
    path = source.directory / "market.csv.gz"
    written = write_tardis(source.connection, data_type, market, name, path)
    if data_type == BOOK_UPDATES and not written.rows:
        return MarketFile(market, None, 0, 0, written.left_out)
    key = tardis_key(name.exchange, data_type, day, name.symbol)
    return MarketFile(market, key, written.rows, _store(path, to, key), written.left_out)


def _hive_file(source: ExportSource, exchange: str, data_type: str, market: str, day: date, to: Store) -> MarketFile:
    path = source.directory / "market.parquet"
    rows = write_hive(source.connection, data_type, market, path)
    key = hive_key(data_type, exchange, market, day)
    return MarketFile(market, key, rows, _store(path, to, key))


def _store(path: Path, to: Store, key: str) -> int:
    """Store a complete file; returns its size in bytes."""
    size = path.stat().st_size
    to.upload(key, path)
    return size
