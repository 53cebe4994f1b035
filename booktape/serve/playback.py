"""Plays the events of many markets against one market clock that all clients share.

A market's cursor is opened with its first request. It starts at the market's time of that moment, with the book of that
instant. Listeners receive each event when its time has come; the cursor's book then already includes the event.
"""

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from typing import Final, Protocol

from booktape.exchanges.spec import Exchange
from booktape.model.book_replay import BookReplayer
from booktape.model.gap import Gap
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES, BookSnapshot, BookUpdate
from booktape.serve.clock import MarketClock
from booktape.serve.prefetch import Prefetcher
from booktape.serve.source import EventSource, MarketEvent, is_initial_book, market_events

DATA_TYPES: Final = (BOOK_UPDATES, TRADES, QUOTES)
"""The data types that are played. The book is first: of events of equal time, the book's come first."""

_EVENTS_AT_A_TIME: Final = 64


class Listener(Protocol):
    """Receives the events of one exchange. The next event is played only after the last one was taken."""

    async def on_event(self, cursor: "MarketCursor", event: MarketEvent) -> None:
        """The time of an event has come. The cursor's book includes it."""

    async def on_end(self, cursor: "MarketCursor") -> None:
        """The market has no more events."""

    def on_failure(self, cursor: "MarketCursor") -> None:
        """The rest of the market's events cannot be read."""


class MarketCursor:
    """The next event of one market, and the market's book after the events before it.

    :ivar head: the next event; None at the end.
    :ivar recorded: the data types that were recorded; complete once the cursor is open.
    """

    def __init__(
        self, exchange: Exchange, market: str, events: Prefetcher[MarketEvent], recorded: AbstractSet[str]
    ) -> None:
        self.exchange = exchange
        self.market = market
        self.recorded = recorded
        self.symbol = exchange.symbol(market)
        self.head: MarketEvent | None = None
        rule = exchange.book.rule if exchange.book is not None else ""
        self.book = BookReplayer(rule, exchange.book_checksum)
        self._events = events
        self._batch: list[MarketEvent] = []
        self._taken = 0

    async def open(self) -> None:
        """Read the initial book and the first event. Raises what the source raises."""
        await self.advance()
        while self.head is not None and is_initial_book(self.head):
            self.apply(self.head)
            await self.advance()

    async def advance(self) -> None:
        """Move on to the next event."""
        if self._taken == len(self._batch):
            self._batch, self._taken = await self._events.batch(), 0
        self.head = self._batch[self._taken] if self._batch else None
        self._taken += 1 if self._batch else 0

    def apply(self, event: MarketEvent) -> None:
        """Apply an event to the book."""
        match event.record:
            case BookUpdate() | BookSnapshot() as message:
                self.book.apply(message)
            case Gap() as gap if gap.data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS):
                self.book.lose(gap)

    async def close(self) -> None:
        """Stop reading."""
        await self._events.close()


class Playback:
    """Plays the cursors of all requested markets against one clock.

    :param on_error: receives the cursor and the error where a market cannot be read to its end.
    :param data_types: the data types that are read of each market.
    """

    def __init__(
        self,
        source: EventSource,
        clock: MarketClock,
        on_error: Callable[[MarketCursor, Exception], None],
        data_types: Sequence[str] = DATA_TYPES,
    ) -> None:
        self.clock = clock
        self.cursors: dict[tuple[str, str], MarketCursor] = {}
        self._source = source
        self._on_error = on_error
        self._data_types = data_types
        self._opening: dict[tuple[str, str], asyncio.Task[MarketCursor]] = {}
        self._listeners: dict[str, Listener] = {}
        self._heap: list[tuple[int, int, MarketCursor]] = []
        self._number = count()
        self._changed = asyncio.Event()

    def add_listener(self, exchange_id: str, listener: Listener) -> None:
        """Give a listener every event of an exchange."""
        self._listeners[exchange_id] = listener

    @property
    def is_over(self) -> bool:
        """Whether no event will follow in the requested markets."""
        idle = not self._heap and not self._opening
        began = self.clock.is_running and (self.clock.speed or self.cursors)
        return bool(began) and idle and self.clock.remaining(self.clock.end) == 0

    def begin(self) -> None:
        """Let the clock run."""
        self.clock.begin()
        self._changed.set()

    async def cursor(self, exchange: Exchange, market: str) -> MarketCursor:
        """The open cursor of a market. Raises what the source raises, for an unknown market for instance."""
        key = exchange.id, market
        if key not in self.cursors:
            if key not in self._opening:
                self._opening[key] = asyncio.ensure_future(self._open(exchange, market))
            return await asyncio.shield(self._opening[key])
        return self.cursors[key]

    async def play(self) -> None:
        """Play until cancelled."""
        try:
            for number in count():
                if number % _EVENTS_AT_A_TIME == 0:  # a late replay must not keep frames from being sent
                    await asyncio.sleep(0)
                self._changed.clear()
                left = self.clock.remaining(self._heap[0][0]) if self._heap and self.clock.is_running else None
                if left == 0:
                    await self._play_next()
                else:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), left)
        finally:
            for opening in self._opening.values():
                opening.cancel()
            await asyncio.gather(*(cursor.close() for cursor in self.cursors.values()), return_exceptions=True)

    async def _play_next(self) -> None:
        time, number, cursor = heappop(self._heap)
        event = cursor.head
        assert event is not None
        self.clock.reach(time)
        listener = self._listeners.get(event.exchange)
        try:
            cursor.apply(event)
            if listener is not None:
                await listener.on_event(cursor, event)
            await cursor.advance()
        except Exception as error:  # noqa: BLE001  # a market that cannot be read must not end the others
            del self.cursors[cursor.exchange.id, cursor.market]
            self._on_error(cursor, error)
            if listener is not None:
                listener.on_failure(cursor)
            await asyncio.gather(cursor.close(), return_exceptions=True)
            return
        if cursor.head is not None:
            heappush(self._heap, (cursor.head.time, number, cursor))
        elif listener is not None:
            await listener.on_end(cursor)

    async def _open(self, exchange: Exchange, market: str) -> MarketCursor:
        key = exchange.id, market
        start, end = min(self.clock.now(), self.clock.end - 1), self.clock.end
        name = f"{exchange.id}:{market}"
        recorded: set[str] = set()
        events = Prefetcher(lambda: market_events(self._source, name, start, end, self._data_types, recorded))
        cursor = MarketCursor(exchange, market, events, recorded)
        try:
            await cursor.open()
        except BaseException:  # also on cancellation: the iterator must be closed
            await events.close()
            raise
        finally:
            del self._opening[key]
        self.cursors[key] = cursor
        if cursor.head is not None:
            heappush(self._heap, (cursor.head.time, next(self._number), cursor))
        self._changed.set()
        return cursor
