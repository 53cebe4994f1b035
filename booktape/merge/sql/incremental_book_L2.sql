-- The order-book messages of one exchange and day, each once, as rows of levels: the primary's copy where it has one,
-- else the replica's. Messages that two connections cut differently overlap, and both stay: amounts are absolute.
--
-- A message's place in its market is its last sequence id, or its time where the venue gives no ids. A record without
-- any exchange time (a REST snapshot whose response has none) belongs to the day of its partition.
--
-- Where the venue reset its sequence within the day, the messages of the first epoch come before those of the second,
-- and times are derived within each epoch.
WITH stored AS (
    SELECT
        1 AS system, false AS is_snapshot, exchange, pair, first_id, last_id, previous_id,
        timestamp, sent_timestamp, local_timestamp, NULL AS origin, checksum, bids, asks
    FROM book_updates_primary
    WHERE $partitions
        AND coalesce(timestamp, sent_timestamp, CASE WHEN day = $day THEN $first_microsecond END)
            BETWEEN $first_microsecond AND $last_microsecond
    UNION ALL
    SELECT
        2 AS system, false AS is_snapshot, exchange, pair, first_id, last_id, previous_id,
        timestamp, sent_timestamp, local_timestamp, NULL AS origin, checksum, bids, asks
    FROM book_updates_replica
    WHERE $partitions
        AND coalesce(timestamp, sent_timestamp, CASE WHEN day = $day THEN $first_microsecond END)
            BETWEEN $first_microsecond AND $last_microsecond
    UNION ALL
    SELECT
        1 AS system, true AS is_snapshot, exchange, pair, NULL AS first_id, last_id, NULL AS previous_id,
        timestamp, sent_timestamp, local_timestamp, origin, checksum, bids, asks
    FROM book_snapshots_primary
    WHERE $partitions
        AND coalesce(timestamp, sent_timestamp, CASE WHEN day = $day THEN $first_microsecond END)
            BETWEEN $first_microsecond AND $last_microsecond
    UNION ALL
    SELECT
        2 AS system, true AS is_snapshot, exchange, pair, NULL AS first_id, last_id, NULL AS previous_id,
        timestamp, sent_timestamp, local_timestamp, origin, checksum, bids, asks
    FROM book_snapshots_replica
    WHERE $partitions
        AND coalesce(timestamp, sent_timestamp, CASE WHEN day = $day THEN $first_microsecond END)
            BETWEEN $first_microsecond AND $last_microsecond
),$resets
-- The levels are compared by a digest, which is far cheaper to sort by than the levels themselves.
identified AS (
    SELECT
        $records.*,
        coalesce(last_id, timestamp, sent_timestamp, local_timestamp) AS place,
        coalesce(timestamp, sent_timestamp, local_timestamp) AS own_time,
        CASE WHEN NOT is_snapshot THEN coalesce(timestamp, sent_timestamp, local_timestamp) END AS update_time,
        md5(to_utf8(concat(array_join(flatten(bids), ' '), '/', array_join(flatten(asks), ' ')))) AS levels_digest
    FROM $records
),
-- The place stands in the identity for venues that give neither ids nor engine time: there, what this connection
-- observed tells two messages with the same levels apart.
numbered AS (
    SELECT
        identified.*,
        row_number() OVER (
            PARTITION BY ${by_epoch}pair, is_snapshot, place, first_id, last_id, previous_id, timestamp, levels_digest
            ORDER BY system, local_timestamp, sent_timestamp, origin, checksum
        ) AS copy,
        min(CASE WHEN system = 1 THEN local_timestamp END) OVER copies AS primary_local_timestamp,
        min(CASE WHEN system = 2 THEN local_timestamp END) OVER copies AS replica_local_timestamp
    FROM identified
    WINDOW copies AS (
        PARTITION BY ${by_epoch}pair, is_snapshot, place, first_id, last_id, previous_id, timestamp, levels_digest
    )
),
-- At the same place: an update with the snapshot's id is in the snapshot, so it comes first. Where places are times, an
-- update may be newer than the snapshot of the same instant: it comes after it, and applying it again does no harm.
placed AS (
    SELECT
        numbered.*,
        row_number() OVER (
            PARTITION BY pair
            ORDER BY
                ${by_epoch}place, CASE WHEN (last_id IS NULL) = is_snapshot THEN 0 ELSE 1 END,
                local_timestamp, system, first_id, previous_id, levels_digest
        ) AS message,
        least(own_time, coalesce(min(update_time) OVER (PARTITION BY ${by_epoch}pair), own_time)) AS time_before_updates
    FROM numbered
    WHERE copy = 1
),
-- The engine's time is published as it is. Without one, a message has the time of its place, the latest of the updates
-- so far, so that time never runs against the sequence. Snapshots before all updates have their own, but no later than
-- the first update's.
merged AS (
    SELECT
        exchange, pair AS symbol, local_timestamp, is_snapshot, first_id, last_id, previous_id,
        timestamp AS engine_timestamp, sent_timestamp, origin, checksum, bids, asks,
        primary_local_timestamp, replica_local_timestamp, message,
        coalesce(
            timestamp,
            max(update_time) OVER so_far,
            max(time_before_updates) OVER so_far
        ) AS published_time
    FROM placed
    WINDOW so_far AS (PARTITION BY ${by_epoch}pair ORDER BY message ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
-- csv
SELECT
    exchange,
    symbol,
    published_time AS timestamp,
    local_timestamp,
    is_snapshot,
    CASE WHEN ordinal <= cardinality(bids) THEN 'bid' ELSE 'ask' END AS side,
    level[1] AS price,
    level[2] AS amount
FROM merged
CROSS JOIN UNNEST(bids || asks) WITH ORDINALITY AS levels (level, ordinal)
ORDER BY published_time, symbol, message, ordinal
-- parquet
SELECT
    exchange,
    row_number() OVER (PARTITION BY symbol ORDER BY published_time, message) AS position,
    published_time AS timestamp,
    local_timestamp,
    is_snapshot,
    first_id,
    last_id,
    previous_id,
    engine_timestamp,
    sent_timestamp,
    origin,
    checksum,
    transform(bids, level -> CAST(ROW(level[1], level[2]) AS ROW(price VARCHAR, amount VARCHAR))) AS bids,
    transform(asks, level -> CAST(ROW(level[1], level[2]) AS ROW(price VARCHAR, amount VARCHAR))) AS asks,
    primary_local_timestamp,
    replica_local_timestamp,
    CASE
        WHEN primary_local_timestamp IS NOT NULL AND replica_local_timestamp IS NOT NULL THEN 'both'
        WHEN primary_local_timestamp IS NOT NULL THEN 'primary'
        ELSE 'replica'
    END AS provenance,
    symbol
FROM merged
ORDER BY symbol, position
