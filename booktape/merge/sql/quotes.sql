-- The best bids and asks of one exchange and day, each once: the primary's copy where it has one, else the replica's.
--
-- Where a venue gives neither id nor engine time, the time that this connection observed tells two quotes apart, so that
-- a price which comes back is not taken for a copy. A quote without any exchange time (Binance spot) belongs to the day
-- of its partition.
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
),
numbered AS (
    SELECT
        stored.*,
        row_number() OVER (
            PARTITION BY
                pair, id, timestamp, coalesce(id, timestamp, sent_timestamp, local_timestamp),
                bid_price, bid_amount, ask_price, ask_amount
            ORDER BY system, local_timestamp, sent_timestamp
        ) AS copy
    FROM stored
)
SELECT
    exchange,
    pair AS symbol,
    coalesce(timestamp, sent_timestamp, local_timestamp) AS timestamp,
    local_timestamp,
    ask_amount,
    ask_price,
    bid_price,
    bid_amount
FROM numbered
WHERE copy = 1
ORDER BY
    coalesce(timestamp, sent_timestamp, local_timestamp), pair, id, local_timestamp,
    bid_price, bid_amount, ask_price, ask_amount
