"""The days that can be published: those that are over, UTC."""

from datetime import UTC, date, datetime, timedelta

from booktape.model.errors import InvalidInputError
from booktape.model.records import SECOND
from booktape.store import clock


class InvalidDayError(InvalidInputError):
    """The text is not a day, or the day is not over."""


def today() -> date:
    """The current day, UTC."""
    return datetime.fromtimestamp(clock.now() / SECOND, UTC).date()


def yesterday() -> date:
    """The last day that is over, UTC."""
    return today() - timedelta(days=1)


def past_day(text: str) -> date:
    """A day that is over, from ``YYYY-MM-DD``. Raises :class:`InvalidDayError`."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidDayError(f"{text!r} is not a day; write it as YYYY-MM-DD") from None
    if day >= today():
        raise InvalidDayError(f"{day} is not over yet (UTC); a day is published once it is")
    return day
