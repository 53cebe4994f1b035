"""Intervals on the clock: whole multiples of a length since the epoch, in µs, half-open."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from booktape.analytics.decimals import decimal, multiply
from booktape.model.errors import InvalidInputError

_MICROSECONDS: Final = Decimal(1_000_000)
_LONGEST: Final = 10**16
"""Three centuries."""


class InvalidIntervalError(InvalidInputError):
    """An interval that is not a whole, positive number of microseconds, or longer than anything recorded."""


class NotInOrderError(InvalidInputError):
    """Records or messages whose times go back."""


def microseconds(every: float | str | Decimal | timedelta) -> int:
    """The length of an interval in µs, from seconds or a timedelta. Raises :class:`InvalidIntervalError`."""
    if isinstance(every, timedelta):
        length = Decimal(every // timedelta(microseconds=1))
    else:
        length = multiply(decimal(every), _MICROSECONDS)
    if not 0 < length <= _LONGEST or length != length.to_integral_value():
        raise InvalidIntervalError(
            f"an interval of {every} seconds cannot be; expected a positive number such as 60 or 0.1"
        )
    return int(length)


def begin(time: int, length: int) -> int:
    """When the interval began that a time lies in."""
    return time - time % length


def first(time: int, length: int) -> int:
    """The first beginning of an interval that is not before a time."""
    return -(-time // length) * length
