"""Keeps the newest of each market in Redis, if the worker is asked to.

Recording pays nothing for it: a few times a second the streams' newest records are looked at, however many came in
between. One write is under way at a time, off the event loop; while Redis is slow or away, what is newest waits.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog

from booktape.capture.pipeline import Pipeline
from booktape.exchanges.spec import Exchange
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    QUOTES,
    TRADES,
    BookSnapshot,
    Quote,
    Trade,
    levels,
    record_time,
)
from booktape.store.live_cache import DEPTH, Latest, LiveCache, LiveCacheUnavailableError, Top, connect_redis

EVERY_SECONDS: Final = 0.25


class LiveWriter:
    """Tells what is new of the markets that a worker records.

    :param write: takes the markets of which something is new.
        Raises :class:`~booktape.store.live_cache.LiveCacheUnavailableError`.
    """

    def __init__(self, exchange: Exchange, recorder: Pipeline, write: Callable[[dict[str, Latest]], None]) -> None:
        self._exchange = exchange
        self._recorder = recorder
        self._write = write
        self._seen: dict[tuple[str, str], Any] = {}
        self._latest: dict[str, Latest] = {}
        self._untold: dict[str, Latest] = {}
        self._away = False
        self._log = structlog.get_logger().bind(exchange=exchange.id)
        sends = {data_type for channel in exchange.channels for data_type in channel.data_types}
        self._whole_books = BOOK_UPDATES not in sends

    async def tell(self) -> None:
        """Tell what is new since the last time."""
        self._look()
        if not self._untold:
            return
        telling, self._untold = self._untold, {}
        try:
            await asyncio.to_thread(self._write, telling)
            self._away = False
        except LiveCacheUnavailableError as error:
            self._untold = telling
            if not self._away:
                self._log.warning("live_cache_away", error=str(error))
            self._away = True

    def _look(self) -> None:
        for name, stream in list(self._recorder.streams.items()):
            record = stream.last
            if record is self._seen.get(name):
                continue
            self._seen[name] = record
            before = self._latest.get(stream.market, Latest())
            now = self._newest(*name, record, before)
            if now is not before:
                self._latest[stream.market] = self._untold[stream.market] = now

    def _newest(self, data_type: str, symbol: str, record: Any, before: Latest) -> Latest:
        if data_type == TRADES:
            assert isinstance(record, Trade)
            return Latest(record, before.top)
        top = self._top(data_type, symbol, record)
        return before if top is None else Latest(before.trade, top)

    def _top(self, data_type: str, symbol: str, record: Any) -> Top | None:
        """The best levels after a record: those of the book where one is kept, else those that the record tells."""
        book = self._recorder.book(symbol)
        if data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS) and book is not None:
            sides = book.bids.top(DEPTH), book.asks.top(DEPTH)
        elif data_type == QUOTES and book is None:
            assert isinstance(record, Quote)
            sides = _level(record.bid_price, record.bid_amount), _level(record.ask_price, record.ask_amount)
        elif data_type == BOOK_SNAPSHOTS and self._whole_books:
            assert isinstance(record, BookSnapshot)
            sides = levels(record.bids)[:DEPTH], levels(record.asks)[:DEPTH]
        else:
            return None
        return Top(record_time(record), *sides, record.local_timestamp)


def live_cache(redis_url: str, exchange: str, worker: str) -> LiveCache:
    """The cache behind a Redis URL. Nothing is asked of Redis yet.
    Raises :class:`~booktape.store.live_cache.InvalidRedisUrlError`."""
    return LiveCache(connect_redis(redis_url), exchange, worker)


def _level(price: str, amount: str) -> list[tuple[str, str]]:
    """A side's best level; none where the venue leaves it out."""
    return [(price, amount)] if price else []
