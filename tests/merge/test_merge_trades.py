"""What the merge of trades promises. Each example goes through DuckDB and through plain Python, which must agree."""

from datetime import date

from booktape.merge import Merge
from booktape.model.records import Trade
from tests.merge.systems import Systems, at, put

DAY = date(2024, 8, 8)
NEXT = date(2024, 8, 9)
NOON = at(DAY, 12 * 3600 * 1_000_000)
TRADES = Merge("binance", "trades", DAY)


def trade(identifier: int | str, time: int, received: int, price: str = "10.0", amount: str = "1") -> Trade:
    return Trade(identifier, time, "buy", price, amount, received)


def test_a_trade_is_published_once_with_what_the_primary_observed(systems: Systems) -> None:
    put(systems.primary, trade(1, NOON, NOON + 9))
    put(systems.replica, trade(1, NOON, NOON + 5))
    assert systems.merge_rows(TRADES) == [("BTC-USDT", f"{NOON}", f"{NOON + 9}", "1", "buy", "10.0", "1")]


def test_of_two_instances_of_one_system_the_earlier_receipt_counts(systems: Systems) -> None:
    put(systems.primary, trade(1, NOON, NOON + 9), trade(2, NOON, NOON + 10))
    put(systems.primary, trade(1, NOON, NOON + 5))
    assert [(row[3], row[2]) for row in systems.merge_rows(TRADES)] == [("1", f"{NOON + 5}"), ("2", f"{NOON + 10}")]


def test_the_replica_fills_what_the_primary_missed(systems: Systems) -> None:
    put(systems.primary, trade(1, NOON, NOON), trade(4, NOON + 3, NOON + 3))
    put(systems.replica, trade(2, NOON + 1, NOON + 1), trade(3, NOON + 2, NOON + 2), trade(4, NOON + 3, NOON + 4))
    assert [row[3] for row in systems.merge_rows(TRADES)] == ["1", "2", "3", "4"]


def test_a_market_that_only_the_replica_has(systems: Systems) -> None:
    put(systems.primary, trade(1, NOON, NOON))
    put(systems.replica, trade(7, NOON, NOON), market="ETH-USDT")
    assert [(row[0], row[3]) for row in systems.merge_rows(TRADES)] == [("BTC-USDT", "1"), ("ETH-USDT", "7")]


def test_ids_that_the_venue_used_up_are_no_trades(systems: Systems) -> None:
    nothing = [trade(2, NOON, NOON, price="0", amount="0"), trade(3, NOON, NOON, amount="0.000")]
    put(systems.primary, trade(1, NOON, NOON, amount="0.001"), *nothing, trade(4, NOON, NOON, amount="10"))
    assert [(row[3], row[6]) for row in systems.merge_rows(TRADES)] == [("1", "0.001"), ("4", "10")]


def test_the_same_id_in_two_markets_is_two_trades(systems: Systems) -> None:
    put(systems.primary, trade(1, NOON, NOON))
    put(systems.primary, trade(1, NOON, NOON), market="ETH-USDT")
    assert [(row[0], row[3]) for row in systems.merge_rows(TRADES)] == [("BTC-USDT", "1"), ("ETH-USDT", "1")]


def test_order_is_by_time_then_market_then_id_as_a_number(systems: Systems) -> None:
    put(systems.primary, trade(10, NOON, NOON), trade(9, NOON, NOON), trade(8, NOON + 1, NOON))
    put(systems.primary, trade(99999999999999999999, NOON, NOON), trade(1, NOON, NOON), market="AAVE-USDT")
    assert [(row[0], row[3]) for row in systems.merge_rows(TRADES)] == [
        ("AAVE-USDT", "1"),
        ("AAVE-USDT", "99999999999999999999"),
        ("BTC-USDT", "9"),
        ("BTC-USDT", "10"),
        ("BTC-USDT", "8"),
    ]


def test_ids_that_are_no_numbers_are_ordered_as_text(systems: Systems) -> None:
    put(systems.primary, trade("b", NOON, NOON), trade("a10", NOON, NOON), trade("a9", NOON, NOON))
    assert [row[3] for row in systems.merge_rows(TRADES)] == ["a10", "a9", "b"]


def test_text_is_kept_as_the_exchange_wrote_it(systems: Systems) -> None:
    put(systems.primary, trade("1e5", NOON, NOON, price="0.10"), trade('a"b,c', NOON, NOON, price="1E-8"))
    assert [(row[3], row[5]) for row in systems.merge_rows(TRADES)] == [("1e5", "0.10"), ('a"b,c', "1E-8")]


def test_a_late_trade_belongs_to_its_own_day_though_its_batch_opened_on_the_next(systems: Systems) -> None:
    midnight = at(NEXT)
    put(systems.primary, trade(1, midnight - 2, midnight))
    put(systems.primary, trade(3, midnight, midnight), trade(2, midnight - 1, midnight), partition=NEXT)
    assert [row[3] for row in systems.merge_rows(TRADES)] == ["1", "2"]
    assert [row[3] for row in systems.merge_rows(Merge("binance", "trades", NEXT))] == ["3"]


def test_the_last_day_of_a_month_and_of_a_year(systems: Systems) -> None:
    eve, new_year = date(2024, 12, 31), date(2025, 1, 1)
    put(systems.primary, trade(1, at(eve), at(eve)))
    put(systems.primary, trade(2, at(new_year), at(new_year)), trade(3, at(new_year) - 1, 0), partition=new_year)
    for other in (date(2024, 12, 1), date(2024, 1, 31), date(2025, 1, 31)):
        put(systems.primary, trade(4, at(eve), at(eve)), partition=other)
    assert [row[3] for row in systems.merge_rows(Merge("binance", "trades", eve))] == ["1", "3"]


def test_other_exchanges_and_days_stay_out(systems: Systems) -> None:
    put(systems.primary, trade(1, NOON, NOON))
    put(systems.primary, trade(2, NOON, NOON), exchange="binance-futures")
    put(systems.primary, trade(3, at(date(2024, 8, 7)), 0))
    assert [row[3] for row in systems.merge_rows(TRADES)] == ["1"]
