"""Trades, quotes, tickers and liquidations as rows of Tardis's CSV, made by DuckDB from the published Parquet.

They stand in the order of their receipt, which rises strictly: of several at the same microsecond, the later ones are
moved on. A trade that nobody received, fetched from the venue afterwards, stands at its ``timestamp``.
"""

from typing import Final

import duckdb

from booktape.core.csv import COLUMNS
from booktape.core.records import TRADES
from booktape.export.published import DAY

_COMMON: Final = 4
"""Columns that every data type begins with: exchange, symbol and both times."""

_PLACED: Final = f"""
CREATE OR REPLACE TEMP TABLE placed AS
WITH received AS (
    SELECT position, {{received}} AS received FROM {DAY} WHERE symbol = $market
),
ordered AS (
    SELECT *, row_number() OVER (ORDER BY received, position) AS place FROM received
)
SELECT
    place, position, place + max(received - place) OVER (ORDER BY place) AS received, place // $size AS part
FROM ordered
"""

_ROWS: Final = f"""
SELECT concat($begin, timestamp, ',', received, {{fields}}, chr(10))
FROM placed
JOIN (SELECT * FROM {DAY} WHERE symbol = $market AND position BETWEEN $first AND $last) USING (position)
WHERE part = $part
ORDER BY place
"""


def place_records(connection: duckdb.DuckDBPyConnection, data_type: str, market: str, size: int) -> None:
    """Make the table ``placed``: each record's place in the file, when it was received, and which part it is in."""
    rest = "CASE WHEN provenance = 'rest' THEN timestamp ELSE local_timestamp END"
    received = rest if data_type == TRADES else "local_timestamp"
    connection.execute(_PLACED.format(received=received), {"market": market, "size": size})


def record_rows(data_type: str) -> str:
    """The SQL for the rows of one part's records: a text for each record."""
    return _ROWS.format(fields=", ".join(f"',', {_field(column)}" for column in COLUMNS[data_type][_COMMON:]))


def _field(column: str) -> str:
    """A column's text in SQL. Only an id, which is any text of the venue's, may need quotes."""
    if column != "id":
        return column
    return "CASE WHEN regexp_matches(id, '[\",\\n]') THEN concat('\"', replace(id, '\"', '\"\"'), '\"') ELSE id END"
