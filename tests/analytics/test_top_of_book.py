"""The best levels over time: the book at each instant, whenever it changed, and not where something is missing."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape.analytics.book_sampler import BookMessage
from booktape.analytics.time_grid import InvalidIntervalError, NotInOrderError
from booktape.analytics.top_of_book import (
    QUOTE_COLUMNS,
    InvalidDepthError,
    QuoteRow,
    TopRow,
    book_snapshots,
    quotes,
    top_columns,
    top_values,
)
from booktape.model.book import Book
from booktape.model.gap import Gap
from booktape.model.records import BookSnapshot, Level
from booktape.model.sequence import NONE, RANGED
from tests.analytics.made import LATENCY, at, lost_messages, lost_trades, side, snapshot, update, view

SIDES = side("99 1", "98 2", "97 3"), side("101 1", "102 2", "103 3")
SNAPSHOT = snapshot(0.2, 10, *SIDES)
MESSAGES: list[BookMessage] = [
    SNAPSHOT,
    update(0.5, 11, bids=side("99 5")),
    update(1.0, 12, asks=side("101 0")),
    update(1.4, 13, bids=side("90 1")),
    update(3.5, 14, bids=side("99 0", "98 0", "97 0", "90 0")),
]


def tops(
    messages: Sequence[BookMessage | Gap],
    depth: int = 2,
    every: float | None = 1,
    start: int | None = None,
    end: int | None = None,
) -> list[TopRow | Gap]:
    return list(book_snapshots(messages, RANGED, depth, every, start=start, end=end))


def times(found: Sequence[TopRow | Gap]) -> list[int]:
    return [one.timestamp for one in found if isinstance(one, TopRow)]


def losses(found: Sequence[TopRow | Gap]) -> list[tuple[int | None, int | None]]:
    return [(one.first, one.last) for one in found if isinstance(one, Gap)]


def test_a_row_holds_all_messages_up_to_its_instant() -> None:
    assert tops(MESSAGES) == [
        TopRow(at(1), at(1.0) + LATENCY, (("99", "5"), ("98", "2")), (("102", "2"), ("103", "3"))),
        TopRow(at(2), at(1.4) + LATENCY, (("99", "5"), ("98", "2")), (("102", "2"), ("103", "3"))),
        TopRow(at(3), at(1.4) + LATENCY, (("99", "5"), ("98", "2")), (("102", "2"), ("103", "3"))),
    ]


def test_rows_go_on_to_the_end_of_the_stretch_and_not_beyond() -> None:
    rows = tops(MESSAGES, start=at(0), end=at(6))
    assert times(rows) == [at(1), at(2), at(3), at(4), at(5)]
    assert rows[-1] == TopRow(at(5), at(3.5) + LATENCY, (), (("102", "2"), ("103", "3")))
    assert times(tops(MESSAGES, start=at(0), end=at(2))) == [at(1)]


def test_nothing_is_told_before_the_first_snapshot() -> None:
    assert tops([update(0.1, 10), *MESSAGES[1:]]) == []
    assert times(tops([update(0.1, 10), *MESSAGES])) == [at(1), at(2), at(3)]


def test_without_an_interval_there_is_a_row_whenever_these_levels_changed() -> None:
    """The update at 1.4 s changes a level further down."""
    assert times(tops(MESSAGES, every=None)) == [at(0.2), at(0.5), at(1.0), at(3.5)]
    assert times(tops(MESSAGES, 4, None)) == [at(0.2), at(0.5), at(1.0), at(1.4), at(3.5)]


def test_quotes_are_the_best_levels_in_tardis_order() -> None:
    assert QUOTE_COLUMNS == (
        "exchange", "symbol", "timestamp", "local_timestamp", "ask_amount", "ask_price", "bid_price", "bid_amount",
    )  # fmt: skip
    assert list(quotes(MESSAGES, RANGED)) == [
        QuoteRow(at(0.2), at(0.2) + LATENCY, "1", "101", "99", "1"),
        QuoteRow(at(0.5), at(0.5) + LATENCY, "1", "101", "99", "5"),
        QuoteRow(at(1.0), at(1.0) + LATENCY, "2", "102", "99", "5"),
        QuoteRow(at(3.5), at(3.5) + LATENCY, "2", "102", None, None),
    ]


def test_after_a_gap_nothing_is_told_until_the_next_snapshot() -> None:
    """Number 13 is missing, and may have come at 1.0 s already: so nothing is known of 1 s to 3 s either."""
    later = snapshot(5.5, 15, side("50 1"), side("60 1"))
    found = tops([*MESSAGES[:3], MESSAGES[4], update(4.5, 15), later, update(6.5, 16)], end=at(8))
    assert times(found) == [at(6), at(7)]
    assert losses(found) == [(13, 13)]
    assert isinstance(found[0], Gap)


def test_what_others_say_is_missing_is_passed_on_and_ends_what_can_be_told() -> None:
    gone = lost_messages(1.5, 4.0)
    later = snapshot(4.5, 20, side("50 1"), side("60 1"))
    found = tops([*MESSAGES[:4], gone, later], 1, start=at(0), end=at(7))
    assert found == [
        TopRow(at(1), at(1.0) + LATENCY, (("99", "5"),), (("102", "2"),)),
        gone,
        TopRow(at(5), at(4.5) + LATENCY, (("50", "1"),), (("60", "1"),)),
        TopRow(at(6), at(4.5) + LATENCY, (("50", "1"),), (("60", "1"),)),
    ]
    assert tops([*MESSAGES[:4], gone, later], 1, None)[-2:] == [
        gone,
        TopRow(at(4.5), at(4.5) + LATENCY, (("50", "1"),), (("60", "1"),)),
    ]


def test_a_loss_before_a_snapshot_shows_by_the_update_after_it_and_what_lies_between_is_not_told() -> None:
    """14 to 19 are missing. The snapshot made up for them, but the book of 2 s to 4 s is not known."""
    resumed = [*MESSAGES[:4], snapshot(4.5, 19, side("50 1"), side("60 1")), update(6.5, 20)]
    found = tops(resumed, 1, end=at(8))
    assert times(found) == [at(1), at(5), at(6), at(7)]
    assert losses(found) == [(14, 19)]


def test_a_snapshot_in_between_loses_nothing() -> None:
    whole = [*MESSAGES[:3], snapshot(1.2, 12, side("99 5"), side("102 2")), *MESSAGES[3:]]
    assert times(tops(whole, 1)) == [at(1), at(2), at(3)]


def test_books_that_come_as_snapshots_alone_are_told_as_they_come() -> None:
    """Venues without updates: nothing is held back, however many snapshots follow each other."""

    def five() -> Iterator[BookSnapshot]:
        for second in range(1, 6):
            yield snapshot(second, second, side(f"{second} 1"), side("99 1"))
        pytest.fail("read further ahead than needed")

    assert times(list(islice(book_snapshots(five(), NONE, 1, 1), 3))) == [at(1), at(2), at(3)]


def test_what_a_last_snapshot_holds_back_is_told_at_the_end() -> None:
    messages = [*MESSAGES[:3], snapshot(3.5, 12, side("50 1"), side("60 1"))]
    assert times(tops(messages)) == [at(1), at(2), at(3)]


def test_an_instant_at_which_the_last_message_came_is_told() -> None:
    assert times(tops([*MESSAGES[:4], update(3, 14)])) == [at(1), at(2), at(3)]


def test_levels_that_are_the_same_after_a_gap_are_told_again() -> None:
    found = tops([SNAPSHOT, lost_messages(1, 2), snapshot(2, 10, *SIDES)], every=None)
    assert times(found) == [at(0.2), at(2)]


def test_what_is_missing_of_trades_says_nothing_of_the_book() -> None:
    assert tops([SNAPSHOT, lost_trades(0.3, 9), *MESSAGES[1:]]) == tops(MESSAGES)


def test_tardis_columns() -> None:
    assert top_columns(2) == (
        "exchange", "symbol", "timestamp", "local_timestamp",
        "asks[0].price", "asks[0].amount", "bids[0].price", "bids[0].amount",
        "asks[1].price", "asks[1].amount", "bids[1].price", "bids[1].amount",
    )  # fmt: skip
    row = TopRow(1, 2, (("99", "5"),), (("101", "1"), ("102", "2")))
    assert top_values("binance", "BTC-USDT", row, 2) == (
        "binance", "BTC-USDT", 1, 2, "101", "1", "99", "5", "102", "2", None, None,
    )  # fmt: skip


def test_messages_that_go_back_in_time_are_refused() -> None:
    with pytest.raises(NotInOrderError, match="sort them by time"):
        tops([MESSAGES[2], MESSAGES[1]])


def test_a_depth_or_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidDepthError, match="1 or more"):
        tops(MESSAGES, 0)
    with pytest.raises(InvalidIntervalError):
        tops(MESSAGES, 1, 0)


changes = st.lists(
    st.tuples(
        st.integers(1, 900),
        st.sampled_from(["bids", "asks"]),
        st.lists(st.tuples(st.integers(1, 8), st.integers(0, 3)), min_size=1, max_size=4),
    ),
    max_size=25,
)


def price_levels(kind: str, levels: list[tuple[int, int]]) -> list[Level]:
    return [(str(100 - price if kind == "bids" else 100 + price), str(amount)) for price, amount in levels]


@given(changes, st.integers(1, 6), st.sampled_from([0.1, 0.25, 1]))
def test_rows_are_the_depth_of_the_book_at_that_time(
    found: list[tuple[int, str, list[tuple[int, int]]]], depth: int, every: float
) -> None:
    """Held against a book that is built anew for each row."""
    begin = snapshot(0, 100, side("99 1"), side("101 1"))
    updates = [
        update(hundredths / 100, 101 + number, **{kind: price_levels(kind, levels)})
        for number, (hundredths, kind, levels) in enumerate(sorted(found))
    ]
    rows = list(book_snapshots([begin, *updates], RANGED, depth, every, start=at(0), end=at(10)))
    assert times(rows) == [at(number * every) for number in range(int(10 / every))]
    for row in rows:
        assert isinstance(row, TopRow)
        book = Book(side("99 1"), side("101 1"))
        for hundredths, kind, levels in sorted(found):
            if at(hundredths / 100) <= row.timestamp:
                book.apply(**{"bids": [], "asks": [], kind: price_levels(kind, levels)})
        whole = view(book.bids.top(), book.asks.top())
        assert [(Decimal(price), Decimal(amount)) for price, amount in row.bids] == list(whole.depth(depth).bids)
        assert [(Decimal(price), Decimal(amount)) for price, amount in row.asks] == list(whole.depth(depth).asks)
