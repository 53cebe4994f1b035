"""An archive of a few events in memory, and a server on a free port."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec import Raw
from starlette.applications import Starlette

from booktape.analytics.book_view import BookView
from booktape.archive import UnknownMarketError
from booktape.model.errors import TransientError
from booktape.model.gap import Gap
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    RECORD_TYPES,
    SECOND,
    BookSnapshot,
    BookUpdate,
    Level,
    Quote,
    Record,
    Trade,
    engine_time,
)
from booktape.serve.server import create_server
from tests.waiting import DEADLINE

NOTHING = Raw(b"[]")
START = 1_723_161_600 * SECOND  # 2024-08-09 00:00:00
TYPE_OF = {kind: name for name, kind in RECORD_TYPES.items()}


class Event(NamedTuple):
    """As an archive's."""

    exchange: str
    market: str
    time: int
    record: Record | Gap


class NoSuchMarket(UnknownMarketError):
    """As an archive says it."""


def levels(*pairs: Level) -> Raw:
    """One side of a book message."""
    return Raw(("[" + ",".join(f'["{price}","{amount}"]' for price, amount in pairs) + "]").encode())


def trade(number: int, time: int) -> Trade:
    """A trade."""
    return Trade(number, time, "sell" if number % 2 else "buy", "61687.01000000", "0.00100000", time + 5)


def update(first: int, last: int, time: int, bids: Raw = NOTHING, asks: Raw = NOTHING) -> BookUpdate:
    """A depth update."""
    return BookUpdate(
        first_id=first,
        last_id=last,
        timestamp=time,
        bids=bids,
        asks=asks,
        local_timestamp=time + 5,
        sent_timestamp=time,
    )


def quote(number: int, time: int) -> Quote:
    """A best bid and ask."""
    return Quote(number, time, "1.0", "2.0", "3.0", "4.0", time)


def snapshot(last_id: int, time: int, bids: Raw = NOTHING, asks: Raw = NOTHING) -> BookSnapshot:
    """The book that a reading begins with."""
    return BookSnapshot(last_id=last_id, timestamp=time, bids=bids, asks=asks, origin="derived", local_timestamp=time)


@dataclass
class Shelf:
    """Events by market. ``given`` counts what was read, ``closed`` the readings that were closed before their end.

    ``fails`` tells from when on (µs) a market cannot be read.
    """

    events: dict[str, list[Event]] = field(default_factory=dict)
    given: int = 0
    closed: int = 0
    endless: bool = False
    fails: dict[str, int] = field(default_factory=dict)

    def add(self, market: str, *records: Record | Gap, times: Sequence[int] = ()) -> None:
        """Put records into a market (``exchange:MARKET``), at their own times unless others are given."""
        exchange, _, name = market.partition(":")
        for number, record in enumerate(records):
            time = times[number] if times else record.start if isinstance(record, Gap) else engine_time(record)
            assert time is not None
            self.events.setdefault(market, []).append(Event(exchange, name, time, record))

    def replay(
        self,
        markets: Sequence[str],
        start: Any,
        end: Any,
        *,
        data_types: Sequence[str] = ("trades", "book_updates"),
        gaps: str = "mark",
    ) -> Iterator[Event]:
        for market in markets:
            if market not in self.events:
                raise NoSuchMarket(f"there is no {market}; is it spelled right?")
        return self._read(markets, start, end, data_types)

    def _read(self, markets: Sequence[str], start: int, end: int, data_types: Sequence[str]) -> Iterator[Event]:
        found = sorted((event for market in markets for event in self.events[market]), key=lambda event: event.time)
        ended = False
        try:
            for event in found:
                fails = self.fails.get(f"{event.exchange}:{event.market}")
                if fails is not None and event.time >= fails:
                    raise TransientError("the store is away")
                if start <= event.time < end and self._wanted(event.record, data_types):
                    self.given += 1
                    yield event
            while self.endless:
                self.given += 1
                yield Event("binance", "BTC-USDT", end - 1, trade(self.given, end - 1))
            ended = True
        finally:
            self.closed += not ended

    def _wanted(self, record: Record | Gap, data_types: Sequence[str]) -> bool:
        if isinstance(record, Gap):
            return record.data_type in data_types
        name = TYPE_OF[type(record)]
        return (BOOK_UPDATES if name == BOOK_SNAPSHOTS else name) in data_types

    def book(self, exchange: str, market: str, at: Any, *, gaps: str = "raise") -> BookView:
        if f"{exchange}:{market}" not in self.events:
            raise NoSuchMarket(f"there is no {exchange}:{market}")
        return BookView(exchange, market, at, at - 1, 7, (("1.0", "2.0"), ("0.9", "1.0")), (("1.1", "3.0"),))

    def coverage(self, exchange: str, market: str, start: Any, end: Any, *, data_type: str = "trades") -> Any:
        return {"market": market, "data_type": data_type}

    def markets(self, exchange: str | None = None, data_type: str | None = None) -> list[Any]:
        return list(self.events)


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Serve an application on a free port; gives ``127.0.0.1:port``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = create_server(app)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join(DEADLINE)
            assert not thread.is_alive(), "the server does not end"
