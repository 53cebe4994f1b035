"""``python -m workers``: a connection worker."""

import typer

from booktape.cli import console
from workers.command import record

app = typer.Typer(context_settings=console.HELP_OPTIONS, pretty_exceptions_enable=False)
app.command()(record)

console.run(app)
