"""Where each published record came from, written out. Every example goes through DuckDB and through plain Python."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from booktape.merge import Merge, open_engine
from booktape.merge.reference import Received
from booktape.model.records import BookSnapshot, BookUpdate, DerivativeTicker, Liquidation, Quote, Trade
from tests.merge.systems import Systems, at, open_systems, put, read_result

DAY = date(2024, 8, 8)
NEXT = date(2024, 8, 9)
NOON = at(DAY, 12 * 3600 * 1_000_000)
TRADES = Merge("binance", "trades", DAY)
BIDS, NONE = Raw(b'[["10.0","1"],["9","0"]]'), Raw(b"[]")


def trade(number: int | str, received: int, *, price: str = "10", sequence: int | None = None) -> Trade:
    """A trade at noon, received so many µs after it."""
    return Trade(number, NOON, "buy", price, "1", NOON + received, sequence)


def came_from(systems: Systems, merge: Merge = TRADES) -> list[tuple[object, object]]:
    """Each published record's id, or its place, and its provenance."""
    name = "id" if merge.data_type in ("trades", "quotes", "liquidations") else "position"
    return [(row[name], row["provenance"]) for row in systems.merge_full(merge)]


def rest(systems: Systems, *trades: Trade) -> None:
    assert systems.rest is not None
    put(systems.rest, *trades)


def test_which_systems_had_a_trade(systems: Systems) -> None:
    put(systems.primary, trade(1, 5), trade(2, 5))
    put(systems.replica, trade(2, 7), trade(3, 7))
    rest(systems, trade(4, 9))
    assert came_from(systems) == [("1", "primary"), ("2", "both"), ("3", "replica"), ("4", "rest")]


def test_what_was_fetched_over_rest_fills_what_both_lack_and_never_displaces(systems: Systems) -> None:
    put(systems.primary, trade(1, 500, price="10.0"))
    put(systems.replica, trade(2, 500, price="20.0"))
    rest(systems, *(trade(number, 1, price="99") for number in (1, 2, 3)))  # received earlier, to no avail
    found = [(row["id"], row["price"], row["provenance"]) for row in systems.merge_full(TRADES)]
    assert found == [("1", "10.0", "primary"), ("2", "20.0", "replica"), ("3", "99", "rest")]
    assert [row[5] for row in systems.merge_rows(TRADES)] == ["10.0", "20.0", "99"]


def test_each_systems_first_receipt_is_told(systems: Systems) -> None:
    put(systems.primary, trade(1, 30), trade(2, 90))
    put(systems.primary, trade(1, 20))  # another collector of the same system
    put(systems.replica, trade(1, 10))
    rest(systems, trade(1, 70), trade(3, 80))
    times = [
        tuple(row[f"{system}_local_timestamp"] for system in ("primary", "replica", "rest"))
        for row in systems.merge_full(TRADES)
    ]
    assert times == [(NOON + 20, NOON + 10, NOON + 70), (NOON + 90, None, None), (None, None, NOON + 80)]


def test_a_day_that_was_only_fetched_over_rest_is_published(systems: Systems) -> None:
    rest(systems, trade(1, 5))
    assert came_from(systems) == [("1", "rest")]


def test_what_was_fetched_of_another_day_stays_there(systems: Systems) -> None:
    put(systems.primary, trade(1, 5))
    rest(systems, Trade(2, at(NEXT), "buy", "10", "1", at(NEXT, 5)))
    assert came_from(systems) == [("1", "primary")]


def test_without_anything_fetched_the_place_may_be_missing(tmp_path: Path) -> None:
    systems = open_systems(tmp_path)
    put(systems.primary, trade(1, 5))
    (tmp_path / "primary" / "rest").rmdir()
    engine = open_engine("duckdb", primary=systems.primary.url, replica=None, results=systems.results)
    assert read_result(engine.poll(engine.start(TRADES, "first"))) == systems.reference_text(TRADES)


def test_of_a_data_type_that_is_never_fetched_nothing_is_read_below_rest(systems: Systems) -> None:
    quote = Quote(1, NOON, "10", "1", "11", "2", NOON + 5)
    put(systems.primary, quote)
    assert systems.rest is not None
    put(systems.rest, Quote(2, NOON, "10", "1", "11", "2", NOON + 5))
    (unread,) = systems.rest.objects("quotes")
    systems.rest.replace(unread.key, b"which would end the merge")
    assert came_from(systems, Merge("binance", "quotes", DAY)) == [(1, "primary")]


def test_an_id_used_up_is_healed_but_not_published(systems: Systems) -> None:
    put(systems.primary, trade(1, 5))
    rest(systems, Trade(2, NOON, "buy", "0", "0", NOON + 9))
    assert came_from(systems) == [("1", "primary")]


def test_quotes(systems: Systems) -> None:
    for store, ids in ((systems.primary, (1, 2)), (systems.replica, (2, 3))):
        put(store, *(Quote(number, NOON, "10", "1", "11", "2", NOON + number) for number in ids))
    assert came_from(systems, Merge("binance", "quotes", DAY)) == [(1, "primary"), (2, "both"), (3, "replica")]


