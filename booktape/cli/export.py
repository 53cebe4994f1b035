"""``booktape export``: a published day as files that other programs read."""

from datetime import date
from typing import Annotated, Final

import typer
from rich.table import Column, Table

from booktape.archive.catalog import Catalog, open_catalog
from booktape.archive.exports import FORMS, TARDIS, Form, MarketFile, write_market_files
from booktape.cli.console import err
from booktape.cli.environment import reader_settings
from booktape.cli.options import AsJson, ExchangeName, Storage
from booktape.cli.terminal import out, parse_day, print_json, print_line
from booktape.exchanges import exchange as find_exchange
from booktape.model.csv import PUBLISHED
from booktape.model.errors import InvalidInputError, NotAvailableError
from booktape.store.layout import Run, parquet_key
from booktape.store.objects import Store, open_store

_DAYS_NAMED: Final = 5


class NotPublishedError(NotAvailableError):
    """No published file of that day exists."""


class UnknownDataTypeOptionError(InvalidInputError):
    """No published data type has that name."""


class UnknownFormatError(InvalidInputError):
    """No form of export has that name."""


def export(
    exchange: ExchangeName,
    data_type: Annotated[str, typer.Argument(help="trades, book_updates, quotes, derivative_ticker, liquidations.")],
    day: Annotated[str, typer.Argument(help="A published day, as 2019-10-25.")],
    to: Annotated[str, typer.Option("--to", help="A directory, file:///directory or s3://bucket/prefix.")],
    form: Annotated[str, typer.Option("--form", help="tardis: a CSV per market. hive: Parquet in folders.")] = TARDIS,
    markets: Annotated[str, typer.Option("--markets", help="A list such as BTC-USDT,*-PERP. Default: all.")] = "",
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Write a published day as one file per market: Tardis's CSV, or Parquet in Hive's folders.

    The newest finished run of the day is exported. Repeating the command writes the same bytes.

    Example: booktape export binance trades 2019-10-25 --to exported
    """
    settings = reader_settings()
    chosen, kind = parse_day(day), _data_type(data_type)
    names = [name.strip() for name in markets.split(",") if name.strip()]
    shape = _form(form)
    venue = find_exchange(exchange).id
    catalog = open_catalog(storage or settings.storage, None, settings.publish)
    run = _newest_run(catalog, venue, kind, chosen)
    target = open_store(to)
    with err.status(f"{venue} {kind} of {chosen}: writing"):
        written = write_market_files(
            catalog.publication,
            parquet_key(run),
            venue,
            kind,
            chosen,
            target,
            form=shape,
            markets=names,
            memory=settings.merge_memory,
        )
    _report(run, target, written, as_json=as_json)


def _data_type(text: str) -> str:
    """A published data type by Booktape's name or Tardis's. Raises :class:`UnknownDataTypeOptionError`."""
    name = text.replace("-", "_")
    for kind, tardis in PUBLISHED.items():
        if name in (kind, tardis):
            return kind
    raise UnknownDataTypeOptionError(f"unknown data type {text!r}; there are: {', '.join(PUBLISHED)}")


def _form(text: str) -> Form:
    for form in FORMS:
        if text == form:
            return form
    raise UnknownFormatError(f"unknown form {text!r}; there are: {', '.join(FORMS)}")


def _newest_run(catalog: Catalog, exchange: str, data_type: str, day: date) -> Run:
    """The newest finished run of the day. Raises :class:`NotPublishedError` if there is none with a Parquet file."""
    run = catalog.published(exchange, data_type, day)
    if run is None:
        raise NotPublishedError(_advice(catalog, exchange, data_type, day))
    return run


def _advice(catalog: Catalog, exchange: str, data_type: str, day: date) -> str:
    sources: dict[str, None] = {}
    days: dict[str, None] = {}
    for run in catalog.published_runs(exchange, data_type):
        sources[run.source] = None
        days[str(run.day)] = None
        if len(days) > _DAYS_NAMED:
            break
    if not days:
        return f"{catalog.store.url} has no published {data_type} of {exchange}; `booktape nightly` publishes a day"
    named = ", ".join([*days][:_DAYS_NAMED] + (["…"] if len(days) > _DAYS_NAMED else []))
    source = next(iter(sources))
    publish = f"booktape nightly --day {day} --source {source}"
    return f"{source} of {day} is not published; published are: {named}. `{publish}` publishes a day that was recorded"


def _report(run: Run, target: Store, written: list[MarketFile], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {"source": run.source, "day": str(run.day), "run": run.number, "to": target.url}
            | {"files": [file._asdict() for file in written]}
        )
        return
    table = Table("market", "rows", "bytes", Column("file", overflow="fold"), box=None, pad_edge=False)
    for file in written:
        table.add_row(file.market, f"{file.rows:,}", f"{file.bytes:,}", file.key or "none: no snapshot of its book")
    out.print(table)
    print_line(f"from {run}, to {target.url}")
    if left_out := sum(file.left_out for file in written):
        print_line(f"left out: {left_out:,} book messages before the first snapshot")
