"""``booktape bars``, ``snapshots`` and ``liquidity``: analytics computed from the archive."""

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
from booktape.cli.options import (
    AsCsv,
    AsJsonLines,
    AsParquet,
    ExchangeName,
    From,
    GapsOption,
    MarketName,
    OutputFile,
    Replica,
    Storage,
    To,
)
from booktape.cli.read import open_archive, report_missing
from booktape.cli.tables import target, write
from booktape.exchanges import exchange as find_exchange
from booktape.model.errors import InvalidInputError
from booktape.model.gap import Gap
from booktape.model.records import BOOK_UPDATES, BookSnapshot, BookUpdate, Trade
from booktape.model.sequence import NONE
from booktape.model.timestamps import parse_range

T = TypeVar("T")
_MARKET: Final = ("exchange", "symbol")
_MOST_LEVELS: Final = 10_000


class InvalidBarOptionsError(InvalidInputError):
    """The options name no kind of bar, or several."""


def bars(
    exchange: ExchangeName,
    market: MarketName,
    start: From,
    end: To,
    every: Annotated[float | None, typer.Option(help="Time bars of this many seconds.")] = None,
    ticks: Annotated[int | None, typer.Option(help="Bars of this many trades.")] = None,
    volume: Annotated[str | None, typer.Option(help="Bars of this traded amount.")] = None,
    fill: Annotated[bool, typer.Option("--fill", help="Include time bars without a trade.")] = False,
    gaps: GapsOption = "mark",
    as_csv: AsCsv = False,
    as_json: AsJsonLines = False,
    as_parquet: AsParquet = False,
    output: OutputFile = None,
    storage: Storage = None,
    replica: Replica = None,
) -> None:
    """Compute bars of a market's trades: by time, by number of trades, or by volume.

    A bar with missing trades is not `sound`. A bar that the range cuts, or that has not ended, is not `complete`.

    Example: booktape bars binance BTC-USDT --from 2024-08-09 --to 2024-08-10 --every 60
    """
    to = target(as_csv=as_csv, as_json=as_json, as_parquet=as_parquet, output=output)
    if (every is not None) + (ticks is not None) + (volume is not None) != 1:
        raise InvalidBarOptionsError("give one of --every SECONDS, --ticks NUMBER and --volume AMOUNT")
    if fill and every is None:
        raise InvalidBarOptionsError("only time bars can be empty: --fill goes with --every")
    first, last = parse_range(start, end)
    with open_archive(storage, replica) as archive:
        trades = _reporting(archive.trades(exchange, market, first, last, gaps=gaps))
        found = _bars(trades, every, ticks, volume, (first, last), fill=fill)
        write((*_MARKET, *BAR_COLUMNS), ((exchange, market, *bar) for bar in found), to)


def snapshots(
    exchange: ExchangeName,
    market: MarketName,
    start: From,
    end: To,
    depth: Annotated[int, typer.Option(min=1, max=_MOST_LEVELS, help="Levels of each side.")] = 25,
    every: Annotated[
        float | None, typer.Option(help="Seconds between rows. Default: a row for each change of these levels.")
    ] = None,
    gaps: GapsOption = "raise",
    as_csv: AsCsv = False,
    as_json: AsJsonLines = False,
    as_parquet: AsParquet = False,
    output: OutputFile = None,
    storage: Storage = None,
    replica: Replica = None,
) -> None:
    """Compute a book's best levels at an interval, with the columns of Tardis's book_snapshot_5 and _25.

    With `--gaps mark`, gaps are reported on standard error, and there are no rows from a gap until the next snapshot.

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
        values = (top_values(exchange, market, row, depth) for row in _reporting(rows) if isinstance(row, TopRow))
        write(top_columns(depth), values, to)


def liquidity_rows(
    exchange: ExchangeName,
    market: MarketName,
    start: From,
    end: To,
    every: Annotated[float, typer.Option(help="Seconds between rows.")],
    size: Annotated[list[str], typer.Option(help="An order's amount; can be repeated.")],
    levels: Annotated[int | None, typer.Option(min=1, help="Number of levels that `depth` sums. Default: all.")] = None,
    gaps: GapsOption = "mark",
    as_csv: AsCsv = False,
    as_json: AsJsonLines = False,
    as_parquet: AsParquet = False,
    output: OutputFile = None,
    storage: Storage = None,
    replica: Replica = None,
) -> None:
    """Compute spread, depth, and what orders of given sizes would have cost, at an interval.

    A row whose book is not known for certain is not `sound`; its other values are empty.

    Example: booktape liquidity binance BTC-USDT --from 2024-08-09 --to 2024-08-10 --every 60 --size 1 --size 10
    """
    to = target(as_csv=as_csv, as_json=as_json, as_parquet=as_parquet, output=output)
    with open_archive(storage, replica) as archive:
        views = archive.books(exchange, market, start, end, every, gaps=gaps)
        rows = liquidity(_reporting_views(views), size, levels=levels)
        write((*_MARKET, *LIQUIDITY_COLUMNS), ((exchange, market, *row) for row in rows), to)


def _bars(
    trades: Iterable[Trade | Gap],
    every: float | None,
    ticks: int | None,
    volume: str | None,
    interval: tuple[int, int],
    *,
    fill: bool,
) -> Iterator[Bar]:
    if every is not None:
        start, end = interval
        return time_bars(trades, every, start=start, end=end, empty="fill" if fill else "skip")
    if ticks is not None:
        return tick_bars(trades, ticks)
    return volume_bars(trades, volume or "")


def _messages(records: Iterable[object]) -> Iterator[BookMessage | Gap]:
    return (record for record in records if isinstance(record, BookUpdate | BookSnapshot | Gap))


def _reporting(items: Iterable[T | Gap]) -> Iterator[T | Gap]:
    """Pass items on, and print the gaps among them on standard error."""
    for item in items:
        if isinstance(item, Gap):
            report_missing([item])
        yield item


def _reporting_views(views: Iterable[BookView]) -> Iterator[BookView]:
    """Pass books on, and print each of their gaps once on standard error."""
    reported: Gap | None = None
    for view in views:
        if view.missing is not None and view.missing != reported:
            report_missing([view.missing])
            reported = view.missing
        yield view
