"""One connection worker: connects the pipeline, the connections and the uploader, and logs what happens."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import structlog
import uvloop

from booktape.capture.connection import Connection
from booktape.capture.pipeline import ConnectionFeed, Pipeline
from booktape.capture.socket import check_address
from booktape.capture.subscriptions import channels
from booktape.capture.timeouts import Timeouts
from booktape.capture.uploader import Uploader
from booktape.exchanges import exchange
from booktape.exchanges.spec import WHOLE_VENUE, Exchange, Subscription
from booktape.model.errors import BooktapeError
from booktape.model.gap import ANY, Gap, GapCause
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES
from booktape.model.symbols import literal_names
from booktape.store import clock
from booktape.store.objects import open_store
from workers.connections import Connections
from workers.instrument_watcher import InstrumentWatcher
from workers.live_writer import EVERY_SECONDS, LiveWriter, live_cache
from workers.metrics_reporter import MetricsReporter
from workers.options import InvalidOptionError, Options, sole_owner
from workers.raw_capture import RawCapture
from workers.snapshot_requests import SnapshotRequests
from workers.stale_streams import Activity, StaleStreamDetector
from workers.stream_state import GRACE, StreamState
from workers.uptime_writer import UptimeWriter

_RESYNC_SECONDS: Final = 10.0
_METRICS_SECONDS: Final = 60.0


class Worker:
    """Records markets of one exchange until SIGTERM or SIGINT.

    It is the :class:`~workers.connections.WorkerEvents` of its connections.
    """

    def __init__(self, options: Options, venue: Exchange, timeouts: Timeouts) -> None:
        self.exchange = venue
        self.log = structlog.get_logger().bind(exchange=venue.id, system=options.system, instance=options.worker)
        _check_options(venue, options)
        uptime = UptimeWriter(options.worker, clock.now())
        self.uploader = Uploader(
            open_store(options.storage),
            open_store(options.spool_url),
            venue.id,
            self._upload_failed,
            on_saved=uptime.batch_saved,
            on_lost=uptime.batch_lost,
        )
        self.pipeline = Pipeline(venue, self.uploader.submit, self._gap, self._frames_lost)
        self.stream_state = StreamState(venue, self.pipeline, uptime)
        self.raw = RawCapture(venue, options, self._upload_failed) if options.raw else None
        self.connections = Connections(
            venue,
            options.websocket_url or venue.websocket_url,
            options.data_types,
            self.pipeline,
            self,
            replace(timeouts, lifetime=options.connection_lifetime or timeouts.lifetime),
            shard=options.shard,
            raw=self.raw.frames if self.raw is not None else None,
        )
        self.instruments = InstrumentWatcher(
            venue,
            options.markets,
            options.shard,
            self.connections,
            self.log,
            seconds=options.listing_seconds,
            redis_url=options.redis_url,
            rest_url=options.rest_url,
        )
        books_over_rest = venue.rest.book is not None and not venue.book_starts_with_snapshot
        self.snapshots = SnapshotRequests(venue, options.redis_url) if books_over_rest else None
        self.live: LiveWriter | None = None
        if options.live and options.redis_url is not None:
            cache = live_cache(options.redis_url, venue.id, f"{options.system}-{options.worker}")
            self.live = LiveWriter(venue, self.pipeline, cache.write)
        dimensions = {"Exchange": venue.id, "System": options.system, "Instance": options.worker}
        self.metrics = MetricsReporter(self.log, dimensions, self.pipeline, self.uploader)
        self._channels = {channel.name: channel for channel in venue.channels}
        self._stale_streams: StaleStreamDetector[tuple[str, str]] = StaleStreamDetector()
        self._to_resync: dict[Connection, dict[Subscription, None]] = {}
        self._resynced: dict[Connection, float] = {}
        self._subscribing: set[Connection] = set()

    async def run(self) -> None:
        """Record until SIGTERM or SIGINT; then flush all open batches."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        self.log.info("started")
        routines = [asyncio.ensure_future(routine) for routine in self._routines()]
        try:
            await stop.wait()
        finally:
            for routine in routines:
                routine.cancel()
            await asyncio.gather(*routines, return_exceptions=True)
            await self.connections.close()
            await self._flush()

    async def _flush(self) -> None:
        for connection in self.connections:
            self.stream_state.disconnected(connection.subscriptions)
        self.pipeline.close()
        await asyncio.to_thread(self.uploader.wait)
        if self.raw is not None:
            self.log.info("raw_stopped", left_in_spool=await asyncio.to_thread(self.raw.close), **self.raw.counts())
        self.stream_state.close(self.uploader)
        left = await asyncio.to_thread(self.uploader.close)
        self.metrics.log_changes()
        self.metrics.emit()
        records = sum(batcher.appended for batcher in self.pipeline.batchers.values())
        self.log.info("stopped", left_in_spool=left, records=records)

    def _routines(self) -> Iterator[Awaitable[None]]:
        yield self.instruments.run()
        yield self._every(1.0, self._each_second)
        yield self._every(2.0, self._drain)
        yield self._every(5.0, self._resubscribe_stale)
        yield self._every(_METRICS_SECONDS, self._emit)
        if self.raw is not None:
            yield self._every(2.0, self.raw.drain)
        if self.snapshots is not None:
            yield self._every(1.0, self.snapshots.send_waiting)
        if self.live is not None:
            yield self._every(EVERY_SECONDS, self.live.write_changes)

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await do()
            except Exception as error:  # noqa: BLE001  # whatever goes wrong with a routine, recording goes on
                self.log.error("routine_failed", error=f"{type(error).__name__}: {error}")

    async def _each_second(self) -> None:
        self.pipeline.close_past(self.connections.clock - GRACE)
        self._resync()
        self.stream_state.update()
        self._find_subscribed()
        self.stream_state.write(self.uploader)
        self.metrics.log_changes()

    def _find_subscribed(self) -> None:
        """Find connections that have sent all their subscriptions: venues accept only a few messages a second."""
        for connection in [connection for connection in self._subscribing if connection.is_subscribed]:
            self._subscribing.discard(connection)
            self.stream_state.subscribed(connection.subscriptions)

    async def _emit(self) -> None:
        if self.raw is not None:
            self.metrics.counts.update(self.raw.changes())
        self.metrics.emit()

    async def _drain(self) -> None:
        moved = await asyncio.to_thread(self.uploader.drain)
        if moved:
            self.log.info("drained", objects=moved)

    async def _resubscribe_stale(self) -> None:
        """Subscribe again to streams that have been quiet for too long: a subscription can die alone."""
        owners = {
            (data_type, subscription.symbol): (connection, subscription)
            for connection in self.connections
            for subscription in connection.subscriptions
            for data_type in self._checked_data_types(subscription)
        }
        activity = {stream: self._activity(*stream) for stream in owners}
        for stream in self._stale_streams.check(time.monotonic(), activity):
            data_type, symbol = stream
            connection, subscription = owners[stream]
            self.metrics.counts["StaleStreams"] += 1
            self.log.warning("stale_stream", data_type=data_type, market=self.exchange.market(symbol))
            self.stream_state.stale(data_type, symbol)
            connection.resubscribe([subscription])

    def _checked_data_types(self, subscription: Subscription) -> Iterator[str]:
        """The data types of a subscription that can become stale: a book's snapshots come only once."""
        channel = self._channels[subscription.channel]
        if channel.stale_after is not None and subscription.symbol != WHOLE_VENUE:
            for data_type in channel.data_types:
                if data_type != BOOK_SNAPSHOTS or BOOK_UPDATES not in channel.data_types:
                    yield data_type

    def _activity(self, data_type: str, symbol: str) -> Activity:
        batcher = self.pipeline.batchers.get((data_type, symbol))
        return Activity(batcher.appended if batcher else 0, self.exchange.channel(data_type).stale_after or 0)

    # The events of the connections, the pipeline and the uploader

    def added(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscriptions are to be recorded; no connection carries them yet."""
        self.stream_state.added(subscriptions)

    def removed(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscriptions are no longer to be recorded."""
        self.stream_state.removed(subscriptions)

    def connected(self, connection: Connection) -> None:
        """The connection is up."""
        self.log.info(
            "connected", connection=connection.number, url=connection.url, streams=len(connection.subscriptions)
        )
        self._subscribing.add(connection)
        self.stream_state.subscribing(connection.subscriptions)
        self._request_books(connection.subscriptions)

    def subscribed(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscriptions were added to a connection that is up."""
        if self.exchange.unsubscribe is not None:
            self.stream_state.subscribing(subscriptions)
            self._subscribing.update(self.connections)
        self._request_books(subscriptions)

    def _request_books(self, subscriptions: Iterable[Subscription]) -> None:
        """Request the snapshots of books that only REST provides."""
        if self.snapshots is not None and self.exchange.book is not None:
            for channel, symbol in subscriptions:
                if channel == self.exchange.book.name:
                    self.snapshots.add(self.exchange.market(symbol))

    def disconnected(self, connection: Connection, reason: str, pause: float) -> None:
        """The connection was lost or could not be made; it reconnects by itself."""
        self.metrics.counts["Disconnects"] += 1
        self._subscribing.discard(connection)
        self.stream_state.disconnected(connection.subscriptions)
        self.log.warning("disconnected", connection=connection.number, reason=reason, retry_in_seconds=round(pause, 2))

    def handed_over(self, connection: Connection, reason: str | None) -> None:
        """Another session has taken over, or could not."""
        if reason is None:
            self.metrics.counts["Handovers"] += 1
            self.stream_state.subscribed(connection.subscriptions)
            self.log.info("handed_over", connection=connection.number)
        else:
            self.log.warning("handover_failed", connection=connection.number, reason=reason)

    def _gap(self, gap: Gap) -> None:
        self._log_gap(gap)
        self.stream_state.gap(gap)
        if gap.data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS) and gap.cause in (GapCause.LOST, GapCause.CHECKSUM):
            self._request_snapshot(gap.market, self.connections)

    def _frames_lost(self, feed: ConnectionFeed, gap: Gap) -> None:
        """Frames of a connection are missing. Which of its markets they belonged to is unknown."""
        self._log_gap(gap)
        carrying = [connection for connection in self.connections if connection.carries(feed)]
        subscriptions = [one for connection in carrying for one in connection.subscriptions]
        self.stream_state.frames_lost(gap, feed, subscriptions)
        self._request_snapshot(ANY, carrying)

    def _log_gap(self, gap: Gap) -> None:
        self.metrics.counts["SequenceGaps"] += 1
        stream = {"data_type": gap.data_type, "market": gap.market}
        first, last = gap.bounds
        self.log.warning("gap", **stream, unit=gap.unit, first=first, last=last, cause=gap.cause)

    def _request_snapshot(self, market: str, connections: Iterable[Connection]) -> None:
        """Request a new snapshot of one market's book, or of all books that some connections carry.


        Not after a reconnect, because the new subscription has begun with a snapshot.
        """
        book = self.exchange.book
        if self.snapshots is not None:
            self.snapshots.add(market)
        elif book is not None:
            for connection in connections:
                for subscription in connection.subscriptions:
                    if subscription.channel == book.name and market in (ANY, self.exchange.market(subscription.symbol)):
                        self.stream_state.resyncing(subscription)
                        self._to_resync.setdefault(connection, {})[subscription] = None

    def _resync(self) -> None:
        """Subscribe again to books that need a snapshot, at most every ten seconds per connection."""
        now = time.monotonic()
        for connection, subscriptions in self._to_resync.items():
            if subscriptions and now - self._resynced.get(connection, -_RESYNC_SECONDS) >= _RESYNC_SECONDS:
                self._resynced[connection] = now
                connection.resubscribe([one for one in subscriptions if one in connection.subscriptions])
                subscriptions.clear()

    def _upload_failed(self, key: str, error: BooktapeError) -> None:
        self.log.error("store_refused", key=key, error=str(error))


def _check_options(venue: Exchange, options: Options) -> None:
    """Check the options as far as that is possible without the venue's list of instruments.

    :raises BooktapeError: an option is invalid.
    """
    channels(venue, options.data_types)
    if not options.instance or "/" in options.instance:
        raise InvalidOptionError(
            f"{options.instance!r} is not an instance's name; write a letter or a word, without slashes"
        )
    check_address(options.websocket_url or venue.websocket_url)
    for name in literal_names(options.markets):
        if venue.market(venue.symbol(name)) != name:
            raise InvalidOptionError(
                f"{name!r} is not a market of {venue.id}: `booktape markets {venue.id}` lists them"
            )


def record_markets(options: Options, timeouts: Timeouts | None = None) -> None:
    """Record until SIGTERM or SIGINT.

    :raises BooktapeError: an option is invalid. Raised before anything is recorded.
    """
    worker = Worker(options, exchange(options.exchange), timeouts or Timeouts())
    with sole_owner(options.spool_directory), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(worker.run())
