"""What the merge of liquidations promises. Each example goes through DuckDB and plain Python, which must agree."""

from collections import Counter
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from booktape.merge import Merge
from booktape.merge.reference import StoredRecord, merge_liquidations
from booktape.model.records import Liquidation
from tests.merge.systems import Systems, at, open_systems, put

DAY = date(2024, 8, 8)
NEXT = date(2024, 8, 9)
NOON = at(DAY, 12 * 3600 * 1_000_000)
LIQUIDATIONS = Merge("binance", "liquidations", DAY)


def liquidation(
    time: int | None, received: int, price: str = "10.0", identifier: int | str | None = None, sent: int | None = None
) -> Liquidation:
    return Liquidation(
        id=identifier,
        timestamp=time,
        side="sell",
        price=price,
        amount="1",
        local_timestamp=received,
        sent_timestamp=sent,
    )


def receipts(systems: Systems) -> list[int]:
    return [int(row[2]) - NOON for row in systems.merge_rows(LIQUIDATIONS)]


def test_a_liquidation_is_published_once_with_what_the_primary_observed(systems: Systems) -> None:
    put(systems.primary, liquidation(NOON, NOON + 9), liquidation(NOON + 1, NOON + 10, identifier=7))
    put(systems.replica, liquidation(NOON, NOON + 5), liquidation(NOON + 1, NOON + 6, identifier=7))
    assert (
        systems.merge_text(LIQUIDATIONS)
        == systems.reference_text(LIQUIDATIONS)
        == (
            '"exchange","symbol","timestamp","local_timestamp","id","side","price","amount"\n'
            f'"binance","BTC-USDT","{NOON}","{NOON + 9}",,"sell","10.0","1"\n'
            f'"binance","BTC-USDT","{NOON + 1}","{NOON + 10}","7","sell","10.0","1"\n'
        )
    )


def test_equal_ones_without_id_in_one_object_are_as_many_as_they_are(systems: Systems) -> None:
    put(systems.primary, liquidation(NOON, NOON + 1), liquidation(NOON, NOON + 2), liquidation(NOON, NOON + 3, "9.0"))
    assert receipts(systems) == [1, 2, 3]


def test_both_systems_have_the_same_two(systems: Systems) -> None:
    put(systems.primary, liquidation(NOON, NOON + 1), liquidation(NOON, NOON + 2))
    put(systems.replica, liquidation(NOON, NOON + 3), liquidation(NOON, NOON + 4))
    assert receipts(systems) == [1, 2]


def test_as_many_as_the_system_has_that_has_the_most(systems: Systems) -> None:
    put(systems.primary, liquidation(NOON, NOON + 9))
    put(systems.replica, *(liquidation(NOON, NOON + received) for received in (3, 4, 5)))
    assert receipts(systems) == [4, 5, 9]


def test_two_collectors_of_one_system_do_not_double_what_both_heard(systems: Systems) -> None:
    """The second one began later, so its object has another key."""
    put(
        systems.primary,
        liquidation(NOON, NOON + 1, "8.0"),
        liquidation(NOON + 1, NOON + 2),
        liquidation(NOON + 1, NOON + 3),
    )
    put(systems.primary, liquidation(NOON + 1, NOON + 4), liquidation(NOON + 1, NOON + 5))
    assert receipts(systems) == [1, 2, 3]


def test_equal_ids_are_copies_however_often_they_are_stored(systems: Systems) -> None:
    put(systems.primary, liquidation(NOON, NOON + 2, identifier="a"), liquidation(NOON, NOON + 1, identifier="a"))
    put(systems.replica, liquidation(NOON, NOON, identifier="a"))
    assert receipts(systems) == [1]


def test_the_same_id_with_other_values_is_another_liquidation(systems: Systems) -> None:
    put(systems.primary, liquidation(NOON, NOON, "10.0", 1), liquidation(NOON, NOON, "11.0", 1))
    put(systems.primary, liquidation(NOON, NOON, "10.0", 1), market="ETH-USDT")
    assert len(systems.merge_rows(LIQUIDATIONS)) == 3


