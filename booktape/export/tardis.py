"""One market's day as Tardis's CSV: gzip, a header, LF, nothing quoted that need not be.

Rows stand in the order of ``local_timestamp``, as in Tardis's files; the rows of a message share it, and it rises
strictly from message to message. :mod:`booktape.export.book_rows` and :mod:`booktape.export.record_rows` say how.
"""

import gzip
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

from booktape.core.csv import COLUMNS, PUBLISHED
from booktape.core.records import BOOK_UPDATES
from booktape.exchanges.tardis_names import TardisName
from booktape.export.book_rows import MESSAGE_ROWS, place_messages
from booktape.export.record_rows import place_records, record_rows

_PART: Final = 250_000
"""Rows of the CSV that are held at once, give or take a message."""

_LEVEL: Final = 6
"""gzip's own default; level 9 takes several times as long for a few percent."""

_PARTS: Final = (
    "SELECT part, min(position), max(position){previous} FROM placed WHERE part IS NOT NULL GROUP BY part ORDER BY part"
)


class Written(NamedTuple):
    """What was written: the rows below the header, and the book's messages that stood before its first snapshot."""

    rows: int
    left_out: int


def tardis_key(data_type: str, name: TardisName, day: date) -> str:
    """``binance/trades/2024/08/09/BTCUSDT.csv.gz``"""
    return f"{name.exchange}/{PUBLISHED[data_type]}/{day:%Y/%m/%d}/{name.file}.csv.gz"


def write_tardis(
    connection: duckdb.DuckDBPyConnection, data_type: str, market: str, name: TardisName, path: Path
) -> Written:
    """Write a market's rows in Tardis's form. A book without any snapshot has none."""
    is_book = data_type == BOOK_UPDATES
    if is_book:
        place_messages(connection, market, _PART)
    else:
        place_records(connection, data_type, market, _PART)
    rows = 0
    with path.open("wb") as file, gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as zipped:
        zipped.write((",".join(COLUMNS[data_type]) + "\n").encode())
        for text in _parts(connection, data_type, market, name):
            rows += text.count("\n")
            zipped.write(text.encode())
    (left_out,) = connection.execute("SELECT count(*) FROM placed WHERE part IS NULL").fetchall()[0]
    return Written(rows, left_out)


def _parts(connection: duckdb.DuckDBPyConnection, data_type: str, market: str, name: TardisName) -> Iterator[str]:
    """The file's rows, a part of them at a time."""
    is_book = data_type == BOOK_UPDATES
    sql = MESSAGE_ROWS if is_book else record_rows(data_type)
    bounds = ("first", "last", "first_previous", "last_previous") if is_book else ("first", "last")
    parts = connection.execute(_PARTS.format(previous=", min(previous), max(previous)" if is_book else "")).fetchall()
    for part, *positions in parts:
        values = {"begin": f"{name.exchange},{name.symbol},", "market": market, "part": part}
        values |= zip(bounds, positions, strict=True)
        yield "".join(text for (text,) in connection.execute(sql, values).fetchall())
