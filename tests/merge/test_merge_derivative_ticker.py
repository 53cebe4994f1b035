"""What the merge of tickers promises. Each example goes through DuckDB and through plain Python, which must agree."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from booktape.merge import Merge
from booktape.merge.reference import StoredRecord, merge_derivative_ticker
from booktape.model.csv import COLUMNS, csv_rows
from booktape.model.records import DerivativeTicker
from tests.merge.systems import Systems, at, open_systems, put

DAY = date(2024, 8, 8)
NEXT = date(2024, 8, 9)
NOON = at(DAY, 12 * 3600 * 1_000_000)
TICKER = Merge("binance", "derivative_ticker", DAY)


def mark(price: str, time: int | None, received: int, sent: int | None = None) -> DerivativeTicker:
    return DerivativeTicker(timestamp=time, mark_price=price, local_timestamp=received, sent_timestamp=sent)


def interest(amount: str, time: int | None, received: int) -> DerivativeTicker:
    return DerivativeTicker(timestamp=time, open_interest=amount, local_timestamp=received)


def marks(systems: Systems, merge: Merge = TICKER) -> list[tuple[str, ...]]:
    """Time and mark price of each row."""
    return [(row[1], row[9]) for row in systems.merge_rows(merge)]


def test_rows_are_filled_forward_from_the_days_first_message_on(systems: Systems) -> None:
    put(systems.primary, mark("9", at(DAY, -1), at(DAY, -1)))
    put(
        systems.primary,
        interest("500", NOON, NOON + 5),
        DerivativeTicker(
            timestamp=NOON + 1,
            funding_timestamp=NOON + 60,
            funding_rate="0.01",
            mark_price="10",
            local_timestamp=NOON + 6,
        ),
        DerivativeTicker(
            timestamp=NOON + 2,
            predicted_funding_rate="-1e-4",
            index_price="9.50",
            last_price='9"',
            local_timestamp=NOON + 7,
        ),
        DerivativeTicker(timestamp=NOON + 3, open_interest="0", mark_price="11", local_timestamp=NOON + 8),
    )
    assert (
        systems.merge_text(TICKER)
        == systems.reference_text(TICKER)
        == (
            '"exchange","symbol","timestamp","local_timestamp","funding_timestamp","funding_rate",'
            '"predicted_funding_rate","open_interest","last_price","index_price","mark_price"\n'
            f'"binance","BTC-USDT","{NOON}","{NOON + 5}",,,,"500",,,\n'
            f'"binance","BTC-USDT","{NOON + 1}","{NOON + 6}","{NOON + 60}","0.01",,"500",,,"10"\n'
            f'"binance","BTC-USDT","{NOON + 2}","{NOON + 7}","{NOON + 60}","0.01","-1e-4","500","9""","9.50","10"\n'
            f'"binance","BTC-USDT","{NOON + 3}","{NOON + 8}","{NOON + 60}","0.01","-1e-4","0","9""","9.50","11"\n'
        )
    )


def test_each_market_is_filled_by_itself(systems: Systems) -> None:
    put(systems.primary, mark("10", NOON, NOON), interest("5", NOON + 2, NOON + 2))
    put(systems.primary, mark("20", NOON + 1, NOON + 1), interest("7", NOON + 3, NOON + 3), market="ETH-USDT")
    assert [(row[0], row[6], row[9]) for row in systems.merge_rows(TICKER)] == [
        ("BTC-USDT", "", "10"),
        ("ETH-USDT", "", "20"),
        ("BTC-USDT", "5", "10"),
        ("ETH-USDT", "7", "20"),
    ]


def test_a_message_is_published_once_with_what_the_primary_observed(systems: Systems) -> None:
    put(systems.primary, mark("10", NOON, NOON + 9))
    put(systems.primary, mark("10", NOON, NOON + 11), mark("11", NOON + 1, NOON + 12))
    put(systems.replica, mark("10", NOON, NOON + 5))
    assert [row[1:3] for row in systems.merge_rows(TICKER)] == [
        (f"{NOON}", f"{NOON + 9}"),
        (f"{NOON + 1}", f"{NOON + 12}"),
    ]


def test_a_copy_that_comes_late_does_not_bring_old_values_back(systems: Systems) -> None:
    put(systems.primary, mark("10", NOON, NOON), mark("11", NOON + 5, NOON + 5), interest("1", NOON + 6, NOON + 6))
    put(systems.replica, mark("10", NOON, NOON + 70), interest("2", NOON + 7, NOON + 71))
    assert marks(systems) == [(f"{NOON}", "10"), (f"{NOON + 5}", "11"), (f"{NOON + 6}", "11"), (f"{NOON + 7}", "11")]


def test_what_only_the_replica_has_is_filled_in_at_its_own_time(systems: Systems) -> None:
    put(systems.primary, mark("10", NOON, NOON), interest("1", NOON + 8, NOON + 8))
    put(systems.replica, mark("10", NOON, NOON), mark("11", NOON + 4, NOON + 4))
    assert marks(systems) == [(f"{NOON}", "10"), (f"{NOON + 4}", "11"), (f"{NOON + 8}", "11")]


