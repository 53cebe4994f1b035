"""Instants as people and programs write them: ISO text, dates, aware datetimes, µs; UTC unless they say otherwise."""

from datetime import UTC, date, datetime, timedelta
from numbers import Integral
from typing import Final

from booktape.model.errors import InvalidInputError
from booktape.model.intervals import Interval
from booktape.model.records import DAY, SECOND

TimestampLike = str | int | date | datetime
"""``"2019-10-25"``, ``"2019-10-25T14:30:00.123456Z"``, a date (its midnight, UTC), an aware datetime, or µs."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_END: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_DIGITS: Final = 12
"""A number of that many digits is µs, no date in ISO's basic form (``20191025``)."""
_EXAMPLE: Final = "write it as 2019-10-25, 2019-10-25T14:30:00.123456Z, or µs since 1970"


class InvalidTimestampError(InvalidInputError):
    """Not an instant, or not a range of them."""


def parse_timestamp(value: TimestampLike) -> int:
    """An instant in µs since the epoch, UTC. Raises :class:`InvalidTimestampError`.

    A text without an offset is UTC; a datetime without one is refused, since Python takes those for local time.
    """
    match value:
        case bool():
            raise InvalidTimestampError(f"{value!r} is not a time; {_EXAMPLE}")
        case Integral():  # NumPy's, too
            return _possible(int(value))
        case str() if value.isdecimal() and len(value) >= _DIGITS:
            return _possible(int(value))
        case str():
            return _microseconds(_parsed(value))
        case datetime():
            if value.tzinfo is None:
                raise InvalidTimestampError(
                    f"{value!r} has no time zone; add tzinfo=datetime.UTC, if that is what it is"
                )
            return _microseconds(value)
        case date():
            return _microseconds(datetime(value.year, value.month, value.day, tzinfo=UTC))
    raise InvalidTimestampError(f"{value!r} is not a time; {_EXAMPLE}")


def parse_range(start: TimestampLike, end: TimestampLike) -> tuple[int, int]:
    """A half-open range in µs. Raises :class:`InvalidTimestampError` where it ends before it starts, or is empty."""
    first, last = parse_timestamp(start), parse_timestamp(end)
    if last <= first:
        raise InvalidTimestampError(
            f"the range ends at {format_timestamp(last)}, which is not after its start {format_timestamp(first)}; "
            f"swap them?"
        )
    return first, last


def format_timestamp(time: int) -> str:
    """An instant as ISO text, as far as it needs digits: ``2019-10-25T14:30:00.123456Z``."""
    moment = _EPOCH + timedelta(microseconds=time)
    return f"{moment:%Y-%m-%dT%H:%M:%S}" + (f".{moment:%f}" if time % SECOND else "") + "Z"


def day_of(time: int) -> date:
    """The UTC day that an instant (µs) lies in."""
    return (_EPOCH + timedelta(microseconds=time)).date()


def midnight(day: date) -> int:
    """A UTC day's beginning (µs)."""
    return _microseconds(datetime(day.year, day.month, day.day, tzinfo=UTC))


def start_of_day(time: int) -> int:
    """The beginning (µs) of the UTC day that an instant (µs) lies in."""
    return time // DAY * DAY


def day_interval(day: date) -> Interval:
    """A UTC day as a half-open interval (µs)."""
    start = midnight(day)
    return start, start + DAY


def _possible(time: int) -> int:
    if not 0 <= time < _END:
        raise InvalidTimestampError(f"{time} is not a time in µs since 1970: it would be before 1970 or after 9999")
    return time


def _parsed(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidTimestampError(f"{value!r} is not a time; {_EXAMPLE}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _microseconds(moment: datetime) -> int:
    return _possible((moment - _EPOCH) // _MICROSECOND)
