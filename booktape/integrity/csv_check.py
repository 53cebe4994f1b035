"""Checks a published CSV file: its header, fields and order, and what its ids show to be missing.

The file is read once from end to end. A wrong header, field or order, or a duplicate, means that the merge is broken:
:class:`InvalidFileError`. Missing ids are counted market by market, where the venue's ids can show them.
"""

import csv
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from booktape.merge.reference import id_order
from booktape.model.csv import COLUMNS
from booktape.model.errors import DataError
from booktape.model.id_sets import IdSet, Range
from booktape.model.records import BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, MINUTE, QUOTES, TRADES
from booktape.model.sequence import CONTIGUOUS
from booktape.model.timestamps import day_interval

if TYPE_CHECKING:
    import hashlib

_LONGEST_LINE: Final = 1024 * 1024
_NO_EPOCHS: Final[Mapping[str, Sequence[int]]] = {}
_REQUIRED: Final = {
    TRADES: ("symbol", "id", "side", "price", "amount"),
    BOOK_UPDATES: ("symbol", "side", "price", "amount"),
    QUOTES: ("symbol",),
    DERIVATIVE_TICKER: ("symbol",),
    LIQUIDATIONS: ("symbol", "side", "price", "amount"),
}
"""The columns that no row may leave empty. Liquidations have ids at some venues only."""

_FILLED: Final = {DERIVATIVE_TICKER: COLUMNS[DERIVATIVE_TICKER][4:]}
"""The columns that are filled forward: they are empty only until the market's first value of the day."""


PERHAPS_UNTIMED: Final = frozenset({BOOK_UPDATES, QUOTES, DERIVATIVE_TICKER, LIQUIDATIONS})
"""Data types whose records have no exchange time at some venues. Such a row has its receipt time instead, or in a book
the time of the message before it."""


class MarketRows(Struct, frozen=True):
    """One market's part of the file.

    ``missing`` ids lie in ``gaps`` ranges; both are None where ids cannot show loss. ``sha256`` is over the market's
    lines, each with its LF.
    """

    rows: int
    first_id: int | str | None = None
    last_id: int | str | None = None
    missing: int | None = None
    gaps: int | None = None
    sha256: str | None = None


class EpochIds(NamedTuple):
    """The ids of one sequence epoch of a market: the smallest, the largest, and the ranges missing in between."""

    first: int
    last: int
    missing: list[Range]


class InvalidFileError(DataError):
    """A file that is not a valid published CSV. The text names the line."""


@dataclass(frozen=True, slots=True)
class CsvFindings:
    """What a file holds.

    ``expected`` counts the ids that the venue issued; None where ids cannot show that. ``updates`` counts the rows of a
    book that do not belong to a snapshot; None for other data types. ``ids`` are those of each market's epochs, under
    ``contiguous``.
    """

    rows: int
    bytes: int
    sha256: str
    markets: dict[str, MarketRows]
    expected: int | None
    updates: int | None = None
    ids: Mapping[str, list[EpochIds]] = field(default_factory=dict)

    @property
    def completeness(self) -> float | None:
        """The share (0 to 1) of the issued ids that are in the file; None where ids cannot show loss."""
        if self.expected is None:
            return None
        return self.rows / self.expected if self.expected else 0.0


def valid_times(data_type: str, day: date) -> range:
    """Return the times (µs) that the rows of a day may have."""
    begin, end = day_interval(day)
    slack = MINUTE if data_type == BOOK_UPDATES else 0  # a snapshot without a time, in the day's first or last batch
    return range(begin - slack, end + slack)


def read_csv(
    chunks: Iterable[bytes],
    data_type: str,
    rule: str,
    *,
    exchange: str,
    times: range | None,
    on_row: Callable[[list[str]], None] = lambda row: None,
    epochs: Mapping[str, Sequence[int]] = _NO_EPOCHS,
) -> CsvFindings:
    """Check a published CSV file.

    :param chunks: the file's bytes.
    :param data_type: the published data type, which determines the columns.
    :param rule: the sequence rule that the venue declares. Only trades under ``contiguous`` show loss in the file, by
        their ids. The CSV does not have the ids that other rules are about.
    :param exchange: the exchange of all rows.
    :param times: the times (µs) allowed for ``timestamp``; None allows any. A row that has its receipt time instead of
        an exchange time (:data:`PERHAPS_UNTIMED`) may have any.
    :param on_row: called with each valid row.
    :param epochs: the times (µs) of each market's sequence resets, rising.
    :raises InvalidFileError: the header, a row's fields, the order or an id is wrong. The text names the line.
    """
    source = _Lines(chunks)
    rows = csv.reader(source, strict=True)
    try:
        if next(rows, None) != list(COLUMNS[data_type]):
            raise InvalidFileError(f"line 1: the header is not {','.join(COLUMNS[data_type])}")
        reading = _Reading(data_type, exchange, times, epochs, contiguous=rule == CONTIGUOUS and data_type == TRADES)
        for row in rows:
            if source.line != reading.rows + 2:
                raise ValueError("a row of more than one line")
            reading.take(row, source.text)
            on_row(row)
    except (csv.Error, ValueError) as error:
        raise InvalidFileError(f"line {source.line}: {error}") from error
    return reading.findings(source)


