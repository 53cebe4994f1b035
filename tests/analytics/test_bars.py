"""Bars of trades: their values, where they end, and what they say of what is missing."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape.analytics.bars import BAR_COLUMNS, Bar, InvalidBarsError, tick_bars, time_bars, volume_bars
from booktape.analytics.time_grid import InvalidIntervalError, NotInOrderError
from booktape.model.gap import Gap
from booktape.model.records import SECOND, Trade
from tests.analytics.made import at, lost_messages, lost_trades, trade

TRADES = [
    trade(0, "100.0", "1"),
    trade(10, "102.0", "0.5", "sell"),
    trade(59.999999, "99", "0.5", "unknown"),
    trade(60, "101", "2"),
    trade(190, "100.5", "1.25", "sell"),
]

FIRST = Bar(
    start=at(0),
    end=at(60),
    open="100.0",
    high="102.0",
    low="99",
    close="99",
    volume="2",
    quote_volume="200.5",
    buy_volume="1",
    vwap="100.25",
    trades=3,
    first_time=at(0),
    last_time=at(59.999999),
    sound=True,
    complete=True,
)


def test_a_bar_of_a_minute_holds_its_trades_and_not_the_next_minutes_first() -> None:
    bars = list(time_bars(TRADES, 60, start=at(0), end=at(240)))
    assert bars[0] == FIRST
    assert [(bar.start, bar.open, bar.trades) for bar in bars] == [
        (at(0), "100.0", 3),
        (at(60), "101", 1),
        (at(180), "100.5", 1),
    ]
    assert BAR_COLUMNS[:6] == ("start", "end", "open", "high", "low", "close")


def test_prices_are_compared_as_numbers_and_told_as_the_venue_wrote_them() -> None:
    (bar,) = tick_bars([trade(0, "9.50", "1"), trade(1, "10.0", "1"), trade(2, "100", "1")], 3)
    assert (bar.open, bar.high, bar.low, bar.close) == ("9.50", "100", "9.50", "100")


def test_sums_are_exact_where_floats_are_not() -> None:
    (bar,) = tick_bars([trade(0, "0.1", "0.1"), trade(1, "0.1", "0.2"), trade(2, "1e-8", "0.3")], 3)
    assert (bar.volume, bar.quote_volume) == ("0.6", "0.030000003")


def test_empty_minutes_are_filled_with_the_close_before_them() -> None:
    bars = list(time_bars(TRADES, 60, start=at(-60), end=at(300), empty="fill"))
    assert [(bar.start, bar.open, bar.high, bar.low, bar.close, bar.trades) for bar in bars] == [
        (at(-60), None, None, None, None, 0),
        (at(0), "100.0", "102.0", "99", "99", 3),
        (at(60), "101", "101", "101", "101", 1),
        (at(120), "101", "101", "101", "101", 0),
        (at(180), "100.5", "100.5", "100.5", "100.5", 1),
        (at(240), "100.5", "100.5", "100.5", "100.5", 0),
    ]
    assert bars[3] == Bar(
        start=at(120),
        end=at(180),
        open="101",
        high="101",
        low="101",
        close="101",
        volume="0",
        quote_volume="0",
        buy_volume="0",
        vwap=None,
        trades=0,
        first_time=None,
        last_time=None,
        sound=True,
        complete=True,
    )


def test_intervals_are_multiples_since_the_epoch_whatever_the_first_trade() -> None:
    bars = list(time_bars([trade(7.5, "1", "1")], timedelta(seconds=5), start=at(0), end=at(60)))
    assert [(bar.start, bar.end) for bar in bars] == [(at(5), at(10))]
    assert next(time_bars([trade(0.123, "1", "1")], 0.1)).start == at(0.1)


def test_a_bar_that_the_stretch_cuts_is_not_complete() -> None:
    bars = list(time_bars(TRADES, 60, start=at(0.000001 - 1), end=at(200)))
    assert [(bar.start, bar.complete) for bar in bars] == [(at(0), True), (at(60), True), (at(180), False)]
    bars = list(time_bars(TRADES[1:], 60, start=at(5), end=at(240)))
    assert [bar.complete for bar in bars] == [False, True, True]


def test_without_a_stretch_nobody_knows_whether_the_first_and_the_last_bar_are_whole() -> None:
    assert [bar.complete for bar in time_bars(TRADES, 60)] == [False, True, False]


def test_a_trade_that_is_missing_makes_its_bar_unsound_and_no_other() -> None:
    trades: list[Trade | Gap] = [*TRADES[:2], lost_trades(10, 59.999999, 7, 9), *TRADES[2:]]
    assert [(bar.start, bar.sound) for bar in time_bars(trades, 60)] == [
        (at(0), False),
        (at(60), True),
        (at(180), True),
    ]


def test_a_trade_missing_by_its_number_may_be_of_the_bar_that_begins_then() -> None:
    trades: list[Trade | Gap] = [*TRADES[:3], lost_trades(59.999999, 60, 7, 7), *TRADES[3:]]
    assert [bar.sound for bar in time_bars(trades, 60)] == [False, False, True]


def test_an_outage_that_ends_where_a_bar_begins_does_not_touch_it() -> None:
    trades: list[Trade | Gap] = [*TRADES[:3], lost_trades(30, 60), *TRADES[3:]]
    assert [bar.sound for bar in time_bars(trades, 60)] == [False, True, True]


def test_an_interval_that_is_missing_has_its_bar_even_where_empty_ones_are_left_out() -> None:
    trades: list[Trade | Gap] = [*TRADES[:4], lost_trades(150, 160), TRADES[4], lost_trades(250, 301)]
    bars = list(time_bars(trades, 60, start=at(0), end=at(420)))
    assert [(bar.start, bar.trades, bar.open, bar.sound) for bar in bars] == [
        (at(0), 3, "100.0", True),
        (at(60), 1, "101", True),
        (at(120), 0, None, False),
        (at(180), 1, "100.5", True),
        (at(240), 0, None, False),
        (at(300), 0, None, False),
    ]


def test_an_outage_before_the_first_trade_has_its_bars() -> None:
    bars = list(time_bars([lost_trades(0, 90), *TRADES[3:]], 60, start=at(0), end=at(240)))
    assert [(bar.start, bar.trades, bar.sound) for bar in bars] == [
        (at(0), 0, False),
        (at(60), 1, False),
        (at(180), 1, True),
    ]


def test_what_is_missing_of_the_book_says_nothing_of_trades() -> None:
    assert [bar.sound for bar in time_bars([lost_messages(0, 500), *TRADES], 60)] == [True, True, True]


def test_no_trades_are_no_bars() -> None:
    assert list(time_bars([], 60)) == []
    assert list(time_bars([], 60, start=at(0), end=at(60))) == []
    assert [bar.trades for bar in time_bars([], 60, start=at(0), end=at(60), empty="fill")] == [0]


def test_bars_come_as_soon_as_they_are_known() -> None:
    """Nothing is read further ahead than the first trade of the next bar."""
    given = iter(TRADES)
    assert next(time_bars(given, 60)).trades == 3
    assert list(given) == TRADES[4:]


def test_trades_that_go_back_or_lie_outside_are_refused() -> None:
    with pytest.raises(NotInOrderError, match="sort them by time"):
        list(time_bars([TRADES[3], TRADES[0]], 60))
    for outside in (TRADES[0], TRADES[4]):
        with pytest.raises(NotInOrderError, match="outside the stretch"):
            list(time_bars([outside], 60, start=at(1), end=at(190)))


@pytest.mark.parametrize("every", [0, -1, 1e-7, timedelta(0), "0.0000001"])
def test_an_interval_must_be_a_positive_number_of_microseconds(every: float) -> None:
    with pytest.raises(InvalidIntervalError, match="expected a positive number"):
        next(time_bars(TRADES, every))


def test_bars_of_a_number_of_trades() -> None:
    bars = list(tick_bars(TRADES, 2))
    assert [(bar.start, bar.end, bar.trades, bar.volume, bar.complete) for bar in bars] == [
        (at(0), at(10) + 1, 2, "1.5", True),
        (at(59.999999), at(60) + 1, 2, "2.5", True),
        (at(190), at(190) + 1, 1, "1.25", False),
    ]


def test_a_volume_bar_ends_with_the_trade_that_reaches_the_volume_and_divides_none() -> None:
    bars = list(volume_bars(TRADES, "1.5"))
    assert [(bar.trades, bar.volume, bar.complete) for bar in bars] == [
        (2, "1.5", True),
        (2, "2.5", True),
        (1, "1.25", False),
    ]


def test_what_was_lost_between_two_bars_would_have_been_part_of_the_second() -> None:
    for missing in (lost_trades(10, 59.999999, 7, 9), lost_trades(20, 30)):
        trades: list[Trade | Gap] = [*TRADES[:2], missing, *TRADES[2:]]
        assert [bar.sound for bar in tick_bars(trades, 2)][1:] == [False, True]
        assert [bar.sound for bar in volume_bars(trades, "1.5")][1:] == [False, True]
    assert [bar.sound for bar in tick_bars([*TRADES[:2], lost_trades(20, 30), *TRADES[2:]], 2)] == [True, False, True]


@pytest.mark.parametrize("every", [0, -1])
def test_bars_of_nothing_are_refused(every: int) -> None:
    with pytest.raises(InvalidBarsError, match="bars cannot have"):
        tick_bars(TRADES, every)
    with pytest.raises(InvalidBarsError, match="bars cannot have"):
        volume_bars(TRADES, every)


made = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from(["buy", "sell"])),
    max_size=30,
).map(
    lambda found: [
        trade(seconds, f"{price / 100:.2f}", f"{amount / 1000:.3f}", side)
        for seconds, price, amount, side in sorted(found)
    ]
)


def total(values: list[str]) -> Decimal:
    return sum(map(Decimal, values), Decimal(0))


@given(made, st.integers(1, 120), st.integers(1, 7), st.integers(1, 2000))
def test_the_bars_volumes_add_up_to_the_trades(trades: list[Trade], every: int, ticks: int, volume: int) -> None:
    for bars in (list(time_bars(trades, every)), list(tick_bars(trades, ticks)), list(volume_bars(trades, volume))):
        assert total([bar.volume for bar in bars]) == total([one.amount for one in trades])
        assert sum(bar.trades for bar in bars) == len(trades)
        bought = [one.amount for one in trades if one.side == "buy"]
        assert total([bar.buy_volume for bar in bars]) == total(bought)
        assert all(one.last_time <= two.first_time for one, two in pairwise(bars))  # type: ignore[operator]  # none is empty


@given(made, st.integers(1, 60), st.integers(0, 300))
def test_time_bars_of_two_stretches_are_those_of_both_together(trades: list[Trade], every: int, cut: int) -> None:
    """Cut where a bar begins: half-open stretches fit together."""
    middle = at(cut) // (every * SECOND) * every * SECOND
    start, end = min(at(0), middle), at(301)
    before = [one for one in trades if one.timestamp < middle]
    after = [one for one in trades if one.timestamp >= middle]
    whole = list(time_bars(trades, every, start=start, end=end))
    assert [
        *time_bars(before, every, start=start, end=middle),
        *time_bars(after, every, start=middle, end=end),
    ] == whole
