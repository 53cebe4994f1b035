"""What the commands share: the console for their results, JSON output, and days as users type them."""

from datetime import date
from typing import Any, Final

import typer
from msgspec import json
from rich.console import Console

from booktape.model.errors import InvalidInputError

out: Final = Console()


class InvalidDateError(InvalidInputError):
    """A text is not a calendar day."""


def print_line(text: str) -> None:
    """Print one line as it is, however long: without colours, markup or line breaks."""
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON document, for programs."""
    typer.echo(json.encode(value).decode())


def parse_day(text: str) -> date:
    """Parse a day such as ``2019-10-25``. Raises :class:`InvalidDateError`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidDateError(f"{text!r} is not a day; expected a date such as 2019-10-25") from None