def test_messages_of_one_instant_stand_in_the_order_of_receipt(systems: Systems) -> None:
    put(systems.primary, mark("9", NOON, NOON + 2), mark("8", NOON, NOON + 3), mark("10", NOON, NOON + 4))
    put(systems.replica, mark("10", NOON, NOON + 1), mark("7", NOON, NOON + 3))
    assert [row[9] for row in systems.merge_rows(TICKER)] == ["9", "7", "8", "10"]


def test_messages_received_at_once_stand_in_the_order_of_what_they_tell(systems: Systems) -> None:
    put(systems.replica, interest("6", NOON, NOON), mark("9", NOON, NOON), mark("10", NOON, NOON))
    put(systems.primary, interest("50", NOON, NOON), mark("8", None, NOON))
    assert [(row[6], row[9]) for row in systems.merge_rows(TICKER)] == [
        ("50", ""),
        ("6", ""),
        ("6", "10"),
        ("6", "9"),
        ("6", "8"),
    ]


def test_without_engine_time_a_value_that_comes_back_is_not_a_copy(systems: Systems) -> None:
    put(systems.primary, mark("10", None, NOON), mark("9", None, NOON + 1), mark("10", None, NOON + 2))
    put(systems.replica, mark("10", None, NOON + 9, sent=NOON))
    assert [row[1:3] for row in systems.merge_rows(TICKER)] == [
        (f"{NOON}", f"{NOON}"),
        (f"{NOON + 1}", f"{NOON + 1}"),
        (f"{NOON + 2}", f"{NOON + 2}"),
    ]


def test_a_message_without_exchange_time_belongs_to_its_partition(systems: Systems) -> None:
    midnight = at(NEXT)
    put(systems.primary, mark("1", None, midnight + 1), partition=DAY)
    put(systems.primary, mark("2", None, midnight - 1), partition=NEXT)
    put(systems.primary, mark("3", midnight - 2, midnight), partition=NEXT)
    put(systems.primary, mark("4", None, midnight, sent=midnight - 3), partition=NEXT)
    assert marks(systems) == [(f"{midnight - 3}", "4"), (f"{midnight - 2}", "3"), (f"{midnight + 1}", "1")]
    assert marks(systems, Merge("binance", "derivative_ticker", NEXT)) == [(f"{midnight - 1}", "2")]


TIMES = st.none() | st.integers(NOON, NOON + 3)
VALUES = st.none() | st.sampled_from(["1", "10", "9.0"])
TICKERS = st.builds(
    DerivativeTicker,
    timestamp=TIMES,
    funding_timestamp=st.none() | st.integers(5, 6),
    funding_rate=VALUES,
    open_interest=VALUES,
    mark_price=VALUES,
    local_timestamp=st.integers(NOON, NOON + 4),
    sent_timestamp=TIMES,
)
Batches = list[tuple[bool, str, list[DerivativeTicker]]]
BATCHES = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["A-B", "C-D"]), st.lists(TICKERS, min_size=1, max_size=12)),
    min_size=1,
    max_size=4,
)


def store(systems: Systems, batches: Batches) -> None:
    for is_replica, market, tickers in batches:
        put(systems.replica if is_replica else systems.primary, *tickers, market=market)


@given(BATCHES)
@settings(max_examples=40, deadline=None)
def test_duckdb_says_the_same(batches: Batches) -> None:
    with TemporaryDirectory() as directory:
        systems = open_systems(Path(directory))
        store(systems, batches)
        assert systems.merge_text(TICKER) == systems.reference_text(TICKER)


def stored(batches: Batches, replica: bool) -> list[StoredRecord[DerivativeTicker]]:
    """One system's records, as if each object had got a key of its own."""
    return [
        StoredRecord(market, DAY, ticker, f"{number}")
        for number, (is_replica, market, tickers) in enumerate(batches)
        if is_replica == replica
        for ticker in tickers
    ]


@given(BATCHES)
@settings(max_examples=150, deadline=None)
def test_the_order_of_storage_changes_nothing_and_no_value_is_ever_lost(batches: Batches) -> None:
    published, again = (
        [
            row
            for one in merge_derivative_ticker(DAY, *(stored(order, system) for system in (False, True)))
            for row in csv_rows("binance", one.market, one.record)
        ]
        for order in (batches, [(system, market, tickers[::-1]) for system, market, tickers in batches[::-1]])
    )
    assert published == again
    assert [row[2] for row in published] == sorted(int(str(row[2])) for row in published)
    for market in {market for _, market, _ in batches}:
        tickers = [ticker for _, name, some in batches if name == market for ticker in some]
        for place, name in enumerate(COLUMNS["derivative_ticker"][4:], start=4):
            told = [row[place] is not None for row in published if row[1] == market]
            assert told == sorted(told)
            assert told[-1] == any(getattr(ticker, name) is not None for ticker in tickers)
