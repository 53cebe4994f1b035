"""A book at an instant: what it says of itself, and what an order would get from it."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape.analytics.book_view import BookView, Depth, InvalidOrderError, PriceLevel, Slippage
from booktape.analytics.decimals import NotANumberError, add, decimal, format_decimal, multiply, subtract
from booktape.model.records import Level
from tests.analytics.made import side, view

BOOK = view(side("99.5 1", "99 2", "98 4"), side("100.5 1", "101 2", "103 4"))
EMPTY = view([], [])

levels = st.lists(
    st.tuples(st.integers(1, 10**6), st.integers(1, 10**9)), unique_by=lambda level: level[0], min_size=1, max_size=12
)


def written(found: list[tuple[int, int]], *, best_is_highest: bool) -> list[Level]:
    return [
        (format_decimal(Decimal(price).scaleb(-2)), format_decimal(Decimal(amount).scaleb(-5)))
        for price, amount in sorted(found, reverse=best_is_highest)
    ]


def test_the_best_prices_the_spread_and_the_mid() -> None:
    assert BOOK.best_bid == PriceLevel(Decimal("99.5"), Decimal(1))
    assert BOOK.best_ask == PriceLevel(Decimal("100.5"), Decimal(1))
    assert (BOOK.spread, BOOK.mid) == (Decimal(1), Decimal(100))


def test_depth_is_in_numbers_best_first_and_never_more_than_the_book_has() -> None:
    assert BOOK.depth(1) == Depth(
        (PriceLevel(Decimal("99.5"), Decimal(1)),), (PriceLevel(Decimal("100.5"), Decimal(1)),)
    )
    assert [level.price for level in BOOK.depth(9).asks] == [Decimal("100.5"), Decimal(101), Decimal(103)]
    assert BOOK.depth(0) == Depth((), ())
    with pytest.raises(InvalidOrderError, match="0 or more"):
        BOOK.depth(-1)


def test_a_buyer_takes_the_asks() -> None:
    """1 at 100.5 and 1 at 101: 201.50 for what is worth 200.00 at the mid."""
    assert BOOK.slippage("buy", 2) == Slippage(
        side="buy",
        amount=Decimal(2),
        filled=Decimal(2),
        price=Decimal("100.75"),
        worst=Decimal(101),
        cost=Decimal("1.5"),
        bps=Decimal(75),
    )


def test_a_seller_takes_the_bids() -> None:
    """1 at 99.5 and 0.5 at 99: 149.00 for what is worth 150.00 at the mid."""
    found = BOOK.slippage("sell", "1.5")
    assert (found.filled, found.worst, found.cost) == (Decimal("1.5"), Decimal(99), Decimal(1))
    assert found.price == Decimal("99.33333333333333333333333333")
    assert found.bps == Decimal("66.66666666666666666666666667")


def test_an_order_that_is_larger_than_the_book_is_told_as_partly_filled() -> None:
    found = BOOK.slippage("buy", "1e3")
    assert (found.amount, found.filled, found.is_whole) == (Decimal(1000), Decimal(7), False)
    assert found.worst == Decimal(103)


def test_an_order_of_nothing_has_no_price() -> None:
    assert BOOK.slippage("buy", 0) == Slippage("buy", Decimal(0), Decimal(0), None, None, None, None)


def test_an_empty_book_gives_plain_answers() -> None:
    assert (EMPTY.best_bid, EMPTY.best_ask, EMPTY.spread, EMPTY.mid) == (None, None, None, None)
    assert EMPTY.depth(5) == Depth((), ())
    assert EMPTY.slippage("sell", 1) == Slippage("sell", Decimal(1), Decimal(0), None, None, None, None)


def test_a_book_with_one_side_has_prices_but_no_mid_to_compare_them_with() -> None:
    one_sided = view([], side("100 1"))
    assert one_sided.slippage("buy", 1) == Slippage(
        "buy", Decimal(1), Decimal(1), Decimal(100), Decimal(100), None, None
    )
    assert one_sided.slippage("sell", 1).filled == 0


def test_a_crossed_book_has_a_negative_spread_and_a_negative_cost() -> None:
    crossed = view(side("101 1"), side("100 1"))
    assert (crossed.spread, crossed.mid) == (Decimal(-1), Decimal("100.5"))
    assert crossed.slippage("buy", 1).cost == Decimal("-0.5")


@pytest.mark.parametrize(("wrong", "amount"), [("bid", 1), ("BUY", 1), ("", 1), ("buy", -1), ("sell", "-0.1")])
def test_a_wrong_side_or_a_negative_amount_is_refused(wrong: str, amount: str) -> None:
    with pytest.raises(InvalidOrderError, match="expected"):
        BOOK.slippage(wrong, amount)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("amount", ["much", "", "NaN", "Infinity", float("nan")])
def test_an_amount_that_is_no_number_is_refused(amount: str) -> None:
    with pytest.raises(NotANumberError, match="is not a number"):
        BOOK.slippage("buy", amount)


def test_a_float_counts_as_it_is_printed() -> None:
    assert BOOK.slippage("buy", 0.1).filled == Decimal("0.1")


@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=6), levels, levels)
def test_a_larger_order_never_gets_a_better_price(
    sizes: list[int], bids: list[tuple[int, int]], asks: list[tuple[int, int]]
) -> None:
    book = view(written(bids, best_is_highest=True), written(asks, best_is_highest=False))
    bought = [book.slippage("buy", Decimal(size).scaleb(-5)) for size in sorted(sizes)]
    sold = [book.slippage("sell", Decimal(size).scaleb(-5)) for size in sorted(sizes)]
    for smaller, larger in pairwise(bought):
        assert smaller.filled <= larger.filled
        if smaller.price is not None and larger.price is not None:
            assert smaller.price <= larger.price
            assert larger.price <= larger.worst  # type: ignore[operator]  # there is one where there is a price
    for smaller, larger in pairwise(sold):
        if smaller.price is not None and larger.price is not None:
            assert smaller.price >= larger.price


@given(levels, st.integers(1, 10**12))
def test_what_is_filled_is_what_was_asked_for_or_all_that_there_is(asks: list[tuple[int, int]], size: int) -> None:
    book: BookView = view([], written(asks, best_is_highest=False))
    there = sum((Decimal(amount) for _, amount in book.asks), Decimal(0))
    wanted = Decimal(size).scaleb(-5)
    assert book.slippage("buy", wanted).filled == min(wanted, there)


@pytest.mark.parametrize("size", ["1e200", "1e-200", "1e999999", "9" * 200])
def test_a_number_of_absurdly_many_digits_is_refused(size: str) -> None:
    """No exact sum could hold it."""
    with pytest.raises(NotANumberError, match="has more than 100 digits"):
        decimal(size)


def test_the_largest_and_the_smallest_number_together_are_exact() -> None:
    large, small = decimal("9" * 100), decimal("1e-100")
    assert subtract(add(multiply(large, large), multiply(small, small)), multiply(large, large)) == Decimal("1e-200")


decimals = st.builds("{}e{}".format, st.integers(-(10**40), 10**40), st.integers(-30, 3)).map(Decimal)


@given(decimals, decimals)
def test_sums_and_products_are_exact_and_their_text_is_plain(one: Decimal, other: Decimal) -> None:
    """The plain context of Python's decimals would round them to 28 digits."""
    for found, exact in (
        (add(one, other), Fraction(one) + Fraction(other)),
        (subtract(one, other), Fraction(one) - Fraction(other)),
        (multiply(one, other), Fraction(one) * Fraction(other)),
    ):
        assert Fraction(found) == exact
        text = format_decimal(found)
        assert "E" not in text
        assert not ("." in text and text.endswith("0"))
        assert decimal(text) == found
