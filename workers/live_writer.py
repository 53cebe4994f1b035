"""Keeps the newest data of each market in Redis (``--live``).

It costs recording nothing: four times a second it reads the newest record of each stream, however many came in between.
One write runs at a time, off the event loop. While Redis is slow or unavailable, only the newest data waits.
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
from booktape.store.live_cache import DEPTH, Latest, LiveCache, Top, connect_redis
from booktape.store.redis_errors import RedisUnavailableError

EVERY_SECONDS: Final = 0.25


class LiveWriter:
    """Writes the changed markets of a worker.

    :param write: receives the markets that have changed.
        May raise :class:`~booktape.store.redis_errors.RedisUnavailableError`.
    """

    def __init__(self, exchange: Exchange, pipeline: Pipeline, write: Callable[[dict[str, Latest]], None]) -> None:
        self._exchange = exchange
        self._pipeline = pipeline
        self._write = write
        self._seen: dict[tuple[str, str], Any] = {}
        self._latest: dict[str, Latest] = {}
        self._unwritten: dict[str, Latest] = {}
        self._unavailable = False
        self._log = structlog.get_logger().bind(exchange=exchange.id)
        sends = {data_type for channel in exchange.channels for data_type in channel.data_types}
        self._whole_books = BOOK_UPDATES not in sends

    async def write_changes(self) -> None:
        """Write the markets that have changed since the last call."""
        self._collect()
        if not self._unwritten:
            return
        changed, self._unwritten = self._unwritten, {}
        try:
            await asyncio.to_thread(self._write, changed)
            self._unavailable = False
        except RedisUnavailableError as error:
            self._unwritten = changed
            if not self._unavailable:
                self._log.warning("live_cache_unavailable", error=str(error))
            self._unavailable = True

    def _collect(self) -> None:
        for name, batcher in list(self._pipeline.batchers.items()):
            record = batcher.last
            if record is self._seen.get(name):
                continue
            self._seen[name] = record
            before = self._latest.get(batcher.market, Latest())
            now = self._newest(*name, record, before)
            if now is not before:
                self._latest[batcher.market] = self._unwritten[batcher.market] = now

    def _newest(self, data_type: str, symbol: str, record: Any, before: Latest) -> Latest:
        if data_type == TRADES:
            assert isinstance(record, Trade)
            return Latest(record, before.top)
        top = self._top(data_type, symbol, record)
        return before if top is None else Latest(before.trade, top)

    def _top(self, data_type: str, symbol: str, record: Any) -> Top | None:
        """The best levels after a record: of the book where one is kept, else of the record; None without levels."""
        book = self._pipeline.book(symbol)
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
    """The cache behind a Redis URL. Does not connect yet.

    :raises InvalidRedisUrlError: the URL is invalid.
    """
    return LiveCache(connect_redis(redis_url), exchange, worker)


def _level(price: str, amount: str) -> list[tuple[str, str]]:
    """A side's best level; empty where the venue leaves it out."""
    return [(price, amount)] if price else []
