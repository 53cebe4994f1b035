"""One market's day as Parquet in hive's folders: the published rows in full, under the day's partition."""

from datetime import date
from pathlib import Path
from typing import Final

import duckdb

from booktape.core.full import COLUMNS
from booktape.export.published import DAY
from booktape.merge.query import literal

_FORM: Final = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480"

_IN_FOLDERS: Final = ("exchange", "symbol")
"""Columns that the folders tell: Athena takes no file that has them too."""


def hive_key(data_type: str, exchange: str, market: str, day: date) -> str:
    """``trades/exchange=binance/symbol=BTC-USDT/date=2024-08-09/part.parquet``"""
    return f"{data_type}/exchange={exchange}/symbol={market}/date={day}/part.parquet"


def write_hive(connection: duckdb.DuckDBPyConnection, data_type: str, market: str, path: Path) -> int:
    """Write a market's rows in their order; returns how many there are."""
    columns = ", ".join(column for column in COLUMNS[data_type] if column not in _IN_FOLDERS)
    rows = f"SELECT {columns} FROM {DAY} WHERE symbol = {literal(market)} ORDER BY position"
    connection.execute(f"COPY ({rows}) TO {literal(str(path))} ({_FORM})")
    return int(connection.fetchall()[0][0])
