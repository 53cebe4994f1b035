"""``booktape trades``, ``book``, ``replay`` and ``coverage``: read what was recorded."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from msgspec import json
from rich.markup import escape

from booktape.analytics.book_view import BookView
from booktape.archive import Archive, Gap, Rows
from booktape.archive.follow import follow, is_news
from booktape.cli.console import err
from booktape.cli.environment import reader_settings
from booktape.cli.options import (
    AsCsv,
    AsJsonLines,
    AsParquet,
    ExchangeName,
    GapsOption,
    MarketName,
    OptionalFrom,
    OptionalTo,
    OutputFile,
    Replica,
    Storage,
)
from booktape.cli.tables import Row, Target, placed, target, write
from booktape.model import csv
from booktape.model.errors import InvalidInputError
from booktape.model.records import BOOK_UPDATES, MINUTE, TRADES, BookSnapshot, BookUpdate, levels
from booktape.model.timestamps import TimestampLike, format_timestamp
from booktape.serve.json_lines import book_object, event_line
from booktape.store import clock

Follow = Annotated[
    bool, typer.Option("--follow", help="Go on as minutes are stored: up to a minute behind. Gaps are reported.")
]
_MESSAGE: Final = (
    "exchange", "symbol", "timestamp", "local_timestamp", "is_snapshot", "first_id", "last_id", "previous_id", "bids",
    "asks",
)  # fmt: skip


class InvalidOptionsError(InvalidInputError):
    """The options contradict each other."""


def trades(
    exchange: ExchangeName,
    market: MarketName,
    start: OptionalFrom = None,
    end: OptionalTo = None,
    as_csv: AsCsv = False,
    as_json: AsJsonLines = False,
    as_parquet: AsParquet = False,
    output: OutputFile = None,
    gaps: GapsOption = "raise",
    following: Follow = False,
    storage: Storage = None,
    replica: Replica = None,
) -> None:
    """Print a market's trades of a time range.

    Example: booktape trades binance BTC-USDT --from 2019-10-25 --to 2019-10-26 --csv
    """
    to = target(as_csv=as_csv, as_json=as_json, as_parquet=as_parquet, output=output)
    with open_archive(storage, replica) as archive:
        _rows(archive, TRADES, exchange, market, start, end, to, gaps, following=following)


def book(
    exchange: ExchangeName,
    market: MarketName,
    at: Annotated[
        str | None, typer.Option("--at", help="The whole book at this time, messages at it included.")
    ] = None,
    start: OptionalFrom = None,
    end: OptionalTo = None,
    depth: Annotated[int | None, typer.Option("--depth", min=1, help="With --at: so many levels of each side.")] = None,
    as_csv: AsCsv = False,
    as_json: AsJsonLines = False,
    as_parquet: AsParquet = False,
    output: OutputFile = None,
    gaps: GapsOption = "raise",
    following: Follow = False,
    storage: Storage = None,
    replica: Replica = None,
) -> None:
    """Print a market's order book at a time; or with --from and --to, the messages that changed it.

    Example: booktape book binance BTC-USDT --at 2019-10-25T14:30:00.123456Z --depth 20
    """
    to = target(as_csv=as_csv, as_json=as_json, as_parquet=as_parquet, output=output)
    with open_archive(storage, replica) as archive:
        if at is None:
            _rows(archive, BOOK_UPDATES, exchange, market, start, end, to, gaps, following=following)
            return
        if start is not None or end is not None or following:
            raise InvalidOptionsError("--at names one time: leave out --from, --to and --follow")
        _view(archive.book(exchange, market, at, gaps=gaps), depth, to)


def replay(
    markets: Annotated[list[str], typer.Argument(help="exchange:MARKET, as many as wanted.")],
    start: OptionalFrom = None,
    end: OptionalTo = None,
    data_types: Annotated[str, typer.Option("--types", help="Data types, with commas.")] = f"{TRADES},{BOOK_UPDATES}",
    output: Annotated[Path | None, typer.Option("--output", help="Write to this file.")] = None,
    gaps: GapsOption = "mark",
    storage: Storage = None,
    replica: Replica = None,
) -> None:
    """Print everything that happened in some markets in the order of time, as JSON lines.

    A book begins with its snapshot. A gap is a line of its own, with "missing".

    Example: booktape replay binance:BTC-USDT coinbase:BTC-USD --from 2019-10-25 --to 2019-10-25T01:00
    """
    first, last = _range(start, end)
    with open_archive(storage, replica) as archive:
        events = archive.replay(
            markets, first, last, data_types=[name.strip() for name in data_types.split(",")], gaps=gaps
        )
        lines = map(event_line, events)
        if output is None:
            for line in lines:
                sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
        else:
            with placed(output) as aside, aside.open("wb") as file:
                file.writelines(line + b"\n" for line in lines)


def coverage(
    exchange: ExchangeName,
    market: MarketName,
    start: OptionalFrom = None,
    end: OptionalTo = None,
    data_type: Annotated[str, typer.Option("--type", help="The data type.")] = TRADES,
    as_csv: AsCsv = False,
    as_json: AsJsonLines = False,
    output: OutputFile = None,
    storage: Storage = None,
    replica: Replica = None,
) -> None:
    """Show which parts of a time range are recorded, which are missing, and which are unknown.

    Example: booktape coverage binance BTC-USDT --from 2019-10-25 --to 2019-10-26
    """
    to = target(as_csv=as_csv, as_json=as_json, as_parquet=False, output=output)
    with open_archive(storage, replica) as archive:
        found = archive.coverage(exchange, market, *_range(start, end), data_type=data_type)
    rows: list[Row] = [("recorded", *interval, None, None, None) for interval in found.recorded]
    rows += [_coverage_row(gap) for gap in found.losses]
    rows.sort(key=lambda row: row[1:3])  # type: ignore[arg-type,return-value]  # two times
    if to.form == "table":
        rows = [(state, format_timestamp(since), format_timestamp(until), *rest) for state, since, until, *rest in rows]  # type: ignore[arg-type]  # as above
    write(("state", "from", "to", "why", "first", "last"), rows, to)


def _coverage_row(gap: Gap) -> Row:
    _, *columns = gap.to_json().values()
    return ("unknown" if gap.is_unknown else "missing", *columns)


def _rows(
    archive: Archive,
    data_type: str,
    exchange: str,
    market: str,
    start: str | None,
    end: str | None,
    to: Target,
    gaps: Literal["raise", "mark"],
    *,
    following: bool,
) -> None:
    if following:
        if end is not None or to.path is not None:
            raise InvalidOptionsError("--follow prints without an end: leave out --to and --output")
        since: TimestampLike = start if start is not None else clock.now() - MINUTE
        err.print("up to a minute behind, since minutes are stored when they are over; Ctrl-C ends", highlight=False)
        records = _following(follow(archive, data_type, exchange, market, since))
        _print(data_type, exchange, market, records, to if to.form != "table" else Target("csv", None))
        return
    rows = archive.rows(data_type, exchange, market, *_range(start, end), gaps=gaps)
    if to.form == "parquet" and to.path is not None:
        report_missing(rows.missing if gaps == "mark" else [])
        rows.to_parquet(to.path)
        return
    _print(data_type, exchange, market, rows, to)


def _print(data_type: str, exchange: str, market: str, records: Iterable[Any], to: Target) -> None:
    """Rows as in the published CSV; in JSON, a book's messages are whole."""
    found = _present(records)
    if data_type == BOOK_UPDATES and to.form == "json":
        write(_MESSAGE, (_message(exchange, market, record) for record in found), to)
        return
    rows: Iterator[Row] = (row for record in found for row in csv.csv_rows(exchange, market, record))
    write(csv.COLUMNS[data_type], rows, to)


