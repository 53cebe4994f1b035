"""``python -m workers``: a connection worker."""

import typer

from config import console
from workers.command import record

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(record)

console.run(app)