def test_without_id_and_engine_time_the_time_observed_tells_them_apart(systems: Systems) -> None:
    put(
        systems.primary,
        liquidation(None, NOON),
        liquidation(None, NOON + 1),
        liquidation(None, NOON + 2, sent=NOON + 7),
    )
    put(systems.replica, liquidation(None, NOON + 4, sent=NOON + 7))
    assert [row[1:3] for row in systems.merge_rows(LIQUIDATIONS)] == [
        (f"{NOON}", f"{NOON}"),
        (f"{NOON + 1}", f"{NOON + 1}"),
        (f"{NOON + 7}", f"{NOON + 2}"),
    ]


def test_order_is_by_time_market_id_and_receipt(systems: Systems) -> None:
    put(
        systems.primary,
        liquidation(NOON, NOON + 1, identifier=10),
        liquidation(NOON, NOON + 2, identifier=9),
        liquidation(NOON, NOON + 3, identifier="b"),
        liquidation(NOON, NOON + 5),
        liquidation(NOON, NOON + 4, "12"),
        liquidation(NOON - 1, NOON + 9),
    )
    put(systems.primary, liquidation(NOON, NOON + 9), market="AAVE-USDT")
    assert [(row[0], row[3], int(row[2]) - NOON) for row in systems.merge_rows(LIQUIDATIONS)] == [
        ("BTC-USDT", "", 9),
        ("AAVE-USDT", "", 9),
        ("BTC-USDT", "b", 3),
        ("BTC-USDT", "", 4),
        ("BTC-USDT", "", 5),
        ("BTC-USDT", "9", 2),
        ("BTC-USDT", "10", 1),
    ]


def test_days_are_told_apart_as_everywhere(systems: Systems) -> None:
    midnight = at(NEXT)
    put(systems.primary, liquidation(None, midnight + 1, "1"), partition=DAY)
    put(systems.primary, liquidation(None, midnight - 1, "2"), partition=NEXT)
    put(systems.primary, liquidation(midnight - 2, midnight, "3"), partition=NEXT)
    assert [row[5] for row in systems.merge_rows(LIQUIDATIONS)] == ["3", "1"]
    assert [row[5] for row in systems.merge_rows(Merge("binance", "liquidations", NEXT))] == ["2"]


TIMES = st.none() | st.integers(NOON, NOON + 2)
RECORDS = st.builds(
    Liquidation,
    id=st.none() | st.sampled_from([9, 10, "9", "b"]),
    timestamp=TIMES,
    side=st.just("buy"),
    price=st.sampled_from(["1", "2"]),
    amount=st.just("1"),
    local_timestamp=st.integers(NOON, NOON + 3),
    sent_timestamp=TIMES,
)
Batches = list[tuple[bool, str, list[Liquidation]]]
BATCHES = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["A-B", "C-D"]), st.lists(RECORDS, min_size=1, max_size=12)),
    min_size=1,
    max_size=4,
)


def store(systems: Systems, batches: Batches) -> None:
    for is_replica, market, records in batches:
        put(systems.replica if is_replica else systems.primary, *records, market=market)


@given(BATCHES)
@settings(max_examples=40, deadline=None)
def test_duckdb_says_the_same(batches: Batches) -> None:
    with TemporaryDirectory() as directory:
        systems = open_systems(Path(directory))
        store(systems, batches)
        assert systems.merge_text(LIQUIDATIONS) == systems.reference_text(LIQUIDATIONS)


@given(BATCHES)
@settings(max_examples=150, deadline=None)
def test_of_each_there_are_as_many_as_the_object_has_that_has_the_most(batches: Batches) -> None:
    systems: tuple[list[StoredRecord[Liquidation]], ...] = ([], [])
    for number, (is_replica, market, records) in enumerate(batches):
        systems[is_replica].extend(StoredRecord(market, DAY, record, f"{number}") for record in records)
    most: Counter[tuple[object, ...]] = Counter()
    for _, market, records in batches:
        most |= Counter((market, *known(record)) for record in records)
    published = Counter((one.market, *known(one.record)) for one in merge_liquidations(DAY, *systems))
    assert published == {same: 1 if same[1] is not None else count for same, count in most.items()}


def known(record: Liquidation) -> tuple[object, ...]:
    """What two copies have in common: id, price, engine time, and the time observed where there is no id."""
    observed = record.timestamp or record.sent_timestamp or record.local_timestamp
    identifier = None if record.id is None else str(record.id)
    return identifier, record.price, record.timestamp, observed if record.id is None else None
