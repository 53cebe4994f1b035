"""How the command lines say what went wrong: one line, the fault and the next step, never a traceback."""

import sys
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape

from booktape.model.errors import BooktapeError

err: Final = Console(stderr=True)


def run(app: typer.Typer) -> None:
    """Run a command line; what a user can mend ends it with one line and exit status 1."""
    try:
        app()
    except BooktapeError as error:
        err.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
