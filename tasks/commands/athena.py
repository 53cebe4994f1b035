"""``booktape athena init``: Athena's tables over the recordings."""

import logging

import typer

from booktape.cli.terminal import out
from booktape.exchanges import exchanges
from booktape.merge import init_athena
from config.settings import load_settings

athena = typer.Typer(help="Amazon Athena, where one machine is too small to merge.", no_args_is_help=True)


@athena.command("init")
def athena_init() -> None:
    """Create the database and the tables, with partition projection, over both systems' buckets. Safe to repeat."""
    settings = load_settings()
    logging.getLogger("pyathena").setLevel(logging.CRITICAL)  # it logs with a traceback what one line below reports
    init_athena(
        primary=settings.storage,
        replica=settings.replica,
        results=settings.results_url,
        exchanges=sorted(exchanges()),
        database=settings.athena_database,
        workgroup=settings.athena_workgroup,
    )
    out.print(f"the tables of database {settings.athena_database} are there")
