"""Market files in Tardis's layout: one market's day as gzip-compressed CSV, made by DuckDB from the published Parquet.

The text has a header and LF line ends, and quotes only where a value needs them. Rows stand in the order of
``local_timestamp``. It rises strictly from message to message; the rows of one book message share it.

**Book messages** keep the published order, which is the exchange's. A message whose receive time is not after that of
the message before it (the clocks of two systems differ) gets the next microsecond. A snapshot that did not come by the
stream stands directly after the message before it.

The first snapshot with levels begins the file. A later snapshot is written as changes: the levels that are gone are
removed, then all its levels are set. Of the loaders in use, some add a snapshot to the levels that they have, and some
cut it short; changes are safe for all.

**Trades, quotes, tickers and liquidations** stand in the order of their receipt. Of several records with the same
receive time, the later ones get the next microseconds. A backfilled trade, which no collector received, stands at its
``timestamp``.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

from booktape.archive.exports.published import DAY_VIEW
from booktape.exchanges.tardis_names import TardisName
from booktape.model.csv import COLUMNS
from booktape.model.records import BOOK_UPDATES, TRADES

_PLACED: Final = f"""
CREATE OR REPLACE TEMP TABLE placed AS
WITH messages AS (
    SELECT
        position, local_timestamp, is_snapshot, len(bids) + len(asks) AS levels,
        CASE WHEN NOT is_snapshot OR origin = 'stream' THEN local_timestamp END AS streamed
    FROM {DAY_VIEW} WHERE symbol = $market
),
anchored AS (
    SELECT
        *, bool_or(is_snapshot AND levels > 0) OVER (ORDER BY position) AS begun,
        CASE
            WHEN streamed IS NULL AND position = min(position) OVER ()
            THEN least(local_timestamp, min_by(streamed, position) OVER () - 1)
            ELSE streamed
        END AS anchor
    FROM messages
),
received AS (
    SELECT *, position + max(anchor - position) OVER (ORDER BY position) AS received FROM anchored
),
ordered AS (
    SELECT
        position, is_snapshot, lag(position) OVER in_order AS before, lag(is_snapshot) OVER in_order AS after_snapshot,
        max(CASE WHEN is_snapshot THEN position END)
            OVER (ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS last_snapshot
    FROM received WHERE begun
    WINDOW in_order AS (ORDER BY position)
)
SELECT
    position, received,
    CASE WHEN ordered.is_snapshot AND after_snapshot THEN before END AS previous,
    CASE WHEN ordered.is_snapshot AND NOT after_snapshot THEN last_snapshot END AS rebuilt_from,
    CASE WHEN begun THEN sum(levels) OVER (ORDER BY position)::BIGINT // $size END AS part
FROM received LEFT JOIN ordered USING (position)
"""
"""Creates ``placed``, the place of each message in the file.

``previous`` is the snapshot directly before a snapshot. ``rebuilt_from`` is the snapshot from which the book before a
snapshot that follows updates can be rebuilt. ``part`` is NULL for messages that are left out."""

_REBUILT: Final = f"""
INSERT INTO rebuilt
WITH levels AS (
    SELECT 'bid' AS side, position, unnest(bids) AS level, generate_subscripts(bids, 1) AS place
    FROM {DAY_VIEW} WHERE symbol = $market AND position BETWEEN $first AND $last
    UNION ALL
    SELECT 'ask' AS side, position, unnest(asks) AS level, generate_subscripts(asks, 1) AS place
    FROM {DAY_VIEW} WHERE symbol = $market AND position BETWEEN $first AND $last
),
standing AS (
    SELECT side, arg_max(level, (position, place)) AS level FROM levels GROUP BY side, level.price
)
SELECT
    $last + 1,
    coalesce(list(level ORDER BY level.price) FILTER (side = 'bid'), []),
    coalesce(list(level ORDER BY level.price) FILTER (side = 'ask'), [])
FROM standing WHERE trim(level.amount, '0.') <> ''
"""
"""Inserts the book before a snapshot: the last amount of each price since the snapshot before. Each is a query of its
own, because DuckDB would hold the books of a common query in memory together."""

_CHANGED: Final = """list_concat(
    list_transform(
        list_filter(
            old_{side}, lambda old: NOT list_contains(list_transform({side}, lambda new: new.price), old.price)
        ),
        lambda gone: struct_pack(price := gone.price, amount := '0')
    ),
    {side}
)"""
"""The levels of a snapshot as changes. Removals come first, so that a price that was there as another text (``8.0``,
``8.00``) is set again by its level."""

_LINES: Final = (
    "array_to_string("
    "list_transform({side}s, lambda level: concat(head, ',{side},', level.price, ',', level.amount, chr(10))), '')"
)

MESSAGE_ROWS_SQL: Final = f"""
WITH old AS (
    SELECT position AS previous, bids AS old_bids, asks AS old_asks
    FROM {DAY_VIEW} WHERE symbol = $market AND position BETWEEN $first_previous AND $last_previous
),
messages AS (
    SELECT
        position, timestamp, received, is_snapshot, bids, asks,
        coalesce(rebuilt.old_bids, old.old_bids) AS old_bids, coalesce(rebuilt.old_asks, old.old_asks) AS old_asks
    FROM placed
    JOIN (SELECT * FROM {DAY_VIEW} WHERE symbol = $market AND position BETWEEN $first AND $last) USING (position)
    LEFT JOIN rebuilt USING (position)
    LEFT JOIN old USING (previous)
    WHERE part = $part
),
changes AS (
    SELECT
        position, concat($begin, timestamp, ',', received, ',', is_snapshot AND old_bids IS NULL) AS head,
        CASE WHEN old_bids IS NULL THEN bids ELSE {_CHANGED.format(side="bids")} END AS bids,
        CASE WHEN old_asks IS NULL THEN asks ELSE {_CHANGED.format(side="asks")} END AS asks
    FROM messages
)
SELECT concat({_LINES.format(side="bid")}, {_LINES.format(side="ask")})
FROM changes
ORDER BY position
"""
"""Selects the rows of the messages of one part: a text for each message."""


def place_messages(connection: duckdb.DuckDBPyConnection, market: str, size: int) -> None:
    """Create the tables ``placed`` (each message's receive time in the file, and its part) and ``rebuilt``.

    ``rebuilt`` has the book before each snapshot that follows updates.

    :param size: the rows of a part.
    """
    connection.execute(_PLACED, {"market": market, "size": size})
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE rebuilt AS "
        f"SELECT position, bids AS old_bids, asks AS old_asks FROM {DAY_VIEW} WHERE false"
    )
    later = "SELECT position, rebuilt_from FROM placed WHERE rebuilt_from IS NOT NULL ORDER BY position"
    for position, first in connection.execute(later).fetchall():
        connection.execute(_REBUILT, {"market": market, "first": first, "last": position - 1})


_COMMON: Final = 4
"""The columns that every data type begins with: exchange, symbol and both times."""

_PLACED_RECORDS: Final = f"""
CREATE OR REPLACE TEMP TABLE placed AS
WITH received AS (
    SELECT position, {{received}} AS received FROM {DAY_VIEW} WHERE symbol = $market
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
JOIN (SELECT * FROM {DAY_VIEW} WHERE symbol = $market AND position BETWEEN $first AND $last) USING (position)
WHERE part = $part
ORDER BY place
"""


def place_records(connection: duckdb.DuckDBPyConnection, data_type: str, market: str, size: int) -> None:
    """Create the table ``placed``: each record's place in the file, its receive time there, and its part.

    :param size: the rows of a part.
    """
    rest = "CASE WHEN provenance = 'rest' THEN timestamp ELSE local_timestamp END"
    received = rest if data_type == TRADES else "local_timestamp"
    connection.execute(_PLACED_RECORDS.format(received=received), {"market": market, "size": size})


def record_rows_sql(data_type: str) -> str:
    """The SQL that selects the rows of the records of one part: a text for each record."""
    return _ROWS.format(fields=", ".join(f"',', {_field(column)}" for column in COLUMNS[data_type][_COMMON:]))


def _field(column: str) -> str:
    """The SQL of a column's text. Only an id may need quotes: it is any text of the exchange's."""
    if column != "id":
        return column
    return "CASE WHEN regexp_matches(id, '[\",\\n]') THEN concat('\"', replace(id, '\"', '\"\"'), '\"') ELSE id END"


_PART_ROWS: Final = 250_000
"""How many rows of the CSV are in memory at once, give or take a message."""

_GZIP_LEVEL: Final = 6
"""The default of gzip. Level 9 takes several times as long, and saves a few percent."""

_PARTS_SQL: Final = (
    "SELECT part, min(position), max(position){previous} FROM placed WHERE part IS NOT NULL GROUP BY part ORDER BY part"
)


class TardisFile(NamedTuple):
    """The rows below the header, and the book messages before the first snapshot, which are left out."""

    rows: int
    left_out: int


def write_tardis(
    connection: duckdb.DuckDBPyConnection, data_type: str, market: str, name: TardisName, path: Path
) -> TardisFile:
    """Write a market's rows into a file. A book without a snapshot has no rows."""
    is_book = data_type == BOOK_UPDATES
    if is_book:
        place_messages(connection, market, _PART_ROWS)
    else:
        place_records(connection, data_type, market, _PART_ROWS)
    rows = 0
    with path.open("wb") as file, gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as zipped:
        zipped.write((",".join(COLUMNS[data_type]) + "\n").encode())
        for text in _parts(connection, data_type, market, name):
            rows += text.count("\n")
            zipped.write(text.encode())
    (left_out,) = connection.execute("SELECT count(*) FROM placed WHERE part IS NULL").fetchall()[0]
    return TardisFile(rows, left_out)


def _parts(connection: duckdb.DuckDBPyConnection, data_type: str, market: str, name: TardisName) -> Iterator[str]:
    """The rows of the file, part by part."""
    is_book = data_type == BOOK_UPDATES
    sql = MESSAGE_ROWS_SQL if is_book else record_rows_sql(data_type)
    bounds = ("first", "last", "first_previous", "last_previous") if is_book else ("first", "last")
    parts = connection.execute(
        _PARTS_SQL.format(previous=", min(previous), max(previous)" if is_book else "")
    ).fetchall()
    for part, *positions in parts:
        values = {"begin": f"{name.exchange},{name.symbol},", "market": market, "part": part}
        values |= zip(bounds, positions, strict=True)
        yield "".join(text for (text,) in connection.execute(sql, values).fetchall())
