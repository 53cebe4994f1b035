"""One market's day as Parquet in hive's folders: the published rows in full, under the day's partition.

A published day's markets, each as a file of its own in a store.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final, Literal, NamedTuple

import duckdb

from booktape.archive.exports.published import DAY_VIEW, OpenedDay, open_published_day
from booktape.archive.exports.tardis import write_tardis
from booktape.exchanges.tardis_names import tardis_name
from booktape.merge.sql_fragments import literal
from booktape.model.parquet import PARQUET_COLUMNS
from booktape.model.records import BOOK_UPDATES
from booktape.store.layout import hive_key, tardis_key
from booktape.store.objects import Store

_FORM: Final = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480"

_IN_FOLDERS: Final = ("exchange", "symbol")
"""Columns that the folders tell: Athena takes no file that has them too."""


def write_hive(connection: duckdb.DuckDBPyConnection, data_type: str, market: str, path: Path) -> int:
    """Write a market's rows in their order; returns how many there are."""
    columns = ", ".join(column for column in PARQUET_COLUMNS[data_type] if column not in _IN_FOLDERS)
    rows = f"SELECT {columns} FROM {DAY_VIEW} WHERE symbol = {literal(market)} ORDER BY position"
    connection.execute(f"COPY ({rows}) TO {literal(str(path))} ({_FORM})")
    return int(connection.fetchall()[0][0])


TARDIS: Final = "tardis"
HIVE: Final = "hive"
FORMS: Final = (TARDIS, HIVE)

Form = Literal["tardis", "hive"]


class MarketFile(NamedTuple):
    """One market's file: its key in the store, its rows (in CSV without the header) and its size in bytes.

    ``key`` is None where nothing was written: a book without a snapshot on that day, in Tardis's form. ``left_out``
    counts the book's messages before its first snapshot, which only Tardis's form leaves out.
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
    """Write each market's file of a published day, and say what was written; see :mod:`booktape.archive.exports`.

    :param key: of the published Parquet in ``published``: one file, or a folder of files (Athena's).
    :param markets: names and globs; none of them stands for every market of the day.
    """
    with open_published_day(published, key, memory) as source:
        chosen = source.markets(markets)
        write = _tardis_file if form == TARDIS else _hive_file
        return [write(source, exchange, data_type, market, day, to) for market in chosen]


def _tardis_file(source: OpenedDay, exchange: str, data_type: str, market: str, day: date, to: Store) -> MarketFile:
    name = tardis_name(exchange, market)
    path = source.directory / "market.csv.gz"
    written = write_tardis(source.connection, data_type, market, name, path)
    if data_type == BOOK_UPDATES and not written.rows:
        return MarketFile(market, None, 0, 0, written.left_out)
    key = tardis_key(name.exchange, data_type, day, name.symbol)
    return MarketFile(market, key, written.rows, _placed(path, to, key), written.left_out)


def _hive_file(source: OpenedDay, exchange: str, data_type: str, market: str, day: date, to: Store) -> MarketFile:
    path = source.directory / "market.parquet"
    rows = write_hive(source.connection, data_type, market, path)
    key = hive_key(data_type, exchange, market, day)
    return MarketFile(market, key, rows, _placed(path, to, key))


def _placed(path: Path, to: Store, key: str) -> int:
    """Store a file that is ready; returns its size."""
    size = path.stat().st_size
    to.upload(key, path)
    return size
