"""The ``booktape`` command."""

import typer

from cli import recording, showing
from config import console
from workers.command import record

app = typer.Typer(
    help="Record every trade and order-book change of crypto exchanges, and publish each day as clean data sets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (record, recording.ingest, showing.exchanges):
    app.command()(command)


def main() -> None:
    """Run the command."""
    console.run(app)


if __name__ == "__main__":
    main()
