"""Decimal arithmetic on the exchanges' text: sums and products are exact, quotients have 28 significant digits."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import Final

from booktape.model.errors import InvalidInputError

_MOST_DIGITS: Final = 100
"""The most digits of an input: of its text, and before or after the point."""

_EXACT: Final = Context(prec=1_000, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation])
"""No sum of products of such inputs has so many digits. If one had, it would raise rather than round."""

_QUOTIENT: Final = Context(prec=28, rounding=ROUND_HALF_EVEN)

ZERO: Final = Decimal(0)


class NotANumberError(InvalidInputError):
    """A price, an amount or a size is not a plain number."""


def decimal(value: Decimal | float | str) -> Decimal:
    """A number exactly as it is written; a float as Python prints it.

    Raises :class:`NotANumberError`, also for one of more than a hundred digits.
    """
    text = str(value)
    try:
        found = Decimal(text)
    except DecimalException:
        raise NotANumberError(f"{value!r} is not a number; expected one such as 0.5") from None
    if not found.is_finite():
        raise NotANumberError(f"{value!r} is not a number; expected one such as 0.5")
    if len(text) > _MOST_DIGITS or abs(found.adjusted()) > _MOST_DIGITS:
        raise NotANumberError(
            f"{text[:_MOST_DIGITS]} has more than {_MOST_DIGITS} digits; expected a number such as 0.5"
        )
    return found


def add(first: Decimal, second: Decimal) -> Decimal:
    """The exact sum."""
    return _EXACT.add(first, second)


def subtract(first: Decimal, second: Decimal) -> Decimal:
    """The exact difference."""
    return _EXACT.subtract(first, second)


def multiply(first: Decimal, second: Decimal) -> Decimal:
    """The exact product."""
    return _EXACT.multiply(first, second)


def divide(first: Decimal, second: Decimal) -> Decimal:
    """The quotient, rounded to 28 significant digits."""
    return _QUOTIENT.divide(first, second)


def format_decimal(value: Decimal) -> str:
    """A number as plain text: no exponent, no zeros at its end after the point."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
