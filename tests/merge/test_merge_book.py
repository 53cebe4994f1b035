"""What the merge of books promises. Each example goes through DuckDB and through plain Python, which must agree."""

from datetime import date

from msgspec import Raw, json

from booktape.merge import Merge
from booktape.model.records import BookSnapshot, BookUpdate
from tests.merge.systems import Systems, at, put

DAY = date(2024, 8, 8)
NEXT = date(2024, 8, 9)
NOON = at(DAY, 12 * 3600 * 1_000_000)
BOOK = Merge("binance", "book_updates", DAY)


def levels(text: str) -> Raw:
    """``10:1 9:2`` as the exchange writes it."""
    return Raw(json.encode([level.split(":") for level in text.split()]))


def update(
    first: int | None = None,
    last: int | None = None,
    bids: str = "10:1",
    asks: str = "",
    *,
    time: int | None = None,
    sent: int | None = None,
    received: int = NOON,
) -> BookUpdate:
    return BookUpdate(
        first_id=first,
        last_id=last,
        timestamp=time,
        bids=levels(bids),
        asks=levels(asks),
        local_timestamp=received,
        sent_timestamp=sent,
    )


def snapshot(
    last: int | None = None,
    bids: str = "10:7",
    *,
    time: int | None = None,
    sent: int | None = None,
    received: int = NOON,
    origin: str = "rest",
) -> BookSnapshot:
    return BookSnapshot(
        last_id=last,
        timestamp=time,
        bids=levels(bids),
        asks=levels(""),
        origin=origin,
        local_timestamp=received,
        sent_timestamp=sent,
    )


def brief(systems: Systems) -> list[tuple[int, str]]:
    """The published rows: time after noon (µs) and amount, which names the row here; snapshots have an ``S``."""
    rows = systems.merge_rows(BOOK)
    return [(int(row[1]) - NOON, ("S" if row[3] == "true" else "") + row[6]) for row in rows]


def test_rows_of_a_message_stay_together_bids_first_in_the_order_sent(systems: Systems) -> None:
    put(systems.primary, update(1, 3, "9:1 10:0", "11:2.50 12:1", sent=NOON + 5, received=NOON + 9))
    begin = ("BTC-USDT", f"{NOON + 5}", f"{NOON + 9}", "false")
    assert systems.merge_rows(BOOK) == [
        (*begin, "bid", "9", "1"),
        (*begin, "bid", "10", "0"),
        (*begin, "ask", "11", "2.50"),
        (*begin, "ask", "12", "1"),
    ]


def test_a_message_is_published_once_with_what_the_primary_observed(systems: Systems) -> None:
    put(systems.primary, update(1, 3, sent=NOON + 7, received=NOON + 9))
    put(systems.replica, update(1, 3, sent=NOON + 5, received=NOON + 6))
    assert [row[1:3] for row in systems.merge_rows(BOOK)] == [(f"{NOON + 7}", f"{NOON + 9}")]


def test_windows_that_two_connections_cut_differently_both_stay_in_the_order_of_their_last_id(
    systems: Systems,
) -> None:
    put(systems.primary, update(1, 4, "10:14", sent=NOON), update(5, 9, "10:59", sent=NOON + 100))
    put(systems.replica, update(1, 6, "10:16", sent=NOON + 50), update(7, 9, "10:79", sent=NOON + 100))
    assert brief(systems) == [(0, "14"), (50, "16"), (100, "59"), (100, "79")]


def test_time_never_runs_against_the_sequence(systems: Systems) -> None:
    """The replica's connection stamps earlier than the primary's; what it fills in keeps its place."""
    put(systems.primary, update(1, 1, "10:1", sent=NOON + 30), update(3, 3, "10:3", sent=NOON + 40))
    put(systems.replica, update(2, 2, "10:2", sent=NOON + 20), update(4, 4, "10:4", sent=NOON + 35))
    assert brief(systems) == [(30, "1"), (30, "2"), (40, "3"), (40, "4")]


def test_the_engines_own_time_is_published_as_it_is(systems: Systems) -> None:
    put(systems.primary, update(1, 1, "10:1", time=NOON + 1, sent=NOON + 9), update(2, 2, "10:2", time=NOON + 2))
    assert brief(systems) == [(1, "1"), (2, "2")]


