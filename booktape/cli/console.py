"""How the command lines report an error that the user can correct: one line, never a traceback."""

import sys
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape

from booktape.model.errors import BooktapeError

HELP_OPTIONS: Final = {"help_option_names": ["-h", "--help"]}
"""Context settings of every command line."""

err: Final = Console(stderr=True)


def run(app: typer.Typer, name: str | None = None) -> None:
    """Run a command line. A :class:`BooktapeError` ends it with one line on standard error and exit status 1.

    :param name: the program's name in its help. Default: as it was started.
    """
    try:
        app(prog_name=name)
    except BooktapeError as error:
        err.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
