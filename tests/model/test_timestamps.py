"""Instants as people write them."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from booktape.model.timestamps import (
    InvalidTimestampError,
    TimestampLike,
    format_timestamp,
    parse_range,
    parse_timestamp,
)

MICROSECOND = 1_572_013_800_123_456


@pytest.mark.parametrize(
    "value",
    [
        "2019-10-25T14:30:00.123456Z",
        "2019-10-25T14:30:00.123456",
        "2019-10-25 16:30:00.123456+02:00",
        "1572013800123456",
        MICROSECOND,
        datetime(2019, 10, 25, 14, 30, 0, 123456, UTC),
        datetime(2019, 10, 25, 16, 30, 0, 123456, timezone(timedelta(hours=2))),
    ],
)
def test_one_instant_written_in_many_ways(value: TimestampLike) -> None:
    assert parse_timestamp(value) == MICROSECOND


@pytest.mark.parametrize("value", ["2019-10-25", "20191025", date(2019, 10, 25)])
def test_a_date_is_its_midnight_utc(value: TimestampLike) -> None:
    assert parse_timestamp(value) == 1_571_961_600_000_000


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("yesterday", "'yesterday' is not a time"),
        ("", "'' is not a time"),
        ("2019-02-30", "'2019-02-30' is not a time"),
        (datetime(2019, 10, 25), "has no time zone; add tzinfo=datetime.UTC"),  # that is the fault
        (True, "True is not a time"),
        (1.5, "1.5 is not a time"),
        (-1, "-1 is not a time in µs since 1970"),
        (10**18, "is not a time in µs since 1970"),
    ],
)
def test_what_is_no_instant_is_refused_with_what_to_write(value: TimestampLike, why: str) -> None:
    with pytest.raises(InvalidTimestampError) as raised:
        parse_timestamp(value)
    assert why in str(raised.value)


@pytest.mark.parametrize("end", ["2019-10-24", "2019-10-25"])
def test_a_range_must_end_after_its_start(end: str) -> None:
    with pytest.raises(
        InvalidTimestampError, match=f"ends at {end}T00:00:00Z, which is not after its start 2019-10-25T00:00:00Z"
    ):
        parse_range("2019-10-25", end)


def test_text_has_the_digits_that_it_needs() -> None:
    assert (format_timestamp(MICROSECOND), format_timestamp(0)) == (
        "2019-10-25T14:30:00.123456Z",
        "1970-01-01T00:00:00Z",
    )
