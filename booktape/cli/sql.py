"""``booktape sql``: queries of the archive in SQL."""

import logging
from typing import Annotated, Literal

import typer

from booktape.archive.sql import SqlResult, query_archive, query_athena
from booktape.archive.sql_tables import DayRange
from booktape.cli.environment import ReaderSettings, reader_settings
from booktape.cli.options import AsCsv, AsJsonLines, AsParquet, OutputFile, Replica, Storage
from booktape.cli.tables import Target, target, write
from booktape.model.timestamps import day_of, parse_timestamp
from booktape.store.layout import athena_sql_url
from booktape.store.objects import InvalidStorageUrlError


def sql(
    text: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT. SHOW TABLES lists the tables.")],
    since: Annotated[str | None, typer.Option("--from", help="The first day whose files are read.")] = None,
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
    """Query the archive in SQL: with DuckDB over its files, or with Athena over its buckets.

    DuckDB's tables are trades, book_updates, quotes, derivative_ticker and liquidations, as published, and the same
    with the prefix recorded_, as stored. Athena's are those of `booktape athena init`. Queries only read.

    Example: booktape sql "SELECT symbol, count(*) FROM trades GROUP BY ALL"
    """
    to = target(as_csv=as_csv, as_json=as_json, as_parquet=as_parquet, output=output)
    if (engine or reader_settings().engine) == "athena":
        _query_athena(text, reader_settings(), to)
        return
    settings = reader_settings(storage)
    with query_archive(
        settings.storage,
        text,
        replica=replica or settings.replica,
        publication=settings.publish,
        days=_days(since, until),
        memory=settings.merge_memory,
    ) as result:
        _write_result(result, to)


def _query_athena(text: str, settings: ReaderSettings, to: Target) -> None:
    results = settings.results_url
    if not results.startswith("s3://"):
        raise InvalidStorageUrlError(
            f"Athena writes its answers to s3://bucket/prefix only, not {results!r}: use --engine duckdb"
        )
    for name in ("pyathena", "sqlglot"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they log what one line below reports
    with query_athena(
        text,
        results=athena_sql_url(results),
        database=settings.athena_database,
        workgroup=settings.athena_workgroup,
    ) as result:
        _write_result(result, to)


def _write_result(result: SqlResult, to: Target) -> None:
    write(result.columns, result.rows, to, result.types)


def _days(since: str | None, until: str | None) -> DayRange:
    first = day_of(parse_timestamp(since)) if since is not None else None
    last = day_of(parse_timestamp(until) - 1) if until is not None else None
    return first, last
