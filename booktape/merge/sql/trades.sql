-- The trades of one exchange and day, each once: the primary's copy where it has one, else the replica's, else the one
-- that was fetched over REST because neither had it.
--
-- This is what a full outer join of the systems with coalesce would give. A union needs no join key that all sides
-- fill (it is null-safe where a venue leaves ids out), removes the copies inside each system in the same stroke, and
-- takes less memory.
--
-- Every branch names its partitions: pair is an injected column, which Athena requires beside each table.
--
-- Where the venue reset its ids within the day, equal ids of two epochs are not copies.
WITH stored AS (
    SELECT 1 AS system, exchange, pair, id, sequence, timestamp, local_timestamp, side, price, amount
    FROM trades_primary
    WHERE $partitions AND timestamp BETWEEN $first_microsecond AND $last_microsecond
    UNION ALL
    SELECT 2 AS system, exchange, pair, id, sequence, timestamp, local_timestamp, side, price, amount
    FROM trades_replica
    WHERE $partitions AND timestamp BETWEEN $first_microsecond AND $last_microsecond
    UNION ALL
    SELECT 3 AS system, exchange, pair, id, sequence, timestamp, local_timestamp, side, price, amount
    FROM trades_rest
    WHERE $partitions AND timestamp BETWEEN $first_microsecond AND $last_microsecond
),$resets
numbered AS (
    SELECT
        $records.*,
        row_number() OVER (
            PARTITION BY ${by_epoch}pair, id
            ORDER BY system, local_timestamp, timestamp, side, price, amount, sequence
        ) AS copy,
        min(CASE WHEN system = 1 THEN local_timestamp END) OVER copies AS primary_local_timestamp,
        min(CASE WHEN system = 2 THEN local_timestamp END) OVER copies AS replica_local_timestamp,
        min(CASE WHEN system = 3 THEN local_timestamp END) OVER copies AS rest_local_timestamp
    FROM $records
    WINDOW copies AS (PARTITION BY ${by_epoch}pair, id)
),
merged AS (
    SELECT
        exchange, pair AS symbol, timestamp, local_timestamp, id, sequence, side, price, amount,
        primary_local_timestamp, replica_local_timestamp, rest_local_timestamp,
        -- Numbers in the order of numbers, whatever their size: the shorter before the longer. Other ids as text.
        CASE WHEN regexp_like(id, '^[0-9]+$$') THEN length(id) ELSE 0 END AS digits
    FROM numbered
    -- A trade of amount 0 is a burned id (Binance futures). It is recorded, since only then its ids show loss.
    WHERE copy = 1 AND regexp_like(amount, '[1-9]')
)
-- csv
SELECT exchange, symbol, timestamp, local_timestamp, id, side, price, amount
FROM merged
ORDER BY timestamp, symbol, digits, id
-- parquet
SELECT
    exchange,
    row_number() OVER (PARTITION BY symbol ORDER BY timestamp, digits, id) AS position,
    timestamp,
    local_timestamp,
    id,
    sequence,
    side,
    price,
    amount,
    primary_local_timestamp,
    replica_local_timestamp,
    rest_local_timestamp,
    CASE
        WHEN primary_local_timestamp IS NOT NULL AND replica_local_timestamp IS NOT NULL THEN 'both'
        WHEN primary_local_timestamp IS NOT NULL THEN 'primary'
        WHEN replica_local_timestamp IS NOT NULL THEN 'replica'
        ELSE 'rest'
    END AS provenance,
    symbol
FROM merged
ORDER BY symbol, position
