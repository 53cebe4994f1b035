"""The ``booktape`` command."""

from collections.abc import Callable
from typing import Any, Final

import typer

from booktape.cli import analytics, certificates, exchanges, export, ingest, publish, read, serve
from booktape.cli.backfill import heal
from booktape.cli.demo import demo
from booktape.cli.sql import sql
from booktape.cli.watch import watch
from config import console
from workers.command import record

_COMMANDS: Final[dict[str, dict[str, Callable[..., Any]]]] = {
    "Begin": {"demo": demo, "exchanges": exchanges.exchanges, "markets": exchanges.markets},
    "Record": {"record": record, "ingest": ingest.ingest, "watch": watch},
    "Publish": {
        "nightly": publish.nightly,
        "status": publish.show_status,
        "heal": heal,
        "republish": publish.republish,
        "release": certificates.release_run,
        "export": export.export,
    },
    "Trust": {"certificate": certificates.certificate, "verify": certificates.check_day, "coverage": read.coverage},
    "Read": {
        "trades": read.trades,
        "book": read.book,
        "replay": read.replay,
        "bars": analytics.bars,
        "snapshots": analytics.snapshots,
        "liquidity": analytics.liquidity_rows,
        "sql": sql,
        "serve": serve.serve,
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
app.add_typer(publish.athena, name="athena", rich_help_panel="Publish")


def main() -> None:
    """Run the command."""
    console.run(app)


if __name__ == "__main__":
    main()
