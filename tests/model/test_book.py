"""The order book: exact prices, absolute amounts, whole messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape.model.book import Book, InvalidNumberError, exact, is_zero
from booktape.model.records import Level


def test_a_book_from_a_snapshot_and_an_update() -> None:
    book = Book(bids=[("9.9", "1"), ("10.0", "2")], asks=[("10.1", "3"), ("10.2", "4")])
    book.apply(bids=[("10.0", "0.000"), ("9.8", "7")], asks=[("10.1", "5")])
    assert book.bids.top() == [("9.9", "1"), ("9.8", "7")]
    assert book.asks.top() == [("10.1", "5"), ("10.2", "4")]


def test_prices_are_compared_as_numbers_and_kept_as_text() -> None:
    book = Book(asks=[("10", "1"), ("9.5", "1"), ("100", "1")])
    assert [price for price, _ in book.asks.top()] == ["9.5", "10", "100"]


def test_the_same_price_written_differently_is_the_same_level() -> None:
    book = Book(bids=[("1.10", "1")])
    book.apply(bids=[("1.1", "2")], asks=[])
    assert book.bids.top() == [("1.1", "2")]


def test_removing_an_unknown_level_does_nothing() -> None:
    book = Book(bids=[("1", "1")])
    book.apply(bids=[("2", "0")], asks=[("3", "0.00")])
    assert (book.bids.top(), book.asks.top()) == ([("1", "1")], [])


def test_the_last_of_several_changes_of_one_level_in_a_message_holds() -> None:
    book = Book()
    book.apply(bids=[("1", "5"), ("1", "0"), ("1", "6")], asks=[])
    assert book.bids.top() == [("1", "6")]


@pytest.mark.parametrize(("bid", "ask", "crossed"), [("1.0", "1.1", False), ("1.1", "1.1", True), ("1.2", "1.1", True)])
def test_a_book_is_crossed_when_the_best_bid_reaches_the_best_ask(bid: str, ask: str, crossed: bool) -> None:
    assert Book(bids=[(bid, "1")], asks=[(ask, "1")]).is_crossed() is crossed


def test_a_book_with_an_empty_side_is_not_crossed() -> None:
    assert not Book(bids=[("1", "1")]).is_crossed()


@pytest.mark.parametrize("text", ["", "1e5", "0." + "1" * 21, "NaN", "1.2.3", "abc"])
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidNumberError):
        exact(text)


@pytest.mark.parametrize(("text", "zero"), [("0", True), ("0.0000", True), ("0.0001", False), ("10", False)])
def test_zero_in_the_exchanges_text(text: str, zero: bool) -> None:
    assert is_zero(text) is zero


prices = st.integers(1, 40).map(lambda ticks: f"{ticks / 4:.2f}")
changes = st.lists(st.tuples(prices, st.sampled_from(["0", "1.0", "2.5"])), max_size=60)


@given(changes, st.sets(st.integers(0, 60)), st.integers(1, 50))
def test_asking_for_the_top_at_any_time_changes_nothing(levels: list[Level], asked: set[int], depth: int) -> None:
    """The prices are sorted lazily and kept sorted from then on; both ways must agree with sorting from scratch."""
    book = Book()
    expected: dict[str, str] = {}
    for number, (price, amount) in enumerate(levels):
        book.apply(bids=[(price, amount)], asks=[])
        expected[price] = amount
        if number in asked:
            book.bids.top(3)
    best_first = sorted((p for p, a in expected.items() if a != "0"), key=float, reverse=True)
    assert book.bids.top() == [(price, expected[price]) for price in best_first]
    book.truncate(depth)
    assert len(book.bids) == min(depth, len(best_first))
    assert [price for price, _ in book.bids.top()] == best_first[:depth]
