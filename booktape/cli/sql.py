"""``booktape sql``: questions to the archive, in SQL."""

import logging
from typing import Annotated, Literal

import typer

from booktape.archive.sql import SqlResult, query_archive, query_athena
from booktape.archive.sql_tables import Days
from booktape.cli.read import Replica, Storage
from booktape.cli.tables import AsCsv, AsJsonLines, AsParquet, OutputFile, Target, target, write
from booktape.model.timestamps import day_of, parse_timestamp
from booktape.store.layout import athena_sql_url
from booktape.store.objects import InvalidStorageUrlError
from config.settings import Settings, load_settings


def sql(
    text: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT. SHOW TABLES lists what can be asked.")],
    since: Annotated[str | None, typer.Option("--from", help="The first day whose files are looked at.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="The first day after them.")] = None,
    engine: Annotated[
        Literal["duckdb", "athena"] | None, typer.Option(help="Default: the setting BOOKTAPE_ENGINE.")
    ] = None,
    as_csv: AsCsv = False,
    as_json: AsJsonLines = False,
    as_parquet: AsParquet = False,
    output: OutputFile = None,
    storage: Storage = None,
    replica: Replica = None,
) -> None:
    """Ask the archive in SQL: DuckDB over its files, or Athena over its buckets.

    Tables of DuckDB are trades, book_updates, quotes, derivative_ticker and liquidations, as published, and the same
    with recorded_ before them, as stored. Athena's are those of `booktape athena init`. Nothing can be changed.

    Example: booktape sql "SELECT symbol, count(*) FROM trades GROUP BY ALL"
    """
    to = target(as_csv=as_csv, as_json=as_json, as_parquet=as_parquet, output=output)
    settings = load_settings()
    if (engine or settings.engine) == "athena":
        _ask_athena(text, settings, to)
        return
    own = storage is None
    days = _days(since, until)
    with query_archive(
        storage or settings.storage,
        text,
        replica=replica or (settings.replica if own else None),
        publication=settings.publish if own else None,
        days=days,
        memory=settings.merge_memory,
    ) as answer:
        _tell(answer, to)


def _ask_athena(text: str, settings: Settings, to: Target) -> None:
    results = settings.results_url
    if not results.startswith("s3://"):
        raise InvalidStorageUrlError(
            f"Athena writes its answers to s3://bucket/prefix only, not {results!r}: use --engine duckdb"
        )
    for name in ("pyathena", "sqlglot"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they log what is told in one line below
    with query_athena(
        text,
        results=athena_sql_url(results),
        database=settings.athena_database,
        workgroup=settings.athena_workgroup,
    ) as answer:
        _tell(answer, to)


def _tell(answer: SqlResult, to: Target) -> None:
    write(answer.columns, answer.rows, to, answer.types)


def _days(since: str | None, until: str | None) -> Days:
    first = day_of(parse_timestamp(since)) if since is not None else None
    last = day_of(parse_timestamp(until) - 1) if until is not None else None
    return first, last
