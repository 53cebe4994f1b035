"""``booktape bars``, ``snapshots`` and ``liquidity``: what is computed from the archive."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Final, TypeVar

import typer

from booktape.analytics import (
    BAR_COLUMNS,
    LIQUIDITY_COLUMNS,
    Bar,
    BookView,
    TopRow,
    book_snapshots,
    liquidity,
    tick_bars,
    time_bars,
    top_columns,
    top_values,
    volume_bars,
)
from booktape.analytics.book_sampler import BookMessage
from booktape.cli.read import ExchangeName, GapsOption, MarketName, Replica, Storage, open_archive, tell_missing
from booktape.cli.tables import AsCsv, AsJsonLines, AsParquet, OutputFile, target, write
from booktape.exchanges import exchange as find_exchange
from booktape.model.errors import BooktapeError
from booktape.model.gap import Missing
from booktape.model.records import BOOK_UPDATES, BookSnapshot, BookUpdate, Trade
from booktape.model.sequence import NONE
from booktape.model.timestamps import parse_range

T = TypeVar("T")
_MARKET: Final = ("exchange", "symbol")
_MOST_LEVELS: Final = 10_000

From = Annotated[str, typer.Option("--from", help="2019-10-25, 2019-10-25T14:30:00.5Z (UTC), or µs since 1970.")]
To = Annotated[str, typer.Option("--to", help="Up to this time, which is left out.")]


class InvalidBarOptionsError(BooktapeError):
    """Not exactly one kind of bar."""


def bars(
    exchange: ExchangeName,
    market: MarketName,
    start: From,
    end: To,
    every: Annotated[float | None, typer.Option(help="Time bars of so many seconds.")] = None,
    ticks: Annotated[int | None, typer.Option(help="Bars of so many trades.")] = None,
    volume: Annotated[str | None, typer.Option(help="Bars that end when this amount is traded.")] = None,
    fill: Annotated[bool, typer.Option("--fill", help="Time bars without a trade, too.")] = False,
    gaps: GapsOption = "mark",
    as_csv: AsCsv = False,
    as_json: AsJsonLines = False,
    as_parquet: AsParquet = False,
    output: OutputFile = None,
    storage: Storage = None,
    replica: Replica = None,
) -> None:
    """Bars of a market's trades: by time, by number of trades, or by volume.

    A bar of which something is missing is not `sound`; one that the range cuts, or that has not ended, is not
    `complete`.

    Example: booktape bars binance BTC-USDT --from 2024-08-09 --to 2024-08-10 --every 60
    """
    to = target(as_csv=as_csv, as_json=as_json, as_parquet=as_parquet, output=output)
    if (every is not None) + (ticks is not None) + (volume is not None) != 1:
        raise InvalidBarOptionsError("say which bars: give one of --every SECONDS, --ticks NUMBER and --volume AMOUNT")
    if fill and every is None:
        raise InvalidBarOptionsError("only time bars can be empty: --fill goes with --every")
    first, last = parse_range(start, end)
    with open_archive(storage, replica) as archive:
        trades = _telling(archive.trades(exchange, market, first, last, gaps=gaps))
        found = _bars(trades, every, ticks, volume, (first, last), fill=fill)
        write((*_MARKET, *BAR_COLUMNS), ((exchange, market, *bar) for bar in found), to)


def snapshots(
    exchange: ExchangeName,
    market: MarketName,
    start: From,
    end: To,
    depth: Annotated[int, typer.Option(min=1, max=_MOST_LEVELS, help="Levels of each side.")] = 25,
    every: Annotated[float | None, typer.Option(help="Seconds. Without it: whenever these levels changed.")] = None,
    gaps: GapsOption = "raise",
    as_csv: AsCsv = False,
    as_json: AsJsonLines = False,
    as_parquet: AsParquet = False,
    output: OutputFile = None,
    storage: Storage = None,
    replica: Replica = None,
) -> None:
    """A book's best levels at an interval, with the columns of Tardis's book_snapshot_5 and _25.

    With `--gaps mark` there are no rows from a gap until the next snapshot, and what is missing is told on standard
    error.

    Example: booktape snapshots binance BTC-USDT --from 2024-08-09 --to 2024-08-10 --depth 5 --every 1
    """
    to = target(as_csv=as_csv, as_json=as_json, as_parquet=as_parquet, output=output)
    first, last = parse_range(start, end)
    venue = find_exchange(exchange)
    rule = venue.book.rule if venue.book is not None else NONE
    with open_archive(storage, replica) as archive:
        events = archive.replay([f"{exchange}:{market}"], first, last, data_types=[BOOK_UPDATES], gaps=gaps)
        rows = book_snapshots(
            _messages(event.record for event in events),
            rule,
            depth,
            every,
            start=first,
            end=last,
            checksum=venue.book_checksum,
        )
        values = (top_values(exchange, market, row, depth) for row in _telling(rows) if isinstance(row, TopRow))
        write(top_columns(depth), values, to)


def liquidity_rows(
    exchange: ExchangeName,
    market: MarketName,
    start: From,
    end: To,
    every: Annotated[float, typer.Option(help="Seconds.")],
    size: Annotated[list[str], typer.Option(help="An order's amount; may be given several times.")],
    levels: Annotated[int | None, typer.Option(min=1, help="How many levels `depth` adds up. Default: all.")] = None,
    gaps: GapsOption = "mark",
    as_csv: AsCsv = False,
    as_json: AsJsonLines = False,
    as_parquet: AsParquet = False,
    output: OutputFile = None,
    storage: Storage = None,
    replica: Replica = None,
) -> None:
    """Spread, depth, and what orders of given sizes would have cost, at an interval.

    A row whose book is not known for certain is not `sound`, and tells nothing else.

    Example: booktape liquidity binance BTC-USDT --from 2024-08-09 --to 2024-08-10 --every 60 --size 1 --size 10
    """
    to = target(as_csv=as_csv, as_json=as_json, as_parquet=as_parquet, output=output)
    with open_archive(storage, replica) as archive:
        views = archive.books(exchange, market, start, end, every, gaps=gaps)
        rows = liquidity(_telling_views(views), size, levels=levels)
        write((*_MARKET, *LIQUIDITY_COLUMNS), ((exchange, market, *row) for row in rows), to)


def _bars(
    trades: Iterable[Trade | Missing],
    every: float | None,
    ticks: int | None,
    volume: str | None,
    stretch: tuple[int, int],
    *,
    fill: bool,
) -> Iterator[Bar]:
    if every is not None:
        start, end = stretch
        return time_bars(trades, every, start=start, end=end, empty="fill" if fill else "skip")
    if ticks is not None:
        return tick_bars(trades, ticks)
    return volume_bars(trades, volume or "")


def _messages(records: Iterable[object]) -> Iterator[BookMessage | Missing]:
    return (record for record in records if isinstance(record, BookUpdate | BookSnapshot | Missing))


def _telling(items: Iterable[T | Missing]) -> Iterator[T | Missing]:
    """Say on standard error what is missing."""
    for item in items:
        if isinstance(item, Missing):
            tell_missing([item])
        yield item


def _telling_views(views: Iterable[BookView]) -> Iterator[BookView]:
    """The same of books, once for each loss."""
    told: Missing | None = None
    for view in views:
        if view.missing is not None and view.missing != told:
            tell_missing([view.missing])
            told = view.missing
        yield view
