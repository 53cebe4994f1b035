"""The archive: what was recorded, read back by anybody, without knowing how it is stored."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from math import isfinite
from types import TracebackType
from typing import Any, Literal, Self, get_args, overload

from booktape.analytics.book_view import BookView
from booktape.archive.books import BookReader, Remembered
from booktape.archive.catalog import MarketStored, open_catalog
from booktape.archive.errors import GapError, InvalidRequestError, NotRecordedError
from booktape.archive.gaps import Coverage, coverage_of, days_of
from booktape.archive.market_days import MarketDays, StreamKey
from booktape.archive.outages import Outages
from booktape.archive.replay import ReplayEvent, beginning, events, merged
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
    """What was recorded below a storage URL, or in a directory. Thread-safe; close it, or use it in a ``with``.

    Published days are read from their Parquet files, others are merged from the stored objects as they will be when
    they are published: the same rows. A range is half-open: its start belongs to it, its end does not. Times are those
    published: the exchange's, as far as it tells them.

    :param replica: the second system's storage URL, where there is one.
    :param publication: where the published files lie, if not in the storage itself.
    :param memory: what DuckDB may hold (``2GB``); what is more is spilled to a temporary directory.
    """

    def __init__(
        self, url: str, *, replica: str | None = None, publication: str | None = None, memory: str = "1GB"
    ) -> None:
        self._shelf = MarketDays(open_catalog(url, replica, publication), memory)
        self._lapses = Outages(self._shelf.library)
        self._remembered = Remembered()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was copied here or merged for a while. What is being read ends."""
        self._shelf.close()

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
        """A market's trades, in the order of time and id."""
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
        """A book's messages, snapshots among them, each whole, in the published order."""
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
        """A market's best bids and asks."""
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
        """What a venue tells of a derivative; each record has what was told so far that day."""
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
        """Positions closed by force."""
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
        """A market's records of a data type. Raises an error that says what there is, where there are none."""
        asked, window = _asked(exchange, market, data_type), parse_range(start, end)
        _check_gaps(gaps)
        self._require_recorded(asked, window)
        return Rows(asked, window, gaps, self._shelf, self._lapses)

    def book(self, exchange: str, market: str, at: TimestampLike, *, gaps: Gaps = "raise") -> BookView:
        """A market's whole book at an instant: all messages up to it, that instant included.

        Raises :class:`GapError` where the book is not known for certain; with ``gaps="mark"`` it is then not ``sound``.
        """
        time = parse_timestamp(at)
        (view,) = self._views(_asked(exchange, market, BOOK_UPDATES), [time], gaps)
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
        """A market's book at ``start``, and each ``every`` seconds after it, before ``end``."""
        first, last = parse_range(start, end)
        seconds = every.total_seconds() if isinstance(every, timedelta) else every
        step = round(seconds * SECOND) if isfinite(seconds) else 0
        if step <= 0:
            raise InvalidRequestError(f"every {seconds} s is no interval; it must be a µs at least")
        return self._views(_asked(exchange, market, BOOK_UPDATES), range(first, last, step), gaps)

    def replay(
        self,
        markets: Sequence[str],
        start: TimestampLike,
        end: TimestampLike,
        *,
        data_types: Sequence[str] = (TRADES, BOOK_UPDATES),
        gaps: Gaps = "mark",
    ) -> Iterator[ReplayEvent]:
        """All that happened in some markets (``exchange:MARKET``), by published time.

        A market's book begins with a snapshot (``derived``) of what it was before ``start``, where that is known.
        """
        window = parse_range(start, end)
        named = [_named(name) for name in dict.fromkeys([markets] if isinstance(markets, str) else markets)]
        data_types = [data_types] if isinstance(data_types, str) else data_types
        rows = [
            self.rows(data_type, *name, *window, gaps=gaps) for name in named for data_type in dict.fromkeys(data_types)
        ]
        return self._events(rows, window[0])

    def coverage(
        self, exchange: str, market: str, start: TimestampLike, end: TimestampLike, *, data_type: str = TRADES
    ) -> Coverage:
        """What of a stretch is recorded, what is missing, and of what nobody knows."""
        asked, window = _asked(exchange, market, data_type), parse_range(start, end)
        self._shelf.library.require(*asked)
        return coverage_of(asked, window, Rows(asked, window, "mark", self._shelf, self._lapses).missing)

    def markets(self, exchange: str | None = None, data_type: str | None = None) -> list[MarketStored]:
        """The markets of which objects are stored."""
        if data_type is not None:
            _check_data_type(data_type)
        return self._shelf.library.markets(exchange, data_type)

    def newest(self, data_type: str, exchange: str, market: str) -> int | None:
        """The end (µs) of the newest minute of which something is stored; None where nothing is."""
        asked = _asked(exchange, market, data_type)
        self._shelf.library.require(*asked)
        return self._shelf.library.newest(*asked)

    def _views(self, asked: StreamKey, instants: Sequence[int], gaps: Gaps) -> Iterator[BookView]:
        _check_gaps(gaps)
        self._shelf.library.require(*asked)
        return self._checked(asked, instants, gaps)

    def _checked(self, asked: StreamKey, instants: Sequence[int], gaps: Gaps) -> Iterator[BookView]:
        for view in BookReader(self._shelf, self._lapses, self._remembered, asked, instants[-1]).at(instants):
            if gaps == "raise" and view.missing is not None:
                raise GapError(asked.exchange, asked.market, view.missing)
            yield view

    def _events(self, streams: Sequence[Rows[Any]], start: int) -> Iterator[ReplayEvent]:
        for rows in streams:
            exchange, market, data_type = rows.asked
            if data_type == BOOK_UPDATES:
                (view,) = self._checked(rows.asked, [max(start - 1, 0)], rows.gaps)
                yield ReplayEvent(exchange, market, start, beginning(view, start))
        yield from merged([events(rows.asked.exchange, rows.asked.market, rows, start) for rows in streams])

    def _require_recorded(self, asked: StreamKey, window: tuple[int, int]) -> None:
        """Raise :class:`NotRecordedError` unless something of these days is there."""
        library = self._shelf.library
        library.require(*asked)
        days = library.days(asked.exchange, asked.market, asked.data_type)
        first, last = day_of(window[0]), day_of(window[1] - 1)
        if any(first <= day <= last for day in days):
            return
        if any(self._shelf.day(asked, day_of(start), window) is not None for start in days_of(window)):
            return
        recorded = f"recorded are days from {days[0]} to {days[-1]}" if days else "only what is published is there"
        raise NotRecordedError(
            f"no {asked.data_type} of {asked.exchange} {asked.market} were recorded between "
            f"{format_timestamp(window[0])} and "
            f"{format_timestamp(window[1])}; {recorded}"
        )


def _asked(exchange: str, market: str, data_type: str) -> StreamKey:
    _check_data_type(data_type)
    return StreamKey(exchange, market, data_type)


def _check_data_type(data_type: str) -> None:
    if data_type not in PUBLISHED:
        raise InvalidRequestError(f"{data_type!r} is no data type; there are: {', '.join(PUBLISHED)}")


def _check_gaps(gaps: str) -> None:
    if gaps not in get_args(Gaps):
        raise InvalidRequestError(f'gaps={gaps!r}: "raise" or "mark"')


def _named(name: str) -> tuple[str, str]:
    exchange, colon, market = name.partition(":")
    if not colon or not exchange or not market:
        raise InvalidRequestError(f"{name!r} names no market; write it as binance:BTC-USDT")
    return exchange, market
