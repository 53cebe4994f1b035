"""The records of one stream in a window: read on demand, as records or as a table."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

import duckdb
import msgspec

from booktape.archive.catalog import StreamKey
from booktape.archive.day_files import MARGIN, DayFiles, Window, midnights
from booktape.archive.errors import FramesMissingError, GapError, InvalidRequestError
from booktape.archive.gaps import GapFinder, Outages, is_numbered, receipt_time
from booktape.archive.queries import RECORD_COLUMNS, duckdb_errors, record_maker, table_columns
from booktape.merge.sql_fragments import PARQUET_FORMAT, copy_to
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
"""What a gap does: raise :class:`~booktape.archive.GapError`, or give its :class:`~booktape.model.gap.Gap`."""

_WITHIN_THEIR_DAY: Final = (TRADES, BOOK_UPDATES)
"""Data types whose published times lie within their day. Others may have no time but that of their receipt."""


@dataclass(frozen=True, repr=False)
class Rows(Generic[R]):
    """The records of one stream whose published ``timestamp`` lies in a window, in the published order.

    Iterate for the records of :mod:`booktape.model.records`, or take a table. Nothing is read before that; iterating
    holds a few thousand records in memory.

    :ivar window: the start (inclusive) and the end (exclusive), µs.
    :ivar gaps: with ``"raise"`` a gap raises :class:`~booktape.archive.GapError`; with ``"mark"`` a
        :class:`~booktape.model.gap.Gap` stands in its place among the records.
    """

    stream: StreamKey
    window: Window
    gaps: Gaps
    _files: DayFiles
    _outages: Outages

    def __repr__(self) -> str:
        start, end = map(format_timestamp, self.window)
        return f"<{self.stream.data_type} of {self.stream.exchange} {self.stream.market}, {start} to {end}>"

    def __iter__(self) -> Iterator[R]:
        read = self._day_by_day if self.stream.data_type in _WITHIN_THEIR_DAY else self._across_days
        for item in read():
            if isinstance(item, Gap) and self.gaps == "raise":
                raise GapError(self.stream.exchange, self.stream.market, item)
            yield item

    @property
    def missing(self) -> list[Gap]:
        """All gaps of the window, in the order of time."""
        finder = self._finder()
        gaps: set[Gap] = set()
        for start in midnights(self.window):
            with self._files.open_at(self.stream, start, self.window) as opened:
                gaps.update(finder.day(opened))
        gaps.update(finder.end())
        return sorted(gaps, key=lambda gap: (gap.start, gap.end))

    def to_arrow(self, *, exact: bool = False) -> "pyarrow.Table":
        """Read into a table with the columns of the published Parquet.

        :param exact: keep prices and amounts as the exchange's text rather than as floats.
        :raises FramesMissingError: pyarrow is not installed.
        """
        _require_package("pyarrow")
        with ExitStack() as stack:
            sql = self._table_sql(stack, exact=exact)
            stack.enter_context(duckdb_errors())
            return stack.enter_context(self._files.cursor()).sql(sql).to_arrow_table()

    def to_polars(self, *, exact: bool = False) -> "polars.DataFrame":
        """As :meth:`to_arrow`, into a data frame of Polars."""
        _require_package("polars")
        import polars

        frame = polars.from_arrow(self.to_arrow(exact=exact))
        assert isinstance(frame, polars.DataFrame)
        return frame

    def to_pandas(self, *, exact: bool = False) -> "pandas.DataFrame":
        """As :meth:`to_arrow`, into a data frame of pandas."""
        _require_package("pandas")
        frame: pandas.DataFrame = self.to_arrow(exact=exact).to_pandas()
        return frame

    def to_parquet(self, path: str | Path, *, exact: bool = True) -> None:
        """Write the table of :meth:`to_arrow` into a Parquet file.

        :param exact: keep prices and amounts as the exchange's text rather than as floats.
        :raises InvalidRequestError: the file cannot be written.
        """
        with ExitStack() as stack:
            part = stack.enter_context(_atomic(Path(path)))
            sql = self._table_sql(stack, exact=exact)
            cursor = stack.enter_context(self._files.cursor())
            cursor.execute(copy_to(sql, part, PARQUET_FORMAT))

    def to_csv(self, path: str | Path) -> None:
        """Write a CSV file with the columns of the published one. A book has a row for each level.

        Raises :class:`~booktape.archive.InvalidRequestError` where the file cannot be written.
        """
        with _atomic(Path(path)) as part, part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(self.csv())

    def to_json(self, path: str | Path) -> None:
        """Write a file with a JSON object a line, which has the record's fields as they are stored.

        Raises :class:`~booktape.archive.InvalidRequestError` where the file cannot be written.
        """
        with _atomic(Path(path)) as part, part.open("wb") as file:
            file.writelines(self.json())

    def csv(self) -> Iterator[str]:
        """The lines of :meth:`to_csv`. Gaps have no line."""
        exchange, market, data_type = self.stream
        records: Iterator[Any] = (record for record in self if not isinstance(record, Gap))
        return csv_lines(data_type, (row for record in records for row in csv_rows(exchange, market, record)))

    def json(self) -> Iterator[bytes]:
        """The lines of :meth:`to_json`. The line of a gap is ``{"missing": …}``."""
        encoder = msgspec.json.Encoder()
        for record in self:
            value = {"missing": record.to_json()} if isinstance(record, Gap) else record
            yield encoder.encode(value) + b"\n"

    def _finder(self) -> GapFinder:
        return GapFinder(self._files, self._outages, self.stream, self.window)

    def _day_by_day(self) -> Iterator[Any]:
        finder = self._finder()
        by_receipt = self.stream.data_type == BOOK_UPDATES and not is_numbered(self.stream)
        clock = receipt_time if by_receipt else record_time
        for start in midnights(self.window):
            with self._files.open_at(self.stream, start, self.window) as opened:
                yield from interleave(self._records(start), finder.day(opened), clock)
        yield from finder.end()

    def _across_days(self) -> Iterator[Any]:
        """Read by time across the files: a record without the exchange's time may lie in a neighbouring day's file."""
        finder = self._finder()
        gaps = []
        for start in midnights(self.window):
            with self._files.open_at(self.stream, start, self.window) as opened:
                gaps += finder.day(opened)
        around = self.window[0] - MARGIN, self.window[1] + MARGIN
        return interleave(_merge_days(self._records, midnights(around)), gaps, record_time)

    def _records(self, start: int) -> Iterator[Any]:
        """The records of the window that are in the file of one day, by its midnight (µs)."""
        make = record_maker(self.stream.data_type)
        with self._files.open_at(self.stream, start, self._part(start)) as opened:
            if opened.source is not None:
                for row in opened.source.select(RECORD_COLUMNS[self.stream.data_type], self._condition()):
                    yield make(row)

    def _part(self, start: int) -> Window:
        """The part of a day whose objects are read; of a neighbouring day, what may reach over midnight."""
        first, end = self.window
        return min(max(first, start), start + DAY - MARGIN), max(min(end, start + DAY), start + MARGIN)

    def _condition(self) -> str:
        return f"timestamp >= {self.window[0]} AND timestamp < {self.window[1]}"

    def _table_sql(self, stack: ExitStack, *, exact: bool) -> str:
        """The SELECT of all rows. Raises :class:`GapError` for a gap, unless gaps are to be marked."""
        if self.gaps == "raise" and (gaps := self.missing):
            raise GapError(self.stream.exchange, self.stream.market, gaps[0])
        across_days = self.stream.data_type not in _WITHIN_THEIR_DAY
        margin = MARGIN if across_days else 0
        parts = []
        is_sorted = True
        for number, start in enumerate(midnights((self.window[0] - margin, self.window[1] + margin))):
            opened = stack.enter_context(self._files.open_at(self.stream, start, self._part(start)))
            if opened.source is not None:
                parts.append(f"SELECT {number} AS part, * FROM {opened.source.table} WHERE {self._condition()}")
                is_sorted = is_sorted and opened.source.is_sorted
        order = "" if is_sorted and (len(parts) == 1 or not across_days) else " ORDER BY timestamp, part, position"
        if not parts:
            source = stack.enter_context(self._files.open_empty(self.stream, day_of(self.window[0])))
            parts.append(f"SELECT 0 AS part, * FROM {source.table}")
        columns = table_columns(self.stream.data_type, exact=exact)
        return f"SELECT {columns} FROM ({' UNION ALL BY NAME '.join(parts)}){order}"


def _merge_days(read: Callable[[int], Iterator[Any]], days: list[int]) -> Iterator[Any]:
    """The records of several days by time. A day is opened when its time comes."""
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
def _atomic(path: Path) -> Iterator[Path]:
    """A file to write, which is renamed to its path once it is complete. Raises :class:`InvalidRequestError`."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    except (OSError, duckdb.IOException) as error:
        raise InvalidRequestError(
            f"{path} cannot be written: {str(error).partition(chr(10))[0]}; choose another file"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _require_package(package: str) -> None:
    if find_spec(package) is None:
        raise FramesMissingError(f"{package} is not installed: install Booktape with the extra 'frames'")
