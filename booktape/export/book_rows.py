"""A book's messages as rows of Tardis's CSV, made by DuckDB from the published Parquet.

Messages keep the published order, which is the venue's. A receipt that is not after that of the message before it (two
systems' clocks) is moved on to it; a snapshot that did not come by the stream stands directly after that message.

The first snapshot that has levels begins the file. A later one is written as changes: what is no longer there is
removed, then all its levels are set. Of the loaders that quants use, some add a snapshot to the levels that are there,
and some cut it short.
"""

from typing import Final

import duckdb

from booktape.export.published import DAY

_PLACED: Final = f"""
CREATE OR REPLACE TEMP TABLE placed AS
WITH messages AS (
    SELECT
        position, local_timestamp, is_snapshot, len(bids) + len(asks) AS levels,
        CASE WHEN NOT is_snapshot OR origin = 'stream' THEN local_timestamp END AS streamed
    FROM {DAY} WHERE symbol = $market
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
    FROM {DAY} WHERE symbol = $market AND position BETWEEN $first AND $last
    UNION ALL
    SELECT 'ask' AS side, position, unnest(asks) AS level, generate_subscripts(asks, 1) AS place
    FROM {DAY} WHERE symbol = $market AND position BETWEEN $first AND $last
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

MESSAGE_ROWS: Final = f"""
WITH old AS (
    SELECT position AS previous, bids AS old_bids, asks AS old_asks
    FROM {DAY} WHERE symbol = $market AND position BETWEEN $first_previous AND $last_previous
),
messages AS (
    SELECT
        position, timestamp, received, is_snapshot, bids, asks,
        coalesce(rebuilt.old_bids, old.old_bids) AS old_bids, coalesce(rebuilt.old_asks, old.old_asks) AS old_asks
    FROM placed
    JOIN (SELECT * FROM {DAY} WHERE symbol = $market AND position BETWEEN $first AND $last) USING (position)
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
        f"SELECT position, bids AS old_bids, asks AS old_asks FROM {DAY} WHERE false"
    )
    later = "SELECT position, rebuilt_from FROM placed WHERE rebuilt_from IS NOT NULL ORDER BY position"
    for position, first in connection.execute(later).fetchall():
        connection.execute(_REBUILT, {"market": market, "first": first, "last": position - 1})
