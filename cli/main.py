"""The ``booktape`` command."""

import typer

from cli import integrity, publishing, recording, showing
from cli.demo import demo
from cli.healing import heal
from cli.watching import watch
from config import console
from workers.command import record

app = typer.Typer(
    help="Record every trade and order-book change of crypto exchanges, and publish each day as clean data sets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    demo,
    record,
    recording.ingest,
    publishing.nightly,
    publishing.republish,
    heal,
    showing.exchanges,
    showing.markets,
    watch,
):
    app.command()(command)
app.command("certificate")(integrity.certificate)
app.command("verify")(integrity.check_day)
app.command("release")(integrity.release_run)
app.command("status")(publishing.show_status)
app.add_typer(publishing.athena, name="athena")


def main() -> None:
    """Run the command."""
    console.run(app)


if __name__ == "__main__":
    main()
