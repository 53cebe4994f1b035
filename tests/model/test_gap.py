"""A gap's times, by its unit, and what it says of itself."""

import pytest

from booktape.model.gap import ANY, Gap, GapCause, GapUnit, time_gap
from booktape.model.records import BOOK_UPDATES, TRADES


def test_a_numbered_gap_lies_between_the_records_around_it() -> None:
    gap = Gap(GapUnit.ID, 8, 9, GapCause.LOST, TRADES, "BTC-USDT", after=500, before=700)
    assert (gap.numbered, gap.bounds, gap.size) == (True, (8, 9), 2)
    assert (gap.start, gap.end) == (500, 700)


def test_a_time_gaps_numbers_are_its_times() -> None:
    gap = time_gap(TRADES, "BTC-USDT", 500, 700, GapCause.INTERRUPTED)
    assert (gap.numbered, gap.bounds) == (False, (500, 700))
    assert (gap.start, gap.end) == (500, 700)


def test_a_time_gap_with_an_unknown_end_reaches_to_the_record_after_it() -> None:
    gap = Gap(GapUnit.TIME, 500, 0, GapCause.RESET, BOOK_UPDATES, "BTC-USDT", after=500, before=730)
    assert gap.bounds == (gap.start, gap.end) == (500, 730)


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (Gap(GapUnit.ID, 8, 9, data_type=TRADES), "the trades 8 to 9 are missing"),
        (Gap(GapUnit.ID, 8, 8, data_type=TRADES), "the trade 8 is missing"),
        (Gap(GapUnit.ID, 8, 9, GapCause.RESUMED, BOOK_UPDATES), "the update ids 8 to 9 are missing"),
        (Gap(GapUnit.LINK, 8, 9, data_type=BOOK_UPDATES), "one or more updates with ids from 8 to 9 are missing"),
        (Gap(GapUnit.COUNTER, 8, 9, data_type=ANY), "the frames 8 to 9 are missing"),
        (Gap(GapUnit.TIME, 8, 9, GapCause.NO_SNAPSHOT, BOOK_UPDATES), "there is no snapshot of the book"),
    ],
)
def test_a_gap_says_what_is_missing(gap: Gap, text: str) -> None:
    assert gap.description == text


@pytest.mark.parametrize("cause", GapCause)
def test_every_cause_has_a_description(cause: GapCause) -> None:
    assert Gap(GapUnit.TIME, cause=cause).description


def test_in_json_only_numbers_that_are_missing_stand_as_first_and_last() -> None:
    lost = Gap(GapUnit.ID, 8, 9, GapCause.LOST, TRADES, "BTC-USDT", after=500, before=700)
    times = {"data_type": TRADES, "start": 500, "end": 700}
    assert lost.to_json() == {**times, "why": lost.description, "first": 8, "last": 9}
    down = time_gap(TRADES, "BTC-USDT", 500, 700, GapCause.DOWN)
    assert down.to_json() == {**times, "why": down.description, "first": None, "last": None}
