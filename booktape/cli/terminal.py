"""What all commands share: JSON output, and dates as users type them."""

from datetime import date
from typing import Annotated, Any, Final

import typer
from msgspec import json
from rich.console import Console

from booktape.model.errors import BooktapeError

out: Final = Console()

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]


class InvalidDateError(BooktapeError):
    """Not a calendar day."""


def print_json(value: Any) -> None:
    """Print one JSON document, for programs."""
    typer.echo(json.encode(value).decode())


def parse_day(text: str) -> date:
    """A day as ``2019-10-25``. Raises :class:`InvalidDateError`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidDateError(f"{text!r} is not a day; expected a date such as 2019-10-25") from None
