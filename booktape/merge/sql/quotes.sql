-- The best bids and asks of one exchange and day, each once: the primary's copy where it has one, else the replica's.
--
-- Where a venue gives neither id nor engine time, the receipt time distinguishes two quotes, so that a price which comes
-- back is not taken for a copy. A quote without any exchange time (Binance spot) belongs to the day
-- of its partition.
--
-- Where the venue reset its ids within the day, equal ids of two epochs are not copies.
WITH stored AS (
    SELECT
        1 AS system, exchange, pair, id, timestamp, sent_timestamp, local_timestamp,
        bid_price, bid_amount, ask_price, ask_amount
    FROM quotes_primary
    WHERE $partitions
        AND coalesce(timestamp, sent_timestamp, CASE WHEN day = $day THEN $first_microsecond END)
            BETWEEN $first_microsecond AND $last_microsecond
    UNION ALL
    SELECT
        2 AS system, exchange, pair, id, timestamp, sent_timestamp, local_timestamp,
        bid_price, bid_amount, ask_price, ask_amount
    FROM quotes_replica
    WHERE $partitions
        AND coalesce(timestamp, sent_timestamp, CASE WHEN day = $day THEN $first_microsecond END)
            BETWEEN $first_microsecond AND $last_microsecond
),$resets
numbered AS (
    SELECT
        $records.*,
        row_number() OVER (
            PARTITION BY
                ${by_epoch}pair, id, timestamp, coalesce(id, timestamp, sent_timestamp, local_timestamp),
                bid_price, bid_amount, ask_price, ask_amount
            ORDER BY system, local_timestamp, sent_timestamp
        ) AS copy,
        min(CASE WHEN system = 1 THEN local_timestamp END) OVER copies AS primary_local_timestamp,
        min(CASE WHEN system = 2 THEN local_timestamp END) OVER copies AS replica_local_timestamp
    FROM $records
    WINDOW copies AS (
        PARTITION BY
            ${by_epoch}pair, id, timestamp, coalesce(id, timestamp, sent_timestamp, local_timestamp),
            bid_price, bid_amount, ask_price, ask_amount
    )
),
merged AS (
    SELECT
        exchange, pair AS symbol, coalesce(timestamp, sent_timestamp, local_timestamp) AS published_time,
        timestamp, sent_timestamp, local_timestamp, id, bid_price, bid_amount, ask_price, ask_amount,
        primary_local_timestamp, replica_local_timestamp
    FROM numbered
    WHERE copy = 1
)
-- csv
SELECT
    exchange,
    symbol,
    published_time AS timestamp,
    local_timestamp,
    ask_amount,
    ask_price,
    bid_price,
    bid_amount
FROM merged
ORDER BY published_time, symbol, id, local_timestamp, bid_price, bid_amount, ask_price, ask_amount
-- parquet
SELECT
    exchange,
    row_number() OVER (
        PARTITION BY symbol
        ORDER BY published_time, id, local_timestamp, bid_price, bid_amount, ask_price, ask_amount
    ) AS position,
    published_time AS timestamp,
    local_timestamp,
    id,
    timestamp AS engine_timestamp,
    sent_timestamp,
    bid_price,
    bid_amount,
    ask_price,
    ask_amount,
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
