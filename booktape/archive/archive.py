"""The archive: what was recorded, read back by anybody, without knowing how it is stored."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from math import isfinite
from types import TracebackType
from typing import Any, Literal, Self, get_args, overload

from booktape.archive.books import Books, Remembered
from booktape.archive.coverage import Coverage, coverage
from booktape.archive.errors import BadRequest, GapError, NotRecorded
from booktape.archive.finder import days_of
from booktape.archive.lapses import Lapses
from booktape.archive.library import MarketStored, open_library
from booktape.archive.replay import Event, beginning, events, merged
from booktape.archive.rows import Gaps, Rows
from booktape.archive.shelf import Asked, Shelf
from booktape.computed.view import BookView
from booktape.core.csv import PUBLISHED
from booktape.core.instants import Instant, day_of, instant, span, text
from booktape.core.missing import Missing
from booktape.core.records import (
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
        self._shelf = Shelf(open_library(url, replica, publication), memory)
        self._lapses = Lapses(self._shelf.library)
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
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Raise = "raise"
    ) -> Rows[Trade]: ...

    @overload
    def trades(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Gaps
    ) -> Rows[Trade | Missing]: ...

    def trades(self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Gaps = "raise") -> Rows[Any]:
        """A market's trades, in the order of time and id."""
        return self.rows(TRADES, exchange, market, start, end, gaps=gaps)

    @overload
    def book_updates(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Raise = "raise"
    ) -> Rows[BookMessage]: ...

    @overload
    def book_updates(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Gaps
    ) -> Rows[BookMessage | Missing]: ...

    def book_updates(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Gaps = "raise"
    ) -> Rows[Any]:
        """A book's messages, snapshots among them, each whole, in the published order."""
        return self.rows(BOOK_UPDATES, exchange, market, start, end, gaps=gaps)

    @overload
    def quotes(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Raise = "raise"
    ) -> Rows[Quote]: ...

    @overload
    def quotes(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Gaps
    ) -> Rows[Quote | Missing]: ...

    def quotes(self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Gaps = "raise") -> Rows[Any]:
        """A market's best bids and asks."""
        return self.rows(QUOTES, exchange, market, start, end, gaps=gaps)

    @overload
    def derivative_ticker(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Raise = "raise"
    ) -> Rows[DerivativeTicker]: ...

    @overload
    def derivative_ticker(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Gaps
    ) -> Rows[DerivativeTicker | Missing]: ...

    def derivative_ticker(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Gaps = "raise"
    ) -> Rows[Any]:
        """What a venue tells of a derivative; each record has what was told so far that day."""
        return self.rows(DERIVATIVE_TICKER, exchange, market, start, end, gaps=gaps)

    @overload
    def liquidations(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Raise = "raise"
    ) -> Rows[Liquidation]: ...

    @overload
    def liquidations(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Gaps
    ) -> Rows[Liquidation | Missing]: ...

    def liquidations(
        self, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Gaps = "raise"
    ) -> Rows[Any]:
        """Positions closed by force."""
        return self.rows(LIQUIDATIONS, exchange, market, start, end, gaps=gaps)

    def rows(
        self, data_type: str, exchange: str, market: str, start: Instant, end: Instant, *, gaps: Gaps = "raise"
    ) -> Rows[Any]:
        """A market's records of a data type. Raises an error that says what there is, where there are none."""
        asked, window = _asked(exchange, market, data_type), span(start, end)
        _check_gaps(gaps)
        self._require_recorded(asked, window)
        return Rows(asked, window, gaps, self._shelf, self._lapses)

    def book(self, exchange: str, market: str, at: Instant, *, gaps: Gaps = "raise") -> BookView:
        """A market's whole book at an instant: all messages up to it, that instant included.

        Raises :class:`GapError` where the book is not known for certain; with ``gaps="mark"`` it is then not ``sound``.
        """
        time = instant(at)
        (view,) = self._views(_asked(exchange, market, BOOK_UPDATES), [time], gaps)
        return view

    def books(
        self,
        exchange: str,
        market: str,
        start: Instant,
        end: Instant,
        every: float | timedelta,
        *,
        gaps: Gaps = "raise",
    ) -> Iterator[BookView]:
        """A market's book at ``start``, and each ``every`` seconds after it, before ``end``."""
        first, last = span(start, end)
        seconds = every.total_seconds() if isinstance(every, timedelta) else every
        step = round(seconds * SECOND) if isfinite(seconds) else 0
        if step <= 0:
            raise BadRequest(f"every {seconds} s is no interval; it must be a µs at least")
        return self._views(_asked(exchange, market, BOOK_UPDATES), range(first, last, step), gaps)

    def replay(
        self,
        markets: Sequence[str],
        start: Instant,
        end: Instant,
        *,
        data_types: Sequence[str] = (TRADES, BOOK_UPDATES),
        gaps: Gaps = "mark",
    ) -> Iterator[Event]:
        """All that happened in some markets (``exchange:MARKET``), by published time.

        A market's book begins with a snapshot (``derived``) of what it was before ``start``, where that is known.
        """
        window = span(start, end)
        named = [_named(name) for name in dict.fromkeys([markets] if isinstance(markets, str) else markets)]
        data_types = [data_types] if isinstance(data_types, str) else data_types
        rows = [
            self.rows(data_type, *name, *window, gaps=gaps) for name in named for data_type in dict.fromkeys(data_types)
        ]
        return self._events(rows, window[0])

    def coverage(
        self, exchange: str, market: str, start: Instant, end: Instant, *, data_type: str = TRADES
    ) -> Coverage:
        """What of a stretch is recorded, what is missing, and of what nobody knows."""
        asked, window = _asked(exchange, market, data_type), span(start, end)
        self._shelf.library.require(*asked)
        return coverage(asked, window, Rows(asked, window, "mark", self._shelf, self._lapses).missing)

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

    def _views(self, asked: Asked, instants: Sequence[int], gaps: Gaps) -> Iterator[BookView]:
        _check_gaps(gaps)
        self._shelf.library.require(*asked)
        return self._checked(asked, instants, gaps)

    def _checked(self, asked: Asked, instants: Sequence[int], gaps: Gaps) -> Iterator[BookView]:
        for view in Books(self._shelf, self._lapses, self._remembered, asked, instants[-1]).at(instants):
            if gaps == "raise" and view.missing is not None:
                raise GapError(asked.exchange, asked.market, view.missing)
            yield view

    def _events(self, streams: Sequence[Rows[Any]], start: int) -> Iterator[Event]:
        for rows in streams:
            exchange, market, data_type = rows.asked
            if data_type == BOOK_UPDATES:
                (view,) = self._checked(rows.asked, [max(start - 1, 0)], rows.gaps)
                yield Event(exchange, market, start, beginning(view, start))
        yield from merged([events(rows.asked.exchange, rows.asked.market, rows, start) for rows in streams])

    def _require_recorded(self, asked: Asked, window: tuple[int, int]) -> None:
        """Raise :class:`NotRecorded` unless something of these days is there."""
        library = self._shelf.library
        library.require(*asked)
        days = library.days(asked.exchange, asked.market, asked.data_type)
        first, last = day_of(window[0]), day_of(window[1] - 1)
        if any(first <= day <= last for day in days):
            return
        if any(self._shelf.day(asked, day_of(start), window) is not None for start in days_of(window)):
            return
        recorded = f"recorded are days from {days[0]} to {days[-1]}" if days else "only what is published is there"
        raise NotRecorded(
            f"no {asked.data_type} of {asked.exchange} {asked.market} were recorded between {text(window[0])} and "
            f"{text(window[1])}; {recorded}"
        )


def _asked(exchange: str, market: str, data_type: str) -> Asked:
    _check_data_type(data_type)
    return Asked(exchange, market, data_type)


def _check_data_type(data_type: str) -> None:
    if data_type not in PUBLISHED:
        raise BadRequest(f"{data_type!r} is no data type; there are: {', '.join(PUBLISHED)}")


def _check_gaps(gaps: str) -> None:
    if gaps not in get_args(Gaps):
        raise BadRequest(f'gaps={gaps!r}: "raise" or "mark"')


def _named(name: str) -> tuple[str, str]:
    exchange, colon, market = name.partition(":")
    if not colon or not exchange or not market:
        raise BadRequest(f"{name!r} names no market; write it as binance:BTC-USDT")
    return exchange, market