def _present(records: Iterable[Any]) -> Iterator[Any]:
    """The records; the gaps among them are reported on standard error."""
    for record in records:
        if isinstance(record, Gap):
            report_missing([record])
        else:
            yield record


def _following(stretches: Iterable[Rows[Any]]) -> Iterator[Any]:
    for rows in stretches:
        yield from (record for record in rows if not isinstance(record, Gap) or is_news(record))
        sys.stdout.flush()


def report_missing(missing: Iterable[Gap]) -> None:
    """Print gaps on standard error, a line each."""
    for one in missing:
        line = (
            f"missing: {one.data_type}, {format_timestamp(one.start)} to {format_timestamp(one.end)}: {one.description}"
        )
        err.print(f"[yellow]{escape(line)}[/]", highlight=False, soft_wrap=True)


def _message(exchange: str, market: str, record: BookUpdate | BookSnapshot) -> Row:
    is_snapshot = isinstance(record, BookSnapshot)
    first, previous = (None, None) if isinstance(record, BookSnapshot) else (record.first_id, record.previous_id)
    sides = levels(record.bids), levels(record.asks)
    times = record.timestamp, record.local_timestamp
    return (exchange, market, *times, is_snapshot, first, record.last_id, previous, *sides)


def _view(view: BookView, depth: int | None, to: Target) -> None:
    if view.missing is not None:
        report_missing([view.missing])
    if to.form == "json" and to.path is None:
        typer.echo(json.encode(book_object(view, depth)).decode())
        return
    rows = [("bid", *level) for level in view.bids[:depth]] + [("ask", *level) for level in view.asks[:depth]]
    write(("side", "price", "amount"), rows, to)


def _range(start: str | None, end: str | None) -> tuple[str, str]:
    if start is None or end is None:
        raise InvalidOptionsError("give a time range: --from 2019-10-25 --to 2019-10-26")
    return start, end


def open_archive(storage: str | None, replica: str | None) -> Archive:
    """The archive that the settings and options name."""
    settings = reader_settings(storage)
    return Archive(
        settings.storage,
        replica=replica or settings.replica,
        publication=settings.publish,
        memory=settings.merge_memory,
    )
