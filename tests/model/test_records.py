"""Records: what is identity, what is observation, and where a record stands in its stream."""

from msgspec import Raw

from booktape.model.records import (
    BookUpdate,
    Quote,
    Trade,
    first_position,
    identity,
    last_position,
    levels,
    record_time,
)

TRADE = Trade(7, 1_000, "buy", "1.10", "2", 5_000)


def test_two_connections_see_the_same_trade_at_different_times_and_it_is_the_same_trade() -> None:
    seen_elsewhere = Trade(7, 1_000, "buy", "1.10", "2", 9_999)
    assert seen_elsewhere != TRADE
    assert identity(TRADE) == identity(seen_elsewhere) == (7, 1_000, "buy", "1.10", "2")


def test_a_price_written_differently_is_another_record() -> None:
    assert identity(TRADE) != identity(Trade(7, 1_000, "buy", "1.1", "2", 5_000))


def test_the_time_that_binance_stamps_per_connection_is_an_observation() -> None:
    def update(sent: int) -> BookUpdate:
        return BookUpdate(
            first_id=1, last_id=2, bids=Raw(b"[]"), asks=Raw(b"[]"), local_timestamp=9, sent_timestamp=sent
        )

    assert identity(update(100)) == identity(update(101))
    assert record_time(update(100)) == 100


def test_positions_are_sequence_ids_where_there_are_any() -> None:
    update = BookUpdate(first_id=10, last_id=12, timestamp=5, bids=Raw(b"[]"), asks=Raw(b"[]"), local_timestamp=6)
    assert (first_position(update), last_position(update)) == (10, 12)
    assert (first_position(TRADE), last_position(TRADE)) == (7, 7)


def test_positions_are_times_where_the_venue_numbers_nothing() -> None:
    quote = Quote(None, 77, "1", "1", "2", "1", 99)
    assert (first_position(quote), last_position(quote)) == (77, 77)
    assert first_position(Trade("0c7e-uuid", 1_000, "buy", "1", "1", 5_000)) == 1_000


def test_levels_keep_the_exchanges_text() -> None:
    assert levels(Raw(b'[["61737.63000000","0.00000000"],["5e","1.10"]]')) == [
        ("61737.63000000", "0.00000000"),
        ("5e", "1.10"),
    ]
