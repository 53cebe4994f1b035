"""A CSV file as it is published, from rows that come market by market: sorted by time, then market, then as they came.

Rows may be many more than fit into memory, so DuckDB sorts and writes them, with the quoting that Athena has too.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from booktape.core.csv import Row
from booktape.errors import BooktapeError
from booktape.merge.query import literal

_MEMORY: Final = "1GB"
_PLACE: Final = "place"


class NotWritten(BooktapeError):
    """DuckDB could not sort the rows or write the file."""


def write(
    columns: Sequence[str], time: str, markets: Iterable[tuple[str, Iterator[Row]]], path: Path
) -> dict[str, int]:
    """Write the rows of all markets into one file; how many there are of each. Raises :class:`NotWritten`.

    :param columns: ``symbol`` among them, and ``time``, the one with the rows' times (µs).
    """
    unsorted = path.with_suffix(".unsorted")
    with unsorted.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        counts: dict[str, int] = {}
        for market, rows in markets:
            counts[market] = 0
            for counts[market], row in enumerate(rows, start=1):
                writer.writerow((counts[market], *map(_text, row)))
    _sort(unsorted, columns, time, path)
    unsorted.unlink()
    return counts


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _sort(unsorted: Path, columns: Sequence[str], time: str, path: Path) -> None:
    kinds = {_PLACE: "BIGINT", **dict.fromkeys(columns, "VARCHAR")}
    declared = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
    selected = ", ".join(f'"{name}"' for name in columns)
    rows = (
        f"read_csv({literal(str(unsorted))}, columns = {{{declared}}}, auto_detect = false, header = false, "
        """delim = ',', quote = '"', escape = '"', new_line = '\\n')"""
    )
    order = f'"{time}"::BIGINT, symbol, {_PLACE}'
    target = f"{literal(str(path))} (FORMAT csv, HEADER, FORCE_QUOTE *)"
    try:
        with duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": f"{path}.spilled"}) as connection:
            connection.execute(f"COPY (SELECT {selected} FROM {rows} ORDER BY {order}) TO {target}")
    except duckdb.Error as error:
        raise NotWritten(f"the rows cannot be sorted: {str(error).partition(chr(10))[0]}") from error
