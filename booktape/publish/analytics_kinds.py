"""The kinds of analytics data sets: what each is computed from, its columns, and its rows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from booktape.analytics import (
    BAR_COLUMNS,
    QUOTE_COLUMNS,
    TopRow,
    book_snapshots,
    quotes,
    time_bars,
    top_columns,
    top_values,
)
from booktape.model.book_replay import ChecksumRule
from booktape.model.csv import Row
from booktape.model.gap import Gap
from booktape.model.records import BOOK_UPDATES, TRADES

TRADE_BARS: Final = "trade_bars"
BOOK_SNAPSHOT_5: Final = "book_snapshot_5"
BOOK_SNAPSHOT_25: Final = "book_snapshot_25"
BOOK_QUOTES: Final = "book_quotes"


@dataclass(frozen=True, slots=True)
class DayWindow:
    """A market's day.

    :param records: in the published order, with gaps between them.
    :param rule: the sequence rule by which a loss is detected.
    :param checksum: how the venue computes the checksum of its books; None if it sends none.
    :param start: the start of the day in µs, inclusive.
    :param end: the end of the day in µs, exclusive.
    """

    exchange: str
    market: str
    records: Iterable[Any]
    rule: str
    checksum: ChecksumRule | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class AnalyticsKind:
    """A kind of analytics data set.

    :param of: the type of the records that it is computed from.
    :param every: whether a source of this kind has an interval.
    :param time: the column with a row's time (µs), which never decreases within a market.
    :param rows: the rows of a market's day, at an interval in seconds.
    """

    of: Literal["trades", "book_updates"]
    every: Literal["needed", "possible", "none"]
    columns: tuple[str, ...]
    time: str
    rows: Callable[[DayWindow, float | None], Iterator[Row]]


def _bars(day: DayWindow, every: float | None) -> Iterator[Row]:
    assert every is not None, "bars have an interval"
    for bar in time_bars(day.records, every, start=day.start, end=day.end):
        yield (day.exchange, day.market, *bar)


def _tops(depth: int) -> Callable[[DayWindow, float | None], Iterator[Row]]:
    def rows(day: DayWindow, every: float | None) -> Iterator[Row]:
        for row in book_snapshots(
            day.records, day.rule, depth, every, start=day.start, end=day.end, checksum=day.checksum
        ):
            if isinstance(row, TopRow):
                yield top_values(day.exchange, day.market, row, depth)

    return rows


def _quotes(day: DayWindow, every: float | None) -> Iterator[Row]:
    for row in quotes(day.records, day.rule, checksum=day.checksum):
        if not isinstance(row, Gap):
            yield (day.exchange, day.market, *row)


ANALYTICS_KINDS: Final[dict[str, AnalyticsKind]] = {
    TRADE_BARS: AnalyticsKind(TRADES, "needed", ("exchange", "symbol", *BAR_COLUMNS), "start", _bars),
    BOOK_SNAPSHOT_5: AnalyticsKind(BOOK_UPDATES, "possible", top_columns(5), "timestamp", _tops(5)),
    BOOK_SNAPSHOT_25: AnalyticsKind(BOOK_UPDATES, "possible", top_columns(25), "timestamp", _tops(25)),
    BOOK_QUOTES: AnalyticsKind(BOOK_UPDATES, "none", QUOTE_COLUMNS, "timestamp", _quotes),
}
"""By the ``data_type`` of a source in the sources file."""
