"""``booktape export``: a published day as files that other programs read."""

from datetime import date
from typing import Annotated, Final

import typer
from rich.table import Column, Table

from booktape.archive.exports import FORMS, TARDIS, Form, MarketFile, write_market_files
from booktape.cli.terminal import AsJson, out, parse_day, print_json
from booktape.exchanges import exchange as find_exchange
from booktape.model.csv import PUBLISHED
from booktape.model.errors import BooktapeError
from booktape.publish import manifest
from booktape.publish.context import Context
from booktape.publish.results import Done, Parquet
from booktape.store.layout import Run, parquet_key, runs_prefix
from booktape.store.objects import Store, open_store
from config.console import err
from config.context import open_context
from config.settings import load_settings

_DAYS_TOLD: Final = 5


class NotPublishedError(BooktapeError):
    """There is no published file of that day."""


class UnknownDataTypeOptionError(BooktapeError):
    """No published data type has that name."""


class UnknownFormatError(BooktapeError):
    """No form of export has that name."""


def export(
    exchange: Annotated[str, typer.Argument(help="Its id; `booktape exchanges` lists them.")],
    data_type: Annotated[str, typer.Argument(help="trades, book_updates, quotes, derivative_ticker, liquidations.")],
    day: Annotated[str, typer.Argument(help="A published day, as 2019-10-25.")],
    to: Annotated[str, typer.Option("--to", help="A directory, file:///directory or s3://bucket/prefix.")],
    form: Annotated[str, typer.Option("--form", help="tardis: a CSV per market. hive: Parquet in folders.")] = TARDIS,
    markets: Annotated[str, typer.Option("--markets", help="A list such as BTC-USDT,*-PERP. Default: all.")] = "",
    storage: Annotated[
        str | None, typer.Option("--storage", help="Instead of BOOKTAPE_STORAGE: the recordings.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a published day as one file per market, for programs that read Tardis's CSV or Parquet in hive's folders.

    The newest finished run of the day is taken. The same command again writes the same bytes.

    Example: booktape export binance trades 2019-10-25 --to exported
    """
    settings = load_settings()
    if storage is not None:
        settings = settings.model_copy(update={"storage": storage})
    context = open_context(settings)
    chosen, kind = parse_day(day), _data_type(data_type)
    names = [name.strip() for name in markets.split(",") if name.strip()]
    shape = _form(form)
    venue = find_exchange(exchange).id
    run = _newest(context, venue, kind, chosen)
    target = open_store(to)
    with err.status(f"{venue} {kind} of {chosen}: writing"):
        written = write_market_files(
            context.publication,
            parquet_key(run),
            venue,
            kind,
            chosen,
            target,
            form=shape,
            markets=names,
            memory=settings.merge_memory,
        )
    _tell(run, target, written, as_json=as_json)


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


def _newest(context: Context, exchange: str, data_type: str, day: date) -> Run:
    """The newest finished run of the day that has a Parquet file. Raises :class:`NotPublishedError`."""
    sources = [
        source.name
        for source in context.sources.values()
        if (source.exchange, source.data_type) == (exchange, data_type)
    ]
    if not sources:
        raise NotPublishedError(f"no data source publishes {data_type} of {exchange}; add one to config/sources.yaml")
    for source in sources:
        for run in _finished(context.store, source, day):
            return run
    raise NotPublishedError(_advice(context.store, sources, day))


def _finished(store: Store, source: str, day: date) -> list[Run]:
    """A day's finished runs that have a Parquet file, the newest first."""
    numbers = sorted(map(int, store.folders(runs_prefix(source, day))), reverse=True)
    runs = [Run(source, day, number) for number in numbers]
    return [run for run in runs if manifest.result(store, run, Done) and manifest.result(store, run, Parquet)]


def _advice(store: Store, sources: list[str], day: date) -> str:
    days: list[str] = []
    for name in sorted({name for source in sources for name in store.folders(runs_prefix(source))}, reverse=True):
        if len(days) == _DAYS_TOLD:
            days.append("…")
            break
        if any(_finished(store, source, date.fromisoformat(name)) for source in sources):
            days.append(name)
    there = f"published are: {', '.join(days)}" if days else "nothing of it is published yet"
    publish = f"booktape nightly --day {day} --source {sources[0]}"
    return f"{sources[0]} of {day} is not published; {there}. `{publish}` publishes a day that was recorded"


def _tell(run: Run, target: Store, written: list[MarketFile], *, as_json: bool) -> None:
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
    out.print(f"from {run}, to {target.url}", highlight=False, soft_wrap=True)
    if left_out := sum(file.left_out for file in written):
        out.print(f"left out: {left_out:,} book messages before the first snapshot", highlight=False, soft_wrap=True)