def test_liquidations_without_ids_are_matched_one_by_one(systems: Systems) -> None:
    closed = Liquidation(timestamp=NOON, side="sell", price="9", amount="2", local_timestamp=NOON + 5)
    put(systems.primary, closed, closed)
    put(systems.replica, closed)
    merge = Merge("binance", "liquidations", DAY)
    assert came_from(systems, merge) == [(None, "both"), (None, "primary")]


def test_derivative_tickers_say_what_each_message_told(systems: Systems) -> None:
    def ticker(time: int, **told: str) -> DerivativeTicker:
        return DerivativeTicker(timestamp=NOON + time, local_timestamp=NOON + time + 5, **told)  # type: ignore[arg-type]

    put(systems.primary, ticker(1, mark_price="1", funding_rate="0.1"), ticker(2, mark_price="2"))
    put(systems.replica, ticker(2, mark_price="2"), ticker(3, open_interest="7"))
    found = [
        (row["mark_price"], row["open_interest"], row["told"], row["provenance"])
        for row in systems.merge_full(Merge("binance", "derivative_ticker", DAY))
    ]
    assert found == [
        ("1", None, ["funding_rate", "mark_price"], "primary"),
        ("2", None, ["mark_price"], "both"),
        ("2", "7", ["open_interest"], "replica"),
    ]


def test_book_messages_are_whole_and_have_all_that_was_stored(systems: Systems) -> None:
    def update(number: int, received: int) -> BookUpdate:
        return BookUpdate(
            first_id=number, last_id=number + 1, previous_id=number - 1, bids=BIDS, asks=NONE, checksum=7,
            local_timestamp=NOON + received, sent_timestamp=NOON,
        )  # fmt: skip

    snapshot = BookSnapshot(last_id=4, bids=NONE, asks=BIDS, origin="rest", local_timestamp=NOON + 90)
    put(systems.primary, update(2, 10))
    put(systems.replica, update(2, 20))
    put(systems.replica, snapshot, partition=DAY)
    first, second = systems.merge_full(Merge("binance", "book_updates", DAY))
    assert first == {
        "exchange": "binance", "position": 1, "timestamp": NOON, "local_timestamp": NOON + 10, "is_snapshot": False,
        "first_id": 2, "last_id": 3, "previous_id": 1, "engine_timestamp": None, "sent_timestamp": NOON,
        "origin": None, "checksum": 7, "bids": [("10.0", "1"), ("9", "0")], "asks": [],
        "primary_local_timestamp": NOON + 10, "replica_local_timestamp": NOON + 20, "provenance": "both",
        "symbol": "BTC-USDT",
    }  # fmt: skip
    assert second == {
        "exchange": "binance", "position": 2, "timestamp": NOON, "local_timestamp": NOON + 90, "is_snapshot": True,
        "first_id": None, "last_id": 4, "previous_id": None, "engine_timestamp": None, "sent_timestamp": None,
        "origin": "rest", "checksum": None, "bids": [], "asks": [("10.0", "1"), ("9", "0")],
        "primary_local_timestamp": None, "replica_local_timestamp": NOON + 90, "provenance": "replica",
        "symbol": "BTC-USDT",
    }  # fmt: skip


def test_the_number_beside_the_id_is_that_of_the_copy_that_is_published(systems: Systems) -> None:
    put(systems.primary, trade("a-1", 5, sequence=41))
    put(systems.replica, trade("a-1", 4, sequence=99), trade("a-2", 5, sequence=42))
    found = [(row["id"], row["sequence"]) for row in systems.merge_full(TRADES)]
    assert found == [("a-1", 41), ("a-2", 42)]


COPIES = st.lists(
    st.tuples(
        st.integers(0, 2),  # the system
        st.sampled_from(["A-B", "C-D"]),
        st.lists(st.tuples(st.sampled_from([1, 2, 9, 10, "x"]), st.integers(0, 3)), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=8,
)


@given(COPIES)
@settings(max_examples=25, deadline=None)
def test_every_trade_says_exactly_which_systems_had_it(
    tmp_path_factory: pytest.TempPathFactory, copies: list[tuple[int, str, list[tuple[int | str, int]]]]
) -> None:
    systems = open_systems(tmp_path_factory.mktemp("systems"))
    assert systems.rest is not None
    stores = (systems.primary, systems.replica, systems.rest)
    had: dict[tuple[str, str], set[int]] = {}
    for system, market, trades in copies:
        put(stores[system], *(trade(number, received) for number, received in trades), market=market)
        for number, _ in trades:
            had.setdefault((market, str(number)), set()).add(system)
    expected = {
        of: "both" if {0, 1} <= which else "primary" if 0 in which else "replica" if 1 in which else "rest"
        for of, which in had.items()
    }
    assert {(row["symbol"], row["id"]): row["provenance"] for row in systems.merge_full(TRADES)} == expected


@pytest.mark.parametrize(
    ("received", "provenance"),
    [
        (Received(primary=1), "primary"),
        (Received(replica=1), "replica"),
        (Received(primary=1, replica=2), "both"),
        (Received(primary=1, rest=2), "primary"),
        (Received(replica=1, rest=2), "replica"),
        (Received(rest=1), "rest"),
    ],
)
def test_all_provenances(received: Received, provenance: str) -> None:
    assert received.provenance == provenance
    assert provenance in ("primary", "replica", "both", "rest")
