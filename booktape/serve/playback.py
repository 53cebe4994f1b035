"""One market clock that everybody shares: events of all markets that somebody asked for, in the order of their times.

A market's tape is opened when it is first asked for, at the time that it is then: with the market's book of that
instant. Listeners hear each event when its time has come, and the tape's book is that after the last event heard.
"""

import asyncio
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from typing import Final, Protocol

from booktape.exchanges.spec import Exchange
from booktape.model.book_replay import BookReplayer
from booktape.model.gap import Missing
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, TRADES, BookSnapshot, BookUpdate
from booktape.serve.clock import MarketClock
from booktape.serve.prefetch import Ahead
from booktape.serve.source import EventSource, MarketEvent, is_beginning, market_events

DATA_TYPES: Final = (BOOK_UPDATES, TRADES, QUOTES)
"""The book first: of what happens at the beginning itself, it comes before the rest."""

_EVENTS_AT_A_TIME: Final = 64


class Listener(Protocol):
    """Who is told what happens at one exchange. The next event is not played before he has taken the last one."""

    async def hear(self, tape: "MarketCursor", event: MarketEvent) -> None:
        """An event's time has come; the tape's book holds it already."""

    async def end(self, tape: "MarketCursor") -> None:
        """No event of this market will follow."""

    def fail(self, tape: "MarketCursor") -> None:
        """No event of this market can follow: what is recorded of it cannot be read on."""


class MarketCursor:
    """One market's events yet to come, and its book after those that have been.

    ``recorded`` are the data types that are there; known as soon as it is open.
    """

    def __init__(self, exchange: Exchange, market: str, ahead: Ahead[MarketEvent], recorded: Set[str]) -> None:
        self.exchange = exchange
        self.market = market
        self.recorded = recorded
        self.symbol = exchange.symbol(market)
        self.head: MarketEvent | None = None
        rule = exchange.book.rule if exchange.book is not None else ""
        self.book = BookReplayer(rule, exchange.book_checksum)
        self._ahead = ahead
        self._batch: list[MarketEvent] = []
        self._taken = 0

    async def open(self) -> None:
        """Read the first event, and the book that the tape begins with. Raises what the source raises."""
        await self.advance()
        while self.head is not None and is_beginning(self.head):
            self.take(self.head)
            await self.advance()

    async def advance(self) -> None:
        """Go on to the next event; ``head`` is None where there is none."""
        if self._taken == len(self._batch):
            self._batch, self._taken = await self._ahead.batch(), 0
        self.head = self._batch[self._taken] if self._batch else None
        self._taken += 1 if self._batch else 0

    def take(self, event: MarketEvent) -> None:
        """Let the book know of an event."""
        match event.record:
            case BookUpdate() | BookSnapshot() as message:
                self.book.apply(message)
            case Missing() as missing if missing.data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS):
                self.book.lose(missing)

    async def close(self) -> None:
        """Stop reading."""
        await self._ahead.close()


class Playback:
    """Plays the tapes of all markets against one clock.

    :param on_error: is told what ended a market's tape before its time.
    :param data_types: what is read of each market.
    """

    def __init__(
        self,
        source: EventSource,
        clock: MarketClock,
        on_error: Callable[[MarketCursor, Exception], None],
        data_types: Sequence[str] = DATA_TYPES,
    ) -> None:
        self.clock = clock
        self.tapes: dict[tuple[str, str], MarketCursor] = {}
        self._source = source
        self._on_error = on_error
        self._data_types = data_types
        self._opening: dict[tuple[str, str], asyncio.Task[MarketCursor]] = {}
        self._listeners: dict[str, Listener] = {}
        self._heap: list[tuple[int, int, MarketCursor]] = []
        self._number = count()
        self._news = asyncio.Event()

    def listen(self, exchange_id: str, listener: Listener) -> None:
        """Let somebody hear every event of an exchange."""
        self._listeners[exchange_id] = listener

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen in the markets that were asked for."""
        idle = not self._heap and not self._opening
        began = self.clock.is_running and (self.clock.speed or self.tapes)
        return bool(began) and idle and self.clock.left(self.clock.end) == 0

    def begin(self) -> None:
        """Let the clock run."""
        self.clock.begin()
        self._news.set()

    async def tape(self, exchange: Exchange, market: str) -> MarketCursor:
        """A market's tape, open. Raises what the source raises: that there is no such market."""
        key = exchange.id, market
        if key not in self.tapes:
            if key not in self._opening:
                self._opening[key] = asyncio.ensure_future(self._open(exchange, market))
            return await asyncio.shield(self._opening[key])
        return self.tapes[key]

    async def play(self) -> None:
        """Play until cancelled."""
        try:
            for number in count():
                if number % _EVENTS_AT_A_TIME == 0:  # whoever is late must not keep the frames from being sent
                    await asyncio.sleep(0)
                self._news.clear()
                left = self.clock.left(self._heap[0][0]) if self._heap and self.clock.is_running else None
                if left == 0:
                    await self._next()
                else:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), left)
        finally:
            for opening in self._opening.values():
                opening.cancel()
            await asyncio.gather(*(tape.close() for tape in self.tapes.values()), return_exceptions=True)

    async def _next(self) -> None:
        time, number, tape = heappop(self._heap)
        event = tape.head
        assert event is not None
        self.clock.reach(time)
        listener = self._listeners.get(event.exchange)
        try:
            tape.take(event)
            if listener is not None:
                await listener.hear(tape, event)
            await tape.advance()
        except Exception as error:  # one market that cannot be read on must not end the others
            del self.tapes[tape.exchange.id, tape.market]
            self._on_error(tape, error)
            if listener is not None:
                listener.fail(tape)
            await asyncio.gather(tape.close(), return_exceptions=True)
            return
        if tape.head is not None:
            heappush(self._heap, (tape.head.time, number, tape))
        elif listener is not None:
            await listener.end(tape)

    async def _open(self, exchange: Exchange, market: str) -> MarketCursor:
        key = exchange.id, market
        start, end = min(self.clock.now(), self.clock.end - 1), self.clock.end
        name = f"{exchange.id}:{market}"
        recorded: set[str] = set()
        ahead = Ahead(lambda: market_events(self._source, name, start, end, self._data_types, recorded))
        tape = MarketCursor(exchange, market, ahead, recorded)
        try:
            await tape.open()
        except BaseException:  # cancelled too: whatever ends it, the reading is closed, and it goes on
            await ahead.close()
            raise
        finally:
            del self._opening[key]
        self.tapes[key] = tape
        if tape.head is not None:
            heappush(self._heap, (tape.head.time, next(self._number), tape))
        self._news.set()
        return tape
