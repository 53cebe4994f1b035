"""The ``booktape`` command."""

from collections.abc import Callable
from typing import Any, Final

import typer

from cli import computing, exporting, integrity, publishing, reading, recording, serving, showing
from cli.demo import demo
from cli.healing import heal
from cli.sql import sql
from cli.watching import watch
from config import console
from workers.command import record

_COMMANDS: Final[dict[str, dict[str, Callable[..., Any]]]] = {
    "Begin": {"demo": demo, "exchanges": showing.exchanges, "markets": showing.markets},
    "Record": {"record": record, "ingest": recording.ingest, "watch": watch},
    "Publish": {
        "nightly": publishing.nightly,
        "status": publishing.show_status,
        "heal": heal,
        "republish": publishing.republish,
        "release": integrity.release_run,
        "export": exporting.export,
    },
    "Trust": {"certificate": integrity.certificate, "verify": integrity.check_day, "coverage": reading.coverage},
    "Read": {
        "trades": reading.trades,
        "book": reading.book,
        "replay": reading.replay,
        "bars": computing.bars,
        "snapshots": computing.snapshots,
        "liquidity": computing.liquidity_rows,
        "sql": sql,
        "serve": serving.serve,
    },
}

app = typer.Typer(
    help="Record every trade and order-book change of crypto exchanges, publish each day as clean data sets, and "
    "read any market back at any instant.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for panel, commands in _COMMANDS.items():
    for name, command in commands.items():
        app.command(name, rich_help_panel=panel)(command)
app.add_typer(publishing.athena, name="athena", rich_help_panel="Publish")


def main() -> None:
    """Run the command."""
    console.run(app)


if __name__ == "__main__":
    main()
