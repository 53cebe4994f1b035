"""The archive: recorded and published data by market and time, independent of how it is stored."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from math import isfinite
from types import TracebackType
from typing import Any, Literal, Self, get_args, overload

from booktape.analytics.book_view import BookView
from booktape.archive.books import BookReader, RecentBooks
from booktape.archive.catalog import Catalog, StreamKey, open_catalog
from booktape.archive.day_files import DayFiles, Window, midnights
from booktape.archive.errors import GapError, InvalidRequestError, NotRecordedError
from booktape.archive.gaps import Coverage, Outages, coverage_of
from booktape.archive.replay import ReplayEvent, initial_book, merge_events, stream_events
from booktape.archive.rows import Gaps, Rows
from booktape.model.csv import PUBLISHED
from booktape.model.gap import Gap
from booktape.model.records import (
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    QUOTES,
    SECOND,
    TRADES,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Quote,
    Trade,
)
from booktape.model.timestamps import TimestampLike, day_of, format_timestamp, parse_range, parse_timestamp

Raise = Literal["raise"]
BookMessage = BookUpdate | BookSnapshot


class Archive:
    """The recordings below a storage URL or in a directory. Thread-safe. Close it, or use it in a ``with`` statement.

    Published days are read from their Parquet files. Other days are merged from the stored objects by the SQL that
    publishes them, so both give the same rows. Ranges include their start and exclude their end. Times are the
    published ones: the exchange's, or the receive time where the exchange gives none.

    :param url: the storage URL of the primary system, or a directory.
    :param replica: the storage URL of the replica, if there is one.
    :param publication: the storage URL of the published files, if they are not in the storage itself.
    :param memory: the memory limit of DuckDB, in its notation (``2GB``); more is spilled to a temporary directory.
    :raises InvalidStorageUrlError: not a storage URL.
    :raises StorageDeniedError: a directory does not exist.

    Every method raises :class:`InvalidRequestError` and :class:`~booktape.model.timestamps.InvalidTimestampError` for
    invalid parameters, :class:`UnknownMarketError` and :class:`~booktape.exchanges.UnknownExchangeError` for unknown
    markets, and :class:`ReadFailedError` or the errors of the store where the data cannot be read.
    """

    def __init__(
        self, url: str, *, replica: str | None = None, publication: str | None = None, memory: str = "1GB"
    ) -> None:
        catalog = open_catalog(url, replica, publication)
        self._files = DayFiles(catalog, memory)
        self._outages = Outages(catalog)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove temporary files. Reads that are under way fail with :class:`ReadFailedError`."""
        self._files.close()

    @overload
    def trades(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Raise = "raise"
    ) -> Rows[Trade]: ...

    @overload
    def trades(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Gaps
    ) -> Rows[Trade | Gap]: ...

    def trades(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Gaps = "raise"
    ) -> Rows[Any]:
        """A market's trades, in the order of time and id. See :meth:`rows`."""
        return self.rows(TRADES, exchange, market, start, end, gaps=gaps)

    @overload
    def book_updates(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Raise = "raise"
    ) -> Rows[BookMessage]: ...

    @overload
    def book_updates(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Gaps
    ) -> Rows[BookMessage | Gap]: ...

    def book_updates(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Gaps = "raise"
    ) -> Rows[Any]:
        """The messages of a market's book, including snapshots, in the published order. See :meth:`rows`."""
        return self.rows(BOOK_UPDATES, exchange, market, start, end, gaps=gaps)

    @overload
    def quotes(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Raise = "raise"
    ) -> Rows[Quote]: ...

    @overload
    def quotes(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Gaps
    ) -> Rows[Quote | Gap]: ...

    def quotes(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Gaps = "raise"
    ) -> Rows[Any]:
        """A market's best bids and asks. See :meth:`rows`."""
        return self.rows(QUOTES, exchange, market, start, end, gaps=gaps)

    @overload
    def derivative_ticker(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Raise = "raise"
    ) -> Rows[DerivativeTicker]: ...

    @overload
    def derivative_ticker(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Gaps
    ) -> Rows[DerivativeTicker | Gap]: ...

    def derivative_ticker(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Gaps = "raise"
    ) -> Rows[Any]:
        """The ticker of a derivative. Each record has the last values of that day so far. See :meth:`rows`."""
        return self.rows(DERIVATIVE_TICKER, exchange, market, start, end, gaps=gaps)

    @overload
    def liquidations(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Raise = "raise"
    ) -> Rows[Liquidation]: ...

    @overload
    def liquidations(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Gaps
    ) -> Rows[Liquidation | Gap]: ...

    def liquidations(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, gaps: Gaps = "raise"
    ) -> Rows[Any]:
        """Forced liquidations of positions. See :meth:`rows`."""
        return self.rows(LIQUIDATIONS, exchange, market, start, end, gaps=gaps)

    def rows(
        self,
        data_type: str,
        exchange: str,
        market: str,
        start: TimestampLike,
        end: TimestampLike,
        *,
        gaps: Gaps = "raise",
    ) -> Rows[Any]:
        """A market's records of one data type.

        :raises NotRecordedError: nothing was recorded in the range; the text has the days that were.
        """
        stream, window = _stream(exchange, market, data_type), parse_range(start, end)
        _check_gaps(gaps)
        self._require_recorded(stream, window)
        return Rows(stream, window, gaps, self._files, self._outages)

    def book(self, exchange: str, market: str, at: TimestampLike, *, gaps: Gaps = "raise") -> BookView:
        """A market's whole book at an instant, after all messages up to and including that instant.

        :param gaps: with ``"mark"``, a book that is not known for certain is returned, but is not ``sound``.
        :raises GapError: the book is not known for certain.
        """
        time = parse_timestamp(at)
        (view,) = self._views(_stream(exchange, market, BOOK_UPDATES), [time], gaps)
        return view

    def books(
        self,
        exchange: str,
        market: str,
        start: TimestampLike,
        end: TimestampLike,
        every: float | timedelta,
        *,
        gaps: Gaps = "raise",
    ) -> Iterator[BookView]:
        """A market's books at regular instants: at ``start`` and every interval after it, before ``end``.

        :param every: the interval, as a number of seconds or a timedelta; at least 1 µs.
        :param gaps: as for :meth:`book`.
        :raises GapError: a book is not known for certain.
        """
        first, last = parse_range(start, end)
        seconds = every.total_seconds() if isinstance(every, timedelta) else every
        step = round(seconds * SECOND) if isfinite(seconds) else 0
        if step <= 0:
            raise InvalidRequestError(f"every {seconds} s is no interval; it must be at least 1 µs")
        return self._views(_stream(exchange, market, BOOK_UPDATES), range(first, last, step), gaps)

    def replay(
        self,
        markets: Sequence[str],
        start: TimestampLike,
        end: TimestampLike,
        *,
        data_types: Sequence[str] = (TRADES, BOOK_UPDATES),
        gaps: Gaps = "mark",
    ) -> Iterator[ReplayEvent]:
        """The events of several markets in the order of their published times.

        A market's book starts with a snapshot (of origin ``derived``) of the book before ``start``, or with a gap where
        that book is not known.

        :param markets: as ``exchange:MARKET``.
        :raises NotRecordedError: nothing was recorded of one of the markets in the range.
        """
        window = parse_range(start, end)
        names = [_split_name(name) for name in dict.fromkeys([markets] if isinstance(markets, str) else markets)]
        data_types = [data_types] if isinstance(data_types, str) else data_types
        rows = [
            self.rows(data_type, *name, *window, gaps=gaps) for name in names for data_type in dict.fromkeys(data_types)
        ]
        return self._events(rows, window[0])

    def coverage(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, data_type: str = TRADES
    ) -> Coverage:
        """How much of a range is recorded, what is missing, and of which time nothing is known."""
        stream, window = _stream(exchange, market, data_type), parse_range(start, end)
        self._catalog.require(stream)
        return coverage_of(stream, window, Rows(stream, window, "mark", self._files, self._outages).missing)

    def markets(self, exchange: str | None = None, data_type: str | None = None) -> list[StreamKey]:
        """The markets of which objects are stored, with their data types; of one exchange or data type, if given."""
        if data_type is not None:
            _check_data_type(data_type)
        return self._catalog.markets(exchange, data_type)

    def newest(self, data_type: str, exchange: str, market: str) -> int | None:
        """The end (µs) of the newest minute of which an object is stored; None where none is."""
        stream = _stream(exchange, market, data_type)
        self._catalog.require(stream)
        return self._catalog.newest(stream)

    @cached_property
    def _recent_books(self) -> RecentBooks:
        return RecentBooks()

    @property
    def _catalog(self) -> Catalog:
        return self._files.catalog

    def _views(self, stream: StreamKey, instants: Sequence[int], gaps: Gaps) -> Iterator[BookView]:
        _check_gaps(gaps)
        self._catalog.require(stream)
        return self._checked_views(stream, instants, gaps)

    def _checked_views(self, stream: StreamKey, instants: Sequence[int], gaps: Gaps) -> Iterator[BookView]:
        for view in BookReader(self._files, self._outages, self._recent_books, stream, instants[-1]).at(instants):
            if gaps == "raise" and view.missing is not None:
                raise GapError(stream.exchange, stream.market, view.missing)
            yield view

    def _events(self, streams: Sequence[Rows[Any]], start: int) -> Iterator[ReplayEvent]:
        for rows in streams:
            exchange, market, data_type = rows.stream
            if data_type == BOOK_UPDATES:
                (view,) = self._checked_views(rows.stream, [max(start - 1, 0)], rows.gaps)
                yield ReplayEvent(exchange, market, start, initial_book(view, start))
        yield from merge_events(
            [stream_events(rows.stream.exchange, rows.stream.market, rows, start) for rows in streams]
        )

    def _require_recorded(self, stream: StreamKey, window: Window) -> None:
        """Raise :class:`NotRecordedError` unless something is stored or published of these days."""
        self._catalog.require(stream)
        days = self._catalog.days(stream)
        first, last = day_of(window[0]), day_of(window[1] - 1)
        if any(first <= day <= last for day in days):
            return
        if any(self._files.find(stream, day_of(start), window) is not None for start in midnights(window)):
            return
        recorded = f"there are recordings from {days[0]} to {days[-1]}" if days else "there are published days only"
        raise NotRecordedError(
            f"no {stream.data_type} of {stream.exchange} {stream.market} were recorded between "
            f"{format_timestamp(window[0])} and {format_timestamp(window[1])}; {recorded}"
        )


def _stream(exchange: str, market: str, data_type: str) -> StreamKey:
    _check_data_type(data_type)
    return StreamKey(exchange, market, data_type)


def _check_data_type(data_type: str) -> None:
    if data_type not in PUBLISHED:
        raise InvalidRequestError(f"{data_type!r} is no data type; there are: {', '.join(PUBLISHED)}")


def _check_gaps(gaps: str) -> None:
    if gaps not in get_args(Gaps):
        raise InvalidRequestError(f'gaps={gaps!r}: "raise" or "mark"')


def _split_name(name: str) -> tuple[str, str]:
    exchange, colon, market = name.partition(":")
    if not colon or not exchange or not market:
        raise InvalidRequestError(f"{name!r} names no market; write it as binance:BTC-USDT")
    return exchange, market
