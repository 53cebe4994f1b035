-- The derivative tickers of one exchange and day, each once (the primary's copy where it has one, else the replica's),
-- and filled forward: a message has some of the fields, a published row the latest value of each field on that day.
-- Copies are removed first: one that came late would otherwise bring old values back.
--
-- Where a venue gives no engine time, the receipt time distinguishes two messages, so that a value which comes back is
-- not taken for a copy. A message without any exchange time belongs to the day of its partition.
WITH stored AS (
    SELECT
        1 AS system, exchange, pair, timestamp, sent_timestamp, local_timestamp,
        funding_timestamp, funding_rate, predicted_funding_rate, open_interest, last_price, index_price, mark_price
    FROM derivative_ticker_primary
    WHERE $partitions
        AND coalesce(timestamp, sent_timestamp, CASE WHEN day = $day THEN $first_microsecond END)
            BETWEEN $first_microsecond AND $last_microsecond
    UNION ALL
    SELECT
        2 AS system, exchange, pair, timestamp, sent_timestamp, local_timestamp,
        funding_timestamp, funding_rate, predicted_funding_rate, open_interest, last_price, index_price, mark_price
    FROM derivative_ticker_replica
    WHERE $partitions
        AND coalesce(timestamp, sent_timestamp, CASE WHEN day = $day THEN $first_microsecond END)
            BETWEEN $first_microsecond AND $last_microsecond
),
timed AS (
    SELECT stored.*, coalesce(timestamp, sent_timestamp, local_timestamp) AS published_time
    FROM stored
),
numbered AS (
    SELECT
        timed.*,
        row_number() OVER (
            PARTITION BY
                pair, timestamp, published_time, funding_timestamp, funding_rate, predicted_funding_rate,
                open_interest, last_price, index_price, mark_price
            ORDER BY system, local_timestamp, sent_timestamp
        ) AS copy,
        min(CASE WHEN system = 1 THEN local_timestamp END) OVER copies AS primary_local_timestamp,
        min(CASE WHEN system = 2 THEN local_timestamp END) OVER copies AS replica_local_timestamp
    FROM timed
    WINDOW copies AS (
        PARTITION BY
            pair, timestamp, published_time, funding_timestamp, funding_rate, predicted_funding_rate,
            open_interest, last_price, index_price, mark_price
    )
),
-- Messages of one instant stand in the order of receipt. The rest of the identity makes the order of any two of them,
-- and with it what is filled in, the same in every run.
placed AS (
    SELECT
        numbered.*,
        row_number() OVER (
            PARTITION BY pair
            ORDER BY
                published_time, local_timestamp, timestamp, funding_timestamp, funding_rate, predicted_funding_rate,
                open_interest, last_price, index_price, mark_price
        ) AS message
    FROM numbered
    WHERE copy = 1
),
merged AS (
    SELECT
        exchange, pair AS symbol, published_time, message, timestamp AS engine_timestamp, sent_timestamp,
        local_timestamp, primary_local_timestamp, replica_local_timestamp,
        last_value(funding_timestamp) IGNORE NULLS OVER so_far AS funding_timestamp,
        last_value(funding_rate) IGNORE NULLS OVER so_far AS funding_rate,
        last_value(predicted_funding_rate) IGNORE NULLS OVER so_far AS predicted_funding_rate,
        last_value(open_interest) IGNORE NULLS OVER so_far AS open_interest,
        last_value(last_price) IGNORE NULLS OVER so_far AS last_price,
        last_value(index_price) IGNORE NULLS OVER so_far AS index_price,
        last_value(mark_price) IGNORE NULLS OVER so_far AS mark_price,
        filter(
            ARRAY[
                CASE WHEN funding_timestamp IS NOT NULL THEN 'funding_timestamp' END,
                CASE WHEN funding_rate IS NOT NULL THEN 'funding_rate' END,
                CASE WHEN predicted_funding_rate IS NOT NULL THEN 'predicted_funding_rate' END,
                CASE WHEN open_interest IS NOT NULL THEN 'open_interest' END,
                CASE WHEN last_price IS NOT NULL THEN 'last_price' END,
                CASE WHEN index_price IS NOT NULL THEN 'index_price' END,
                CASE WHEN mark_price IS NOT NULL THEN 'mark_price' END
            ],
            name -> name IS NOT NULL
        ) AS told
    FROM placed
    WINDOW so_far AS (PARTITION BY pair ORDER BY message ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
-- csv
SELECT
    exchange,
    symbol,
    published_time AS timestamp,
    local_timestamp,
    funding_timestamp,
    funding_rate,
    predicted_funding_rate,
    open_interest,
    last_price,
    index_price,
    mark_price
FROM merged
ORDER BY published_time, symbol, message
-- parquet
SELECT
    exchange,
    message AS position,
    published_time AS timestamp,
    local_timestamp,
    engine_timestamp,
    sent_timestamp,
    funding_timestamp,
    funding_rate,
    predicted_funding_rate,
    open_interest,
    last_price,
    index_price,
    mark_price,
    told,
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
