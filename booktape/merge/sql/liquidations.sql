-- The liquidations of one exchange and day, each once: the primary's copy where it has one, else the replica's.
--
-- With an id, equal ones are copies. Without an id, two that are equal in every field may be two: an exchange closes
-- several positions at one price in one instant. So equal ones are counted where none can be a copy, inside one object:
-- it holds what one collector received without an interruption, and every connection receives each liquidation once.
-- The first of one object is the first of every other, and so on: as many are published as the object has that has the
-- most of them. A count over a whole system would be wrong: two collectors, or one that was restarted, may store the
-- same minute in two objects.
--
-- Where there is neither an id nor engine time, the receipt time distinguishes two liquidations.
-- One without any exchange time belongs to the day of its partition.
WITH stored AS (
    SELECT
        1 AS system, "$$path" AS batch, exchange, pair, id, timestamp, sent_timestamp, local_timestamp,
        side, price, amount
    FROM liquidations_primary
    WHERE $partitions
        AND coalesce(timestamp, sent_timestamp, CASE WHEN day = $day THEN $first_microsecond END)
            BETWEEN $first_microsecond AND $last_microsecond
    UNION ALL
    SELECT
        2 AS system, "$$path" AS batch, exchange, pair, id, timestamp, sent_timestamp, local_timestamp,
        side, price, amount
    FROM liquidations_replica
    WHERE $partitions
        AND coalesce(timestamp, sent_timestamp, CASE WHEN day = $day THEN $first_microsecond END)
            BETWEEN $first_microsecond AND $last_microsecond
),
identified AS (
    SELECT
        stored.*,
        CASE WHEN id IS NULL THEN coalesce(timestamp, sent_timestamp, local_timestamp) END AS place
    FROM stored
),
counted AS (
    SELECT
        identified.*,
        CASE WHEN id IS NULL THEN row_number() OVER (
            PARTITION BY system, batch, pair, id, timestamp, place, side, price, amount
            ORDER BY local_timestamp, sent_timestamp
        ) ELSE 1 END AS number
    FROM identified
),
numbered AS (
    SELECT
        counted.*,
        row_number() OVER (
            PARTITION BY pair, id, timestamp, place, side, price, amount, number
            ORDER BY system, local_timestamp, sent_timestamp
        ) AS copy,
        min(CASE WHEN system = 1 THEN local_timestamp END) OVER copies AS primary_local_timestamp,
        min(CASE WHEN system = 2 THEN local_timestamp END) OVER copies AS replica_local_timestamp
    FROM counted
    WINDOW copies AS (PARTITION BY pair, id, timestamp, place, side, price, amount, number)
),
merged AS (
    SELECT
        exchange, pair AS symbol, coalesce(timestamp, sent_timestamp, local_timestamp) AS published_time,
        timestamp, sent_timestamp, local_timestamp, id, number, side, price, amount,
        primary_local_timestamp, replica_local_timestamp,
        -- Numbers in the order of numbers, as the trades' ids.
        CASE WHEN regexp_like(id, '^[0-9]+$$') THEN length(id) ELSE 0 END AS digits
    FROM numbered
    WHERE copy = 1
)
-- csv
SELECT
    exchange,
    symbol,
    published_time AS timestamp,
    local_timestamp,
    id,
    side,
    price,
    amount
FROM merged
ORDER BY published_time, symbol, digits, id, local_timestamp, side, price, amount, number
-- parquet
SELECT
    exchange,
    row_number() OVER (
        PARTITION BY symbol
        ORDER BY published_time, digits, id, local_timestamp, side, price, amount, number
    ) AS position,
    published_time AS timestamp,
    local_timestamp,
    id,
    timestamp AS engine_timestamp,
    sent_timestamp,
    side,
    price,
    amount,
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
