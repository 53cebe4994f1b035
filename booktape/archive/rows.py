"""The records of one market in a stretch of time: read when asked for, as records or as a table."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

import duckdb
import msgspec

from booktape.archive.errors import FramesMissingError, GapError, InvalidRequestError
from booktape.archive.gaps import GapFinder, days_of, opened_day
from booktape.archive.market_days import MARGIN, MarketDays, StreamKey, Window
from booktape.archive.outages import Outages, is_numbered, receipt_time
from booktape.archive.queries import FIELDS, duckdb_errors, literal, record_of, table_columns
from booktape.model.csv import csv_lines, csv_rows
from booktape.model.gap import Gap, interleave
from booktape.model.records import BOOK_UPDATES, DAY, TRADES, record_time
from booktape.model.timestamps import day_of, format_timestamp

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]  # it brings no types
    import polars
    import pyarrow  # type: ignore[import-untyped]  # it brings no types

R = TypeVar("R")
Gaps = Literal["raise", "mark"]

_OF_THEIR_DAY: Final = (TRADES, BOOK_UPDATES)
"""Data types whose published times never lie beyond their day; others may have no time but that of receipt."""


@dataclass(frozen=True, repr=False)
class Rows(Generic[R]):
    """Records of one market whose ``timestamp`` (µs, as published) lies in a half-open range, in the published order.

    Iterate for :mod:`booktape.model.records`, or take a table. Nothing is read before that, and iterating holds a few
    thousand records at a time. With ``gaps="raise"`` a :class:`~booktape.archive.GapError` is raised where something is
    missing; with ``gaps="mark"`` a :class:`~booktape.model.gap.Gap` stands there among the records.
    """

    asked: StreamKey
    window: Window
    gaps: Gaps
    _shelf: MarketDays
    _lapses: Outages

    def __repr__(self) -> str:
        start, end = map(format_timestamp, self.window)
        return f"<{self.asked.data_type} of {self.asked.exchange} {self.asked.market}, {start} to {end}>"

    def __iter__(self) -> Iterator[R]:
        read = self._day_by_day if self.asked.data_type in _OF_THEIR_DAY else self._across_days
        for item in read():
            if isinstance(item, Gap) and self.gaps == "raise":
                raise GapError(self.asked.exchange, self.asked.market, item)
            yield item

    @property
    def missing(self) -> list[Gap]:
        """All that is missing, or may be, in the order of time."""
        finder = self._finder()
        found: list[Gap] = []
        for start in days_of(self.window):
            with opened_day(self._shelf, self.asked, start, self.window) as opened:
                found += finder.day(opened)
        return sorted({*found, *finder.end()}, key=lambda one: (one.start, one.end))

    def to_arrow(self, *, exact: bool = False) -> "pyarrow.Table":
        """A table with the columns of the published Parquet; numbers are floats, or with ``exact`` text."""
        _require("pyarrow")
        with ExitStack() as stack:
            sql = self._table(stack, exact=exact)
            stack.enter_context(duckdb_errors())
            return stack.enter_context(self._shelf.cursor()).sql(sql).to_arrow_table()

    def to_polars(self, *, exact: bool = False) -> "polars.DataFrame":
        """As :meth:`to_arrow`."""
        _require("polars")
        import polars

        frame = polars.from_arrow(self.to_arrow(exact=exact))
        assert isinstance(frame, polars.DataFrame)
        return frame

    def to_pandas(self, *, exact: bool = False) -> "pandas.DataFrame":
        """As :meth:`to_arrow`."""
        _require("pandas")
        frame: pandas.DataFrame = self.to_arrow(exact=exact).to_pandas()
        return frame

    def to_parquet(self, path: str | Path, *, exact: bool = True) -> None:
        """Write the table into a file; the exchange's text, unless ``exact`` is False."""
        with ExitStack() as stack:
            aside = stack.enter_context(_whole(Path(path)))
            sql = self._table(stack, exact=exact)
            cursor = stack.enter_context(self._shelf.cursor())
            cursor.execute(f"COPY ({sql}) TO {literal(str(aside))} (FORMAT parquet, COMPRESSION zstd)")

    def to_csv(self, path: str | Path) -> None:
        """Write a CSV file with the columns of the published one; a book has a row for each level."""
        with _whole(Path(path)) as aside, aside.open("w", encoding="utf-8", newline="") as file:
            file.writelines(self.csv())

    def to_json(self, path: str | Path) -> None:
        """Write a file with one JSON object a line: the record's fields as they are stored."""
        with _whole(Path(path)) as aside, aside.open("wb") as file:
            file.writelines(self.json())

    def csv(self) -> Iterator[str]:
        """The lines of :meth:`to_csv`. What is missing has no line."""
        exchange, market, data_type = self.asked
        records: Iterator[Any] = (record for record in self if not isinstance(record, Gap))
        return csv_lines(data_type, (row for record in records for row in csv_rows(exchange, market, record)))

    def json(self) -> Iterator[bytes]:
        """The lines of :meth:`to_json`; what is missing is ``{"missing": …}``."""
        encoder = msgspec.json.Encoder()
        for record in self:
            told = {"missing": record.to_json()} if isinstance(record, Gap) else record
            yield encoder.encode(told) + b"\n"

    def _finder(self) -> GapFinder:
        return GapFinder(self._shelf, self._lapses, self.asked, self.window)

    def _day_by_day(self) -> Iterator[Any]:
        finder = self._finder()
        clock = receipt_time if self.asked.data_type == BOOK_UPDATES and not is_numbered(self.asked) else record_time
        for start in days_of(self.window):
            with opened_day(self._shelf, self.asked, start, self.window) as opened:
                yield from interleave(self._records(start), finder.day(opened), clock)
        yield from finder.end()

    def _across_days(self) -> Iterator[Any]:
        """By time, whichever day's file a record is in: without the exchange's time it may lie beyond its day."""
        finder = self._finder()
        lapses = []
        for start in days_of(self.window):
            with opened_day(self._shelf, self.asked, start, self.window) as opened:
                lapses += finder.day(opened)
        around = self.window[0] - MARGIN, self.window[1] + MARGIN
        return interleave(_by_time(self._records, days_of(around)), lapses, record_time)

    def _records(self, start: int) -> Iterator[Any]:
        """The records of a day's file that are asked for. ``start`` is its midnight (µs)."""
        make = record_of(self.asked.data_type)
        with opened_day(self._shelf, self.asked, start, self._wanted(start)) as opened:
            if opened.source is not None:
                for row in opened.source.select(FIELDS[self.asked.data_type], self._condition()):
                    yield make(row)

    def _wanted(self, start: int) -> Window:
        """The part of a day whose objects are needed; all of the neighbours' that may reach over midnight."""
        first, end = self.window
        return min(max(first, start), start + DAY - MARGIN), max(min(end, start + DAY), start + MARGIN)

    def _condition(self) -> str:
        return f"timestamp >= {self.window[0]} AND timestamp < {self.window[1]}"

    def _table(self, stack: ExitStack, *, exact: bool) -> str:
        """The SQL for all rows. Raises :class:`GapError` where something is missing, unless that is to be marked."""
        if self.gaps == "raise" and (missing := self.missing):
            raise GapError(self.asked.exchange, self.asked.market, missing[0])
        straggling = self.asked.data_type not in _OF_THEIR_DAY
        margin = MARGIN if straggling else 0
        parts = []
        is_sorted = True
        for number, start in enumerate(days_of((self.window[0] - margin, self.window[1] + margin))):
            opened = stack.enter_context(opened_day(self._shelf, self.asked, start, self._wanted(start)))
            if opened.source is not None:
                parts.append(f"SELECT {number} AS part, * FROM {opened.source.table} WHERE {self._condition()}")
                is_sorted = is_sorted and opened.source.is_sorted
        order = "" if is_sorted and (len(parts) == 1 or not straggling) else " ORDER BY timestamp, part, position"
        if not parts:
            source = stack.enter_context(self._shelf.no_rows(self.asked, day_of(self.window[0])))
            parts.append(f"SELECT 0 AS part, * FROM {source.table}")
        columns = table_columns(self.asked.data_type, exact=exact)
        return f"SELECT {columns} FROM ({' UNION ALL BY NAME '.join(parts)}){order}"


def _by_time(read: Callable[[int], Iterator[Any]], days: list[int]) -> Iterator[Any]:
    """The records of several days by time; a day is opened when its time comes."""
    waiting = list(reversed(days))
    heap: list[tuple[int, int, Any, Iterator[Any]]] = []
    while heap or waiting:
        while waiting and (not heap or heap[0][0] >= waiting[-1] - MARGIN):
            start = waiting.pop()
            records = read(start)
            for record in records:
                heap.append((record_time(record), start, record, records))
                heapify(heap)
                break
        if not heap:
            continue
        _, start, record, records = heap[0]
        yield record
        for following in records:
            heapreplace(heap, (record_time(following), start, following, records))
            break
        else:
            heappop(heap)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file to write, which takes its place when it is whole.
    Raises :class:`InvalidRequestError` where that cannot be."""
    aside = path.with_name(f".{path.name}.part")
    try:
        yield aside
        aside.replace(path)
    except (OSError, duckdb.IOException) as error:
        raise InvalidRequestError(
            f"{path} cannot be written: {str(error).partition(chr(10))[0]}; choose another file"
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def _require(package: str) -> None:
    if find_spec(package) is None:
        raise FramesMissingError(f"{package} is not installed: install Booktape with the extra 'frames'")
