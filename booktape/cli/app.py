"""The command line as Typer sees it."""

from typing import Annotated

import typer

from booktape.cli.commands import COMMANDS, LazyCommand
from booktape.cli.console import HELP_OPTIONS
from booktape.model.version import VERSION

app = typer.Typer(
    help="Record every trade and order-book change of crypto exchanges, publish each day as clean data sets, and "
    "read any market back at any instant.",
    context_settings=HELP_OPTIONS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"booktape {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def _placeholder() -> None:
    """The command that runs is the one that :class:`LazyCommand` imports."""


for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(command.name, cls=LazyCommand, help=command.summary, rich_help_panel=panel)(_placeholder)