def test_a_rest_snapshot_stands_after_the_update_that_it_contains_and_has_its_time(systems: Systems) -> None:
    put(
        systems.primary,
        update(1, 4, "10:4", sent=NOON + 100),
        update(5, 8, "10:8", sent=NOON + 200),
        update(9, 9, "10:9", sent=NOON + 300),
    )
    put(systems.primary, snapshot(8, "10:88", sent=NOON + 900))
    assert brief(systems) == [(100, "4"), (200, "8"), (200, "S88"), (300, "9")]


def test_a_rest_snapshot_before_all_updates_has_its_own_time_but_never_that_of_a_later_place(
    systems: Systems,
) -> None:
    put(systems.primary, update(5, 8, "10:8", sent=NOON + 200), update(9, 9, "10:9", sent=NOON + 300))
    put(systems.primary, snapshot(2, "10:2", sent=NOON + 150), snapshot(3, "10:3", sent=NOON + 140))
    put(systems.replica, snapshot(4, "10:4", sent=NOON + 250))
    assert brief(systems) == [(150, "S2"), (150, "S3"), (200, "S4"), (200, "8"), (300, "9")]


def test_a_rest_snapshot_alone_has_the_best_time_that_is_known(systems: Systems) -> None:
    put(systems.primary, snapshot(2, "10:2", received=NOON + 5), partition=DAY)
    put(systems.primary, snapshot(3, "10:3", sent=NOON + 8), market="ETH-USDT")
    assert brief(systems) == [(5, "S2"), (8, "S3")]


def test_the_snapshot_of_a_quiet_book_is_published_once(systems: Systems) -> None:
    put(systems.primary, snapshot(8, sent=NOON), snapshot(8, sent=NOON + 60))
    put(systems.replica, snapshot(8, sent=NOON + 1))
    assert brief(systems) == [(0, "S7")]


def test_where_places_are_times_a_snapshot_comes_before_the_updates_of_its_instant(systems: Systems) -> None:
    put(systems.primary, update(None, None, "10:1", time=NOON), update(None, None, "10:3", time=NOON + 5, received=3))
    put(systems.primary, update(None, None, "10:2", time=NOON + 5, received=2))
    put(systems.primary, snapshot(None, "10:9", time=NOON + 5, received=1, origin="stream"))
    assert brief(systems) == [(0, "1"), (5, "S9"), (5, "2"), (5, "3")]


def test_without_ids_and_engine_time_an_amount_that_comes_back_is_not_a_copy(systems: Systems) -> None:
    put(
        systems.primary,
        update(None, None, "10:1", received=NOON),
        update(None, None, "10:0", received=NOON + 1),
        update(None, None, "10:1", received=NOON + 2),
        partition=DAY,
    )
    assert brief(systems) == [(0, "1"), (1, "0"), (2, "1")]


def test_other_levels_under_the_same_ids_are_another_message(systems: Systems) -> None:
    put(systems.primary, update(1, 1, "10:1", sent=NOON, received=1), update(1, 1, "", "10:1", sent=NOON, received=2))
    assert [row[4] for row in systems.merge_rows(BOOK)] == ["bid", "ask"]


def test_markets_are_side_by_side_in_order_of_time(systems: Systems) -> None:
    put(systems.primary, update(1, 1, sent=NOON), update(2, 2, sent=NOON + 2), market="ETH-USDT")
    put(systems.primary, update(900, 900, sent=NOON), update(901, 901, sent=NOON + 1), market="BTC-USDT")
    assert [(row[0], int(row[1]) - NOON) for row in systems.merge_rows(BOOK)] == [
        ("BTC-USDT", 0),
        ("ETH-USDT", 0),
        ("BTC-USDT", 1),
        ("ETH-USDT", 2),
    ]


def test_a_message_that_two_connections_put_on_different_days_is_lost_by_neither(systems: Systems) -> None:
    midnight = at(NEXT)
    put(systems.primary, update(1, 1, sent=midnight - 1))
    put(systems.replica, update(1, 1, sent=midnight))
    assert [row[1] for row in systems.merge_rows(BOOK)] == [f"{midnight - 1}"]
    assert [row[1] for row in systems.merge_rows(Merge("binance", "book_updates", NEXT))] == [f"{midnight}"]


def test_a_venue_that_sends_only_snapshots(systems: Systems) -> None:
    put(systems.primary, snapshot(1, "10:1", time=NOON), snapshot(2, "10:2", time=NOON + 1))
    assert brief(systems) == [(0, "S1"), (1, "S2")]
