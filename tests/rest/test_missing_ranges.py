"""What nobody has of a day's trades, told by the keys alone."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import DAY, MINUTE, SECOND, Trade
from booktape.rest.missing_ranges import IdRun, find_missing, missing_between
from booktape.store.layout import BatchKey, batch_key
from booktape.store.objects import Store, open_store

NIGHT = date(2024, 8, 9)
MIDNIGHT = int(datetime(2024, 8, 9, tzinfo=UTC).timestamp()) * SECOND


def run(first: int, last: int, minute: int = 0) -> IdRun:
    """An object of so many minutes after midnight."""
    return IdRun(first, last, MIDNIGHT + minute * MINUTE)


def found(*runs: IdRun) -> list[tuple[int, int]]:
    return [(hole.gap.first, hole.gap.last) for hole in missing_between(runs, NIGHT)]


def test_a_whole_day_has_no_hole() -> None:
    assert found(run(1, 10), run(11, 20, 1), run(21, 21, 2)) == []


def test_a_hole_is_what_lies_between_two_runs_and_names_its_neighbours() -> None:
    left, right = run(1, 10), run(15, 20, 3)
    (hole,) = missing_between([right, left], NIGHT)
    assert (hole.gap.first, hole.gap.last, hole.gap.size) == (11, 14, 4)
    assert (hole.left, hole.right) == (left, right)


def test_what_one_system_has_is_no_hole_of_the_other() -> None:
    primary = (run(1, 10), run(15, 20, 1))
    replica = (run(1, 5), run(8, 12), run(13, 20, 1))
    assert found(*primary) == [(11, 14)]
    assert found(*replica) == [(6, 7)]
    assert found(*primary, *replica) == []


def test_batches_may_overlap_or_lie_within_each_other() -> None:
    left = run(1, 100)
    (hole,) = missing_between([left, run(10, 20), run(50, 60), run(90, 99), run(110, 120, 1)], NIGHT)
    assert (hole.gap.first, hole.gap.last, hole.left) == (101, 109, left)


def test_the_days_around_show_what_is_missing_at_the_days_edges() -> None:
    before, after = run(1, 10, -1), run(41, 50, 24 * 60)
    assert found(before, run(15, 30), after) == [(11, 14), (31, 40)]


def test_a_day_of_which_nothing_was_recorded_is_one_hole() -> None:
    assert found(run(1, 10, -1), run(41, 50, 24 * 60)) == [(11, 40)]


def test_before_the_first_record_ever_and_after_the_last_one_nobody_can_know() -> None:
    assert found(run(1_000, 1_010)) == []


def test_the_holes_of_the_days_around_are_theirs() -> None:
    yesterday = (run(1, 10, -60), run(15, 20, -30))
    tomorrow = (run(31, 40, 24 * 60), run(45, 50, 24 * 60 + 9))
    assert found(*yesterday, run(21, 30), *tomorrow) == []


def test_ids_that_begin_anew_from_a_lower_number_are_no_hole() -> None:
    assert found(run(9_000, 9_010, 0), run(9_011, 9_020, 700), run(1, 10, 701), run(13, 20, 702)) == [(11, 12)]


def test_a_record_on_the_other_side_of_a_minute_does_not_look_like_a_new_beginning() -> None:
    assert found(run(1, 10, 5), run(13, 20, 4)) == [(11, 12)]


@given(st.sets(st.integers(1, 60), min_size=1), st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=9))
def test_the_holes_are_just_the_numbers_between_that_no_run_has(alone: set[int], pairs: list[tuple[int, int]]) -> None:
    runs = [run(number, number, number) for number in alone]
    runs += [run(min(pair), max(pair), min(pair)) for pair in pairs]
    covered = {number for found in runs for number in range(found.first, found.last + 1)}
    between = set(range(min(covered), max(covered))) - covered
    holes = missing_between(runs, NIGHT)
    assert {number for hole in holes for number in range(hole.gap.first, hole.gap.last + 1)} == between
    assert sum(hole.gap.size for hole in holes) == len(between)
    assert all(hole.left.last == hole.gap.first - 1 and hole.right.first == hole.gap.last + 1 for hole in holes)


@pytest.fixture
def systems(tmp_path: Path) -> dict[str, Store]:
    return {name: open_store(str(tmp_path / name)) for name in ("primary", "replica", "rest")}


def put(store: Store, market: str, runs: Iterable[tuple[int, int]], day: int = 0) -> None:
    """Objects of which nothing but the keys matters."""
    for first, last in runs:
        key = BatchKey("trades", "binance", market, MIDNIGHT + day * DAY, first, last, "0123456789abcdef")
        store.create(str(key), b"never opened")


def test_every_market_of_any_system_is_looked_at_by_listing_alone(systems: dict[str, Store]) -> None:
    put(systems["primary"], "BTC-USDT", [(1, 10), (15, 20)])
    put(systems["replica"], "BTC-USDT", [(1, 12)])
    put(systems["rest"], "BTC-USDT", [(14, 14)])
    put(systems["replica"], "ETH-USDT", [(1, 10)], day=-1)
    put(systems["replica"], "ETH-USDT", [(13, 20)])
    put(systems["primary"], "LTC-USDT", [(1, 10), (15, 20)], day=-2)
    systems["primary"].create("trades/exchange=binance/pair=BTC-USDT/year=2024/month=08/day=09/_temporary", b"")
    holes = {
        market: [(hole.gap.first, hole.gap.last) for hole in found]
        for market, found in find_missing(systems, "binance", NIGHT)
    }
    assert holes == {"BTC-USDT": [(13, 13)], "ETH-USDT": [(11, 12)], "LTC-USDT": []}


def test_a_holes_neighbours_tell_where_their_objects_lie(systems: dict[str, Store]) -> None:
    put(systems["primary"], "BTC-USDT", [(1, 10)])
    put(systems["rest"], "BTC-USDT", [(15, 20)])
    ((_, (hole,)),) = find_missing(systems, "binance", NIGHT)
    assert (hole.left.system, hole.right.system) == ("primary", "rest")
    assert all(systems[run.system].exists(run.key) for run in (hole.left, hole.right))


def put_trades(store: Store, minute: int, *numbers: int) -> None:
    """An object with trades of one minute, a second apart."""
    begin = MIDNIGHT + minute * MINUTE
    records = [Trade(number, begin + place * SECOND, "buy", "1", "1", begin) for place, number in enumerate(numbers)]
    lines = codec.encode_records(records)
    batch = Batch("trades", "BTC-USDT", begin, numbers[0], numbers[-1], len(numbers), lines)
    store.create(str(batch_key(batch, "binance")), codec.compress(lines))


def test_each_era_has_its_own_holes_whatever_numbers_it_shares(systems: dict[str, Store]) -> None:
    """Between two eras is none; healing would ask for all that the venue ever numbered."""
    put_trades(systems["primary"], 0, 900, 901)
    put_trades(systems["replica"], 1, 904, 905)
    put_trades(systems["primary"], 3, 1, 2, 3)
    put_trades(systems["replica"], 4, 5, 6)
    put_trades(systems["primary"], 5, 7, 8, 9)
    put_trades(systems["primary"], 60, 2, 3)
    put_trades(systems["primary"], 61, 6, 7, 8)
    ((_, holes),) = find_missing(systems, "binance", NIGHT)
    assert [(hole.gap.first, hole.gap.last) for hole in holes] == [(902, 903), (4, 4), (4, 5)]


def test_a_venue_that_begins_anew_between_two_days_leaves_no_hole(systems: dict[str, Store]) -> None:
    put_trades(systems["primary"], -1, 900, 901)
    put_trades(systems["primary"], 1, 1, 2, 3)
    put_trades(systems["primary"], 24 * 60, 900, 901)
    ((_, holes),) = find_missing(systems, "binance", NIGHT)
    assert [(hole.gap.first, hole.gap.last) for hole in holes] == [(4, 899)]


def test_an_exchange_that_was_never_recorded_has_no_markets(systems: dict[str, Store]) -> None:
    assert list(find_missing(systems, "binance", NIGHT - timedelta(days=1))) == []
