"""Rows of what orders of given sizes would have got."""

from booktape.analytics.liquidity import LIQUIDITY_COLUMNS, LiquidityRow, liquidity
from tests.analytics.made import at, side, view

BOOK = view(side("99.5 1", "99 2"), side("100.5 1", "101.5 2.50"), seconds=1)


def test_one_row_for_each_view_side_and_size() -> None:
    assert list(liquidity([BOOK], ["2", 10])) == [
        LiquidityRow(
            at(1), "buy", "2", True, "99.5", "100.5", "1", "100", "3.5", "2", "101", "101.5", "2", "100",
        ),
        LiquidityRow(
            at(1), "buy", "10", True, "99.5", "100.5", "1", "100", "3.5", "3.5", "101.2142857142857142857142857",
            "101.5", "4.25", "121.4285714285714285714285714",
        ),
        LiquidityRow(
            at(1), "sell", "2", True, "99.5", "100.5", "1", "100", "3", "2", "99.25", "99", "1.5", "75",
        ),
        LiquidityRow(
            at(1), "sell", "10", True, "99.5", "100.5", "1", "100", "3", "3", "99.16666666666666666666666667", "99",
            "2.5", "83.33333333333333333333333333",
        ),
    ]  # fmt: skip
    assert LIQUIDITY_COLUMNS[:4] == ("time", "side", "size", "sound")


def test_depth_adds_up_as_many_levels_as_asked_for() -> None:
    assert [row.depth for row in liquidity([BOOK], [1], levels=1)] == ["1", "1"]
    assert [row.depth for row in liquidity([BOOK], [1], levels=5)] == ["3.5", "3"]


def test_nothing_is_told_of_a_book_that_is_not_sound() -> None:
    unsound = view(side("99 1"), side("101 1"), seconds=2, sound=False)
    assert list(liquidity([unsound], ["0.50"], sides=["sell"])) == [
        LiquidityRow(at(2), "sell", "0.5", False, *[None] * 10)
    ]


def test_an_empty_side_gives_no_prices() -> None:
    (row,) = liquidity([view([], side("101 1"))], [1], sides=["sell"])
    assert (row.best_bid, row.best_ask, row.mid, row.depth, row.filled, row.price) == (
        None,
        "101",
        None,
        "0",
        "0",
        None,
    )
