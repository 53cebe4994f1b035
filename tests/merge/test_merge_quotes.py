"""What the merge of quotes promises. Each example goes through DuckDB and through plain Python, which must agree."""

from datetime import date

from booktape.merge import Merge
from booktape.model.records import Quote
from tests.merge.systems import Systems, at, put

DAY = date(2024, 8, 8)
NEXT = date(2024, 8, 9)
NOON = at(DAY, 12 * 3600 * 1_000_000)
QUOTES = Merge("binance", "quotes", DAY)


def quote(identifier: int | None, time: int | None, received: int, bid: str = "10", sent: int | None = None) -> Quote:
    return Quote(identifier, time, bid, "1", "11", "2", received, sent)


def test_columns_are_in_the_order_of_tardis(systems: Systems) -> None:
    put(systems.primary, quote(5, NOON, NOON + 9))
    assert systems.merge_rows(QUOTES) == [("BTC-USDT", f"{NOON}", f"{NOON + 9}", "2", "11", "10", "1")]


def test_a_quote_is_published_once_with_what_the_primary_observed(systems: Systems) -> None:
    put(systems.primary, quote(5, None, NOON + 9))
    put(systems.replica, quote(5, None, NOON + 5), quote(6, None, NOON + 6))
    assert [row[1:3] for row in systems.merge_rows(QUOTES)] == [
        (f"{NOON + 6}", f"{NOON + 6}"),
        (f"{NOON + 9}", f"{NOON + 9}"),
    ]


def test_other_values_under_the_same_id_are_another_quote(systems: Systems) -> None:
    put(systems.primary, quote(5, NOON, NOON, bid="10"), quote(5, NOON, NOON + 1, bid="10.5"))
    assert [row[5] for row in systems.merge_rows(QUOTES)] == ["10", "10.5"]


def test_without_id_and_time_a_price_that_comes_back_is_not_a_copy(systems: Systems) -> None:
    put(systems.primary, quote(None, None, NOON, "10"), quote(None, None, NOON + 1, "9"), quote(None, None, NOON + 2))
    assert [row[5] for row in systems.merge_rows(QUOTES)] == ["10", "9", "10"]


def test_order_is_by_time_market_id_and_receipt(systems: Systems) -> None:
    put(systems.primary, quote(10, NOON, 7), quote(9, NOON, 8), quote(None, NOON, 2), quote(None, NOON, 1, "9"))
    put(systems.primary, quote(11, NOON, 9), market="AAVE-USDT")
    assert [(row[0], row[2]) for row in systems.merge_rows(QUOTES)] == [
        ("AAVE-USDT", "9"),
        ("BTC-USDT", "8"),
        ("BTC-USDT", "7"),
        ("BTC-USDT", "1"),
        ("BTC-USDT", "2"),
    ]


def test_a_quote_without_exchange_time_belongs_to_its_partition(systems: Systems) -> None:
    midnight = at(NEXT)
    put(systems.primary, quote(1, None, midnight + 1), partition=DAY)
    put(systems.primary, quote(2, None, midnight - 1), partition=NEXT)
    assert [row[2] for row in systems.merge_rows(QUOTES)] == [f"{midnight + 1}"]
    assert [row[2] for row in systems.merge_rows(Merge("binance", "quotes", NEXT))] == [f"{midnight - 1}"]


def test_a_late_quote_with_a_time_of_sending_belongs_to_the_day_of_that_time(systems: Systems) -> None:
    midnight = at(NEXT)
    put(systems.primary, quote(1, None, midnight, sent=midnight - 2))
    put(systems.primary, quote(2, None, midnight, sent=midnight - 1), partition=NEXT)
    assert [row[1] for row in systems.merge_rows(QUOTES)] == [f"{midnight - 2}", f"{midnight - 1}"]