class _Lines:
    """Splits bytes into lines of text, and counts and hashes them. ``text`` is the last line, ``line`` its number."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.digest = sha256()
        self.size = 0
        self.line = 0
        self.text = ""

    def __iter__(self) -> Iterator[str]:
        rest = b""
        for chunk in self._chunks:
            self.digest.update(chunk)
            self.size += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self.line += 1
                self.text = line.decode() + "\n"
                yield self.text
            if len(rest) > _LONGEST_LINE:
                raise ValueError(f"a line of more than {_LONGEST_LINE} bytes")
        if rest:
            self.line += 1
            raise ValueError("the last line is incomplete: it does not end with a line feed")


@dataclass(slots=True)
class _Seen:
    """What the rows so far hold of one market."""

    rows: int = 0
    first: str | None = None
    last: str | None = None
    ids: defaultdict[int, IdSet] = field(default_factory=lambda: defaultdict(IdSet))
    digest: "hashlib._Hash" = field(default_factory=sha256)
    filled: set[str] = field(default_factory=set)


class _Reading:
    """Checks rows one after the other, and collects each market's ids."""

    def __init__(
        self,
        data_type: str,
        exchange: str,
        times: range | None,
        epochs: Mapping[str, Sequence[int]],
        *,
        contiguous: bool,
    ) -> None:
        columns = COLUMNS[data_type]
        self._width = len(columns)
        self._exchange_column = columns.index("exchange")
        self._exchange = exchange
        self._times = times
        self._received = columns.index("local_timestamp") if data_type in PERHAPS_UNTIMED else None
        self._untimed: dict[str, str] = {}
        self._required = [(name, columns.index(name)) for name in _REQUIRED[data_type]]
        self._filled = [(name, columns.index(name)) for name in _FILLED.get(data_type, ())]
        self._is_snapshot = columns.index("is_snapshot") if "is_snapshot" in columns else None
        self._updates = 0
        self._symbol = columns.index("symbol")
        self._timestamp = columns.index("timestamp")
        self._id = columns.index("id") if "id" in columns else None
        self._unique = data_type == TRADES  # a liquidation's may be its order's, which closes at several prices
        self._contiguous = contiguous
        self._epochs = epochs
        self._markets: dict[str, _Seen] = {}
        self._time = 0
        self._market = ""
        self._identifier: str | None = None
        self.rows = 0

    def take(self, row: list[str], text: str) -> None:
        """Check the next row, of which ``text`` is the line. Raises ValueError."""
        if len(row) != self._width:
            raise ValueError(f"{len(row)} fields instead of {self._width}")
        market = row[self._symbol]
        identifier = (row[self._id] or None) if self._id is not None else None
        time = int(row[self._timestamp])
        self._check_fields(row, time)
        self._check_order(time, market, identifier)
        seen = self._markets.get(market)
        if seen is None:
            seen = self._markets[market] = _Seen(first=identifier)
        epoch = bisect_right(self._epochs[market], time) if market in self._epochs else 0
        if self._contiguous and identifier is not None and not seen.ids[epoch].add(int(identifier)):
            raise ValueError(f"{market} has the id {identifier} twice")
        if self._filled:
            self._check_filled(row, market, seen.filled)
        seen.rows += 1
        seen.digest.update(text.encode())
        seen.last = identifier
        self.rows += 1
        if self._is_snapshot is not None and row[self._is_snapshot] == "false":
            self._updates += 1

    def _check_fields(self, row: list[str], time: int) -> None:
        if row[self._exchange_column] != self._exchange:
            raise ValueError(f"a row of {row[self._exchange_column]!r} instead of {self._exchange}")
        for name, column in self._required:
            if not row[column]:
                raise ValueError(f"a row without {name}")
        if self._times is not None and time not in self._times and not self._is_untimed(row):
            raise ValueError(f"the time {time} is not of that day")

    def _is_untimed(self, row: list[str]) -> bool:
        if self._received is not None and row[self._timestamp] == row[self._received]:
            self._untimed[row[self._symbol]] = row[self._timestamp]
        return self._untimed.get(row[self._symbol]) == row[self._timestamp]

    def _check_filled(self, row: list[str], market: str, filled: set[str]) -> None:
        for name, column in self._filled:
            if row[column]:
                filled.add(name)
            elif name in filled:
                raise ValueError(f"{market} has no {name} although an earlier row has: it must be filled forward")

    def _check_order(self, time: int, market: str, identifier: str | None) -> None:
        if time < self._time or (time == self._time and market < self._market):
            raise ValueError(f"{market} at {time} stands after {self._market} at {self._time}")
        if time == self._time and market == self._market and identifier is not None:
            before = self._identifier
            if identifier == before and self._unique:
                raise ValueError(f"{market} has the id {identifier} twice")
            if before is not None and id_order(identifier) < id_order(before):
                raise ValueError(f"{market} has the id {identifier} after {before}")
        self._time, self._market, self._identifier = time, market, identifier

    def findings(self, source: _Lines) -> CsvFindings:
        """What the file holds, after the last row."""
        markets = {name: self._summary(seen) for name, seen in sorted(self._markets.items())}
        expected = sum(market.rows + (market.missing or 0) for market in markets.values())
        return CsvFindings(
            rows=self.rows,
            bytes=source.size,
            sha256=source.digest.hexdigest(),
            markets=markets,
            expected=expected if self._contiguous else None,
            updates=self._updates if self._is_snapshot is not None else None,
            ids={name: _epochs_of(seen) for name, seen in self._markets.items()} if self._contiguous else {},
        )

    def _summary(self, seen: _Seen) -> MarketRows:
        if self._contiguous:
            epochs = seen.ids.values()
            first, last = min(ids.first for ids in epochs), max(ids.last for ids in epochs)
            missing, gaps = sum(ids.missing for ids in epochs), sum(ids.gaps for ids in epochs)
            return MarketRows(seen.rows, first, last, missing, gaps, sha256=seen.digest.hexdigest())
        return MarketRows(seen.rows, seen.first or None, seen.last or None, sha256=seen.digest.hexdigest())


def _epochs_of(seen: _Seen) -> list[EpochIds]:
    return [EpochIds(ids.first, ids.last, ids.holes()) for _, ids in sorted(seen.ids.items())]
