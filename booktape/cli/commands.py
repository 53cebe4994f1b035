"""The commands: where each one is, and the line that the overview prints of it. A command is imported when it is used.

A test holds each line to the first paragraph of the command's own help.
"""

from importlib import import_module
from typing import Any, Final, Literal, NamedTuple

import typer
from typer.core import TyperCommand

from booktape.cli import application, interrupts

Needs = Literal["package", "application", "sandbox"]


class Command(NamedTuple):
    """A command of the command line. ``target`` is ``module:function``, or ``module:typer``."""

    name: str
    target: str
    summary: str
    needs: Needs = "package"


COMMANDS: Final[dict[str, tuple[Command, ...]]] = {
    "Begin": (
        Command(
            "demo",
            "sandbox.demo.command:demo",
            "Record three simulated exchanges over midnight, break things, publish the day, and check every record.",
            "sandbox",
        ),
        Command(
            "exchanges",
            "booktape.cli.exchanges:list_exchanges",
            "List the exchanges: their data types, and how loss can be seen in each.",
        ),
        Command(
            "markets",
            "workers.markets:markets",
            "List an exchange's instruments, as its REST API reports them now.",
            "application",
        ),
    ),
    "Record": (
        Command(
            "record",
            "workers.command:record",
            "Record markets of one exchange until Ctrl-C or SIGTERM; then flush all open batches.",
            "application",
        ),
        Command(
            "ingest",
            "booktape.cli.ingest:ingest",
            "Parse and store recorded frames with the code that records live, and print a summary.",
        ),
        Command(
            "watch",
            "workers.watch:watch",
            "Show each market's last trade and best bid and ask, as `booktape record --live` keeps them in Redis.",
            "application",
        ),
    ),
    "Publish": (
        Command(
            "nightly",
            "tasks.commands.publish:nightly",
            "Publish a day now, in this process: merge, check, rename and, where a data set is configured, AWS.",
            "application",
        ),
        Command(
            "status",
            "tasks.commands.publish:show_status",
            "Show the state of each data source's runs, from their manifests in storage.",
            "application",
        ),
        Command(
            "heal",
            "tasks.commands.backfill:heal",
            "Fetch the trades of a day that neither system has from the exchange's REST API, in this process.",
            "application",
        ),
        Command(
            "republish",
            "tasks.commands.publish:republish_day",
            "Publish a day once more, as a revision of its own, and record what changed (old and new hash).",
            "application",
        ),
        Command(
            "release",
            "tasks.commands.release:release_run",
            "Publish a held day although too much of it is missing for its source's threshold.",
            "application",
        ),
        Command(
            "export",
            "booktape.cli.export:export",
            "Write a published day as one file per market: Tardis's CSV, or Parquet in Hive's folders.",
        ),
        Command(
            "athena",
            "tasks.commands.athena:athena",
            "Amazon Athena, where one machine is too small to merge.",
            "application",
        ),
    ),
    "Trust": (
        Command(
            "certificate",
            "booktape.cli.certificates:certificate",
            "Show a day's certificate: what is missing, what was backfilled, what cannot be verified.",
        ),
        Command(
            "verify",
            "booktape.cli.certificates:check_day",
            "Compare a published day with its certificate: recompute all that the files show, print every difference.",
        ),
        Command(
            "coverage",
            "booktape.cli.read:coverage",
            "Show which parts of a time range are recorded, which are missing, and which are unknown.",
        ),
    ),
    "Read": (
        Command("trades", "booktape.cli.read:trades", "Print a market's trades of a time range."),
        Command(
            "book",
            "booktape.cli.read:book",
            "Print a market's order book at a time; or with --from and --to, the messages that changed it.",
        ),
        Command(
            "replay",
            "booktape.cli.read:replay",
            "Print everything that happened in some markets in the order of time, as JSON lines.",
        ),
        Command(
            "bars",
            "booktape.cli.analytics:bars",
            "Compute bars of a market's trades: by time, by number of trades, or by volume.",
        ),
        Command(
            "snapshots",
            "booktape.cli.analytics:snapshots",
            "Compute a book's best levels at an interval, with the columns of Tardis's book_snapshot_5 and _25.",
        ),
        Command(
            "liquidity",
            "booktape.cli.analytics:liquidity_rows",
            "Compute spread, depth, and what orders of given sizes would have cost, at an interval.",
        ),
        Command(
            "sql",
            "booktape.cli.sql:sql",
            "Query the archive in SQL: with DuckDB over its files, or with Athena over its buckets.",
        ),
        Command(
            "serve",
            "booktape.cli.serve:serve",
            "Replay what was recorded: as Booktape's records, and as the exchange itself would have sent it.",
        ),
    ),
}

_BY_NAME: Final = {command.name: command for commands in COMMANDS.values() for command in commands}


class LazyCommand(TyperCommand):
    """Stands for a command in the overview, and imports it when its options are parsed."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command itself, which runs in it."""
        return load(self.name or "").make_context(info_name, args, parent, **extra)


class _LoadedCommand(TyperCommand):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise application.extra_needed(self.name or "", error) or error from None


def load(name: str) -> Any:
    """Import a command: a Click command, or a group of commands.

    Raises :class:`~booktape.cli.application.ApplicationNeededError` or
    :class:`~booktape.cli.application.ExtraNeededError` for what this installation lacks.
    """
    command = _BY_NAME[name]
    if command.needs != "package":
        application.use_application(name, command.needs)
    module, _, attribute = command.target.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise application.extra_needed(name, error) or error from None
    interrupts.raise_on_interrupt()
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name, cls=_LoadedCommand)(found)
    return typer.main.get_command(alone)
