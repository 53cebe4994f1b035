-- The trades of one exchange and day, each once: the primary's copy where it has one, else the replica's.
--
-- This is what a full outer join of both systems with coalesce would give. A union needs no join key that both sides
-- fill (it is null-safe where a venue leaves ids out), removes the copies inside each system in the same stroke, and
-- takes less memory.
--
-- Every branch names its partitions itself: pair is an injected column, which Athena wants to see beside each table.
WITH stored AS (
    SELECT 1 AS system, exchange, pair, id, timestamp, local_timestamp, side, price, amount
    FROM trades_primary
    WHERE $partitions AND timestamp BETWEEN $first_microsecond AND $last_microsecond
    UNION ALL
    SELECT 2 AS system, exchange, pair, id, timestamp, local_timestamp, side, price, amount
    FROM trades_replica
    WHERE $partitions AND timestamp BETWEEN $first_microsecond AND $last_microsecond
),
numbered AS (
    SELECT
        stored.*,
        row_number() OVER (
            PARTITION BY pair, id
            ORDER BY system, local_timestamp, timestamp, side, price, amount
        ) AS copy
    FROM stored
)
SELECT exchange, pair AS symbol, timestamp, local_timestamp, id, side, price, amount
FROM numbered
-- A trade of nothing is an id that the venue used up (Binance futures): recorded, since only so its ids show loss.
WHERE copy = 1 AND regexp_like(amount, '[1-9]')
-- Numbers in the order of numbers, whatever their size: the shorter before the longer. Other ids as text.
ORDER BY timestamp, pair, CASE WHEN regexp_like(id, '^[0-9]+$$') THEN length(id) ELSE 0 END, id
