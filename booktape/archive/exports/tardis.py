"""A book's messages as rows of Tardis's CSV, made by DuckDB from the published Parquet.

Messages keep the published order, which is the venue's. A receipt that is not after that of the message before it (two
systems' clocks) is moved on to it; a snapshot that did not come by the stream stands directly after that message.

The first snapshot that has levels begins the file. A later one is written as changes: what is no longer there is
removed, then all its levels are set. Of the loaders that quants use, some add a snapshot to the levels that are there,
and some cut it short.

Trades, quotes, tickers and liquidations as rows of Tardis's CSV, made by DuckDB from the published Parquet.

They stand in the order of their receipt, which rises strictly: of several at the same microsecond, the later ones are
moved on. A trade that nobody received, fetched from the venue afterwards, stands at its ``timestamp``.

One market's day as Tardis's CSV: gzip, a header, LF, nothing quoted that need not be.

Rows stand in the order of ``local_timestamp``, as in Tardis's files; the rows of a message share it, and it rises
strictly from message to message. :mod:`booktape.archive.exports.tardis` and :mod:`booktape.archive.exports.tardis`
say how.
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
told AS (
    SELECT
        position, is_snapshot, lag(position) OVER in_order AS before, lag(is_snapshot) OVER in_order AS after_snapshot,
        max(CASE WHEN is_snapshot THEN position END)
            OVER (ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS last_snapshot
    FROM received WHERE begun
    WINDOW in_order AS (ORDER BY position)
)
SELECT
    position, received,
    CASE WHEN told.is_snapshot AND after_snapshot THEN before END AS previous,
    CASE WHEN told.is_snapshot AND NOT after_snapshot THEN last_snapshot END AS rebuilt_from,
    CASE WHEN begun THEN sum(levels) OVER (ORDER BY position)::BIGINT // $size END AS part
FROM received LEFT JOIN told USING (position)
"""
"""``previous``: of a snapshot, the snapshot directly before it. ``rebuilt_from``: of one after updates, the snapshot
from which the book before it can be rebuilt. ``part`` is NULL for what is left out."""

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
"""The book before a snapshot: of each price, what was told last since the snapshot before. One query for each, since
together they would be held at once."""

_CHANGED: Final = """list_concat(
    list_transform(
        list_filter(
            old_{side}, lambda old: NOT list_contains(list_transform({side}, lambda new: new.price), old.price)
        ),
        lambda gone: struct_pack(price := gone.price, amount := '0')
    ),
    {side}
)"""
"""Removals first: so a price that stood there as another text (``8.0``, ``8.00``) is set again by its level."""

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
"""The rows of one part's messages: a text for each message."""


def place_messages(connection: duckdb.DuckDBPyConnection, market: str, size: int) -> None:
    """Make the table ``placed``: when each message was received, as the file tells it, and which part it is in.

    Also the table ``rebuilt``: the book before each snapshot that comes after updates.
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
"""Columns that every data type begins with: exchange, symbol and both times."""

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
    """Make the table ``placed``: each record's place in the file, when it was received, and which part it is in."""
    rest = "CASE WHEN provenance = 'rest' THEN timestamp ELSE local_timestamp END"
    received = rest if data_type == TRADES else "local_timestamp"
    connection.execute(_PLACED_RECORDS.format(received=received), {"market": market, "size": size})


def record_rows_sql(data_type: str) -> str:
    """The SQL for the rows of one part's records: a text for each record."""
    return _ROWS.format(fields=", ".join(f"',', {_field(column)}" for column in COLUMNS[data_type][_COMMON:]))


def _field(column: str) -> str:
    """A column's text in SQL. Only an id, which is any text of the venue's, may need quotes."""
    if column != "id":
        return column
    return "CASE WHEN regexp_matches(id, '[\",\\n]') THEN concat('\"', replace(id, '\"', '\"\"'), '\"') ELSE id END"


_PART: Final = 250_000
"""Rows of the CSV that are held at once, give or take a message."""

_LEVEL: Final = 6
"""gzip's own default; level 9 takes several times as long for a few percent."""

_PARTS: Final = (
    "SELECT part, min(position), max(position){previous} FROM placed WHERE part IS NOT NULL GROUP BY part ORDER BY part"
)


class TardisFile(NamedTuple):
    """What was written: the rows below the header, and the book's messages that stood before its first snapshot."""

    rows: int
    left_out: int


def write_tardis(
    connection: duckdb.DuckDBPyConnection, data_type: str, market: str, name: TardisName, path: Path
) -> TardisFile:
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
    return TardisFile(rows, left_out)


def _parts(connection: duckdb.DuckDBPyConnection, data_type: str, market: str, name: TardisName) -> Iterator[str]:
    """The file's rows, a part of them at a time."""
    is_book = data_type == BOOK_UPDATES
    sql = MESSAGE_ROWS_SQL if is_book else record_rows_sql(data_type)
    bounds = ("first", "last", "first_previous", "last_previous") if is_book else ("first", "last")
    parts = connection.execute(_PARTS.format(previous=", min(previous), max(previous)" if is_book else "")).fetchall()
    for part, *positions in parts:
        values = {"begin": f"{name.exchange},{name.symbol},", "market": market, "part": part}
        values |= zip(bounds, positions, strict=True)
        yield "".join(text for (text,) in connection.execute(sql, values).fetchall())
