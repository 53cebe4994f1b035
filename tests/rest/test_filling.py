"""A hole is asked for until all is found that the venue has, however the venue answers."""

from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape.model.gap import Gap, GapUnit
from booktape.model.records import Trade
from booktape.rest.backfill import match_trades, remaining_ranges


def missing(first: int, last: int, after: int, before: int) -> Gap:
    return Gap(GapUnit.ID, first, last, after=after, before=before)


HOLE = missing(10, 20, after=1_000, before=2_000)


@pytest.mark.parametrize(
    ("times", "left"),
    [
        ({}, [HOLE]),
        (dict.fromkeys(range(10, 21), 1_500), []),
        ({10: 1_100, 11: 1_100, 12: 1_200}, [missing(13, 20, 1_200, 2_000)]),
        ({19: 1_800, 20: 1_900, 21: 2_000}, [missing(10, 18, 1_000, 1_800)]),
        ({14: 1_400, 16: 1_600}, [
            missing(10, 13, 1_000, 1_400),
            missing(15, 15, 1_400, 1_600),
            missing(17, 20, 1_600, 2_000),
        ]),
        ({5: 900, 9: 1_050}, [missing(10, 20, 1_050, 2_000)]),
        ({25: 1_950, 30: 2_500}, [missing(10, 20, 1_000, 1_950)]),
        ({9: 900, 21: 2_100}, [HOLE]),
    ],
)  # fmt: skip
def test_an_answer_leaves_smaller_holes_with_nearer_times(times: dict[int, int], left: list[Gap]) -> None:
    assert remaining_ranges(HOLE, times) == left


def trade(number: int) -> Trade:
    """A venue's ``number``-th trade; three come at a time."""
    return Trade(number, number // 3 * 10, "buy", "1", "1", 0)


def by_number(has: Iterable[int], page: int) -> Callable[[Gap], Sequence[Trade]]:
    """A venue that gives the trades from a number on."""
    return lambda hole: [trade(number) for number in sorted(has) if number >= hole.first][:page]


def backwards(has: Iterable[int], page: int) -> Callable[[Gap], Sequence[Trade]]:
    """A venue that gives the trades up to a number, newest first."""
    return lambda hole: [trade(number) for number in sorted(has, reverse=True) if number <= hole.last][:page]


def since(has: Iterable[int], page: int) -> Callable[[Gap], Sequence[Trade]]:
    """A venue that gives the trades from a time on."""
    return lambda hole: [t for t in map(trade, sorted(has)) if t.timestamp >= hole.after][:page]


def newest_of_window(has: Iterable[int], page: int) -> Callable[[Gap], Sequence[Trade]]:
    """A venue that gives the newest trades of a window."""
    trades = [trade(number) for number in sorted(has)]
    return lambda hole: [t for t in trades if hole.after <= t.timestamp <= hole.before][-page:]


def filled(hole: Gap, ask: Callable[[Gap], Sequence[Trade]]) -> list[Trade]:
    """All that is found of a hole, by number; no trade is found twice."""
    trades: list[Trade] = []
    left = [hole]
    while left:
        asked = left.pop()
        found, more = match_trades(asked, ask(asked))
        trades += found
        left += more
    return sorted(trades, key=lambda trade: int(trade.id))


@pytest.mark.parametrize("venue", [by_number, backwards, since, newest_of_window])
@given(
    lost=st.sets(st.integers(1, 200), max_size=30), page=st.integers(4, 40), edges=st.tuples(*[st.integers(5, 195)] * 2)
)
def test_all_that_a_venue_has_of_a_hole_is_found_however_it_is_asked(
    venue: Callable[[set[int], int], Callable[[Gap], Sequence[Trade]]],
    lost: set[int],
    page: int,
    edges: tuple[int, int],
) -> None:
    first, last = sorted(edges)
    has = set(range(1, 201)) - lost
    hole = missing(first, last, trade(first - 1).timestamp, trade(last + 1).timestamp)
    asked: list[Gap] = []
    answer = venue(has, page)

    def ask(hole: Gap) -> Sequence[Trade]:
        asked.append(hole)
        return answer(hole)

    assert [found.id for found in filled(hole, ask)] == sorted(has & set(range(first, last + 1)))
    assert len(asked) <= 2 * (last - first + 2)


def test_a_number_that_the_venue_has_given_anew_is_not_what_was_asked_for() -> None:
    """Ids that began again a day later: the trade that bears the number now is another one."""
    hole = missing(10, 11, after=1_000, before=2_000)
    anew = [Trade(number, 86_400_000_000, "buy", "1", "1", 0) for number in (9, 10, 11, 12)]
    assert match_trades(hole, anew) == ([], [])
    assert match_trades(hole, [*anew, Trade(10, 1_500, "buy", "1", "1", 0)]) == (
        [Trade(10, 1_500, "buy", "1", "1", 0)],
        [missing(11, 11, 1_500, 2_000)],
    )
