"""One connection worker: it wires connections, recorder and uploader together and tells what happens."""

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
from workers.stale_streams import Heard, StaleStreamDetector
from workers.stream_state import GRACE, StreamState
from workers.uptime_writer import UptimeWriter

_RESYNC_SECONDS: Final = 10.0
_METRICS_SECONDS: Final = 60.0


class Worker:
    """Records some markets of one exchange until it is told to stop."""

    def __init__(self, options: Options, venue: Exchange, patience: Timeouts) -> None:
        self.exchange = venue
        self.log = structlog.get_logger().bind(exchange=venue.id, system=options.system, instance=options.worker)
        _refuse_unknown(venue, options)
        ledger = UptimeWriter(options.worker, clock.now())
        stores = open_store(options.storage), open_store(options.spool_url)
        told = self._upload_failed
        self.uploader = Uploader(*stores, venue.id, told, on_kept=ledger.wrote, on_lost=ledger.lost)
        self.recorder = Pipeline(venue, self.uploader.submit, self._gap, self._frames_lost)
        self.watch = StreamState(venue, self.recorder, ledger)
        self.raw = RawCapture(venue, options, self._upload_failed) if options.raw else None
        self.links = Connections(
            venue,
            options.websocket_url or venue.websocket_url,
            options.data_types,
            self.recorder,
            self,
            replace(patience, lifetime=options.connection_lifetime or patience.lifetime),
            shard=options.shard,
            raw=self.raw.frames if self.raw is not None else None,
        )
        self.following = InstrumentWatcher(
            venue,
            options.markets,
            options.shard,
            self.links,
            self.log,
            seconds=options.listing_seconds,
            redis_url=options.redis_url,
            rest_url=options.rest_url,
        )
        asks = venue.rest.book is not None and not venue.book_starts_with_snapshot
        self.requests = SnapshotRequests(venue, options.redis_url) if asks else None
        self.live: LiveWriter | None = None
        if options.live and options.redis_url is not None:
            cache = live_cache(options.redis_url, venue.id, f"{options.system}-{options.worker}")
            self.live = LiveWriter(venue, self.recorder, cache.write)
        dimensions = {"Exchange": venue.id, "System": options.system, "Instance": options.worker}
        self.teller = MetricsReporter(self.log, dimensions, self.recorder, self.uploader)
        self._channels = {channel.name: channel for channel in venue.channels}
        self._silence: StaleStreamDetector[tuple[str, str]] = StaleStreamDetector()
        self._wanted: dict[Connection, dict[Subscription, None]] = {}
        self._resynced: dict[Connection, float] = {}
        self._asking: set[Connection] = set()

    async def run(self) -> None:
        """Record until SIGTERM or SIGINT; then flush everything that is held."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        self.log.info("started")
        duties = [asyncio.ensure_future(duty) for duty in self._routines()]
        try:
            await stop.wait()
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            await self.links.close()
            await self._flush_all()

    async def _flush_all(self) -> None:
        for link in self.links:
            self.watch.disconnected(link.subscriptions)
        self.recorder.close()
        await asyncio.to_thread(self.uploader.settle)
        if self.raw is not None:
            self.log.info("raw_stopped", left_in_spool=await asyncio.to_thread(self.raw.close), **self.raw.counts())
        self.watch.close(self.uploader)
        left = await asyncio.to_thread(self.uploader.close)
        self.teller.tell_news()
        self.teller.emit()
        self.log.info("stopped", left_in_spool=left, records=sum(s.appended for s in self.recorder.streams.values()))

    def _routines(self) -> Iterator[Awaitable[None]]:
        yield self.following.run()
        yield self._every(1.0, self._each_second)
        yield self._every(2.0, self._drain)
        yield self._every(5.0, self._look_for_silence)
        yield self._every(_METRICS_SECONDS, self._emit)
        if self.raw is not None:
            yield self._every(2.0, self.raw.drain)
        if self.requests is not None:
            yield self._every(1.0, self.requests.send_waiting)
        if self.live is not None:
            yield self._every(EVERY_SECONDS, self.live.tell)

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await do()
            except Exception as error:  # whatever goes wrong with a routine, recording goes on
                self.log.error("routine_failed", error=f"{type(error).__name__}: {error}")

    async def _each_second(self) -> None:
        self.recorder.close_past(self.links.clock - GRACE)
        self._resubscribe()
        self.watch.look()
        self._look_who_is_subscribed()
        self.watch.write(self.uploader)
        self.teller.tell_news()

    def _look_who_is_subscribed(self) -> None:
        """A link has connected its streams once it has asked for all of them: venues take a few messages a second."""
        for link in [link for link in self._asking if link.is_subscribed]:
            self._asking.discard(link)
            self.watch.joined(link.subscriptions)

    async def _emit(self) -> None:
        if self.raw is not None:
            self.teller.counts.update(self.raw.news())
        self.teller.emit()

    async def _drain(self) -> None:
        moved = await asyncio.to_thread(self.uploader.drain)
        if moved:
            self.log.info("drained", objects=moved)

    async def _look_for_silence(self) -> None:
        """Ask anew for streams that are quiet beyond their habit: a subscription can die alone."""
        owners = {
            (data_type, subscription.symbol): (link, subscription)
            for link in self.links
            for subscription in link.subscriptions
            for data_type in self._watched(subscription)
        }
        for stream in self._silence.check(time.monotonic(), {stream: self._heard(*stream) for stream in owners}):
            data_type, symbol = stream
            link, subscription = owners[stream]
            self.teller.counts["SilentStreams"] += 1
            self.log.warning("silent", data_type=data_type, market=self.exchange.market(symbol))
            self.watch.silent(data_type, symbol)
            link.resubscribe([subscription])

    def _watched(self, subscription: Subscription) -> Iterator[str]:
        """The data types of a subscription whose silence means something: a book's snapshots come but once."""
        channel = self._channels[subscription.channel]
        if channel.stale_after is not None and subscription.symbol != WHOLE_VENUE:
            for data_type in channel.data_types:
                if data_type != BOOK_SNAPSHOTS or BOOK_UPDATES not in channel.data_types:
                    yield data_type

    def _heard(self, data_type: str, symbol: str) -> Heard:
        stream = self.recorder.streams.get((data_type, symbol))
        return Heard(stream.appended if stream else 0, self.exchange.channel(data_type).stale_after or 0)

    # What links, recorder and uploader tell

    def begun(self, subscriptions: Sequence[Subscription]) -> None:
        """Streams are to be recorded."""
        self.watch.begun(subscriptions)

    def ended(self, subscriptions: Sequence[Subscription]) -> None:
        """Streams are to be recorded no more."""
        self.watch.ended(subscriptions)

    def connected(self, link: Connection) -> None:
        """A link is up."""
        self.log.info("connected", connection=link.number, url=link.url, streams=len(link.subscriptions))
        self._asking.add(link)
        self.watch.asked(link.subscriptions)
        self._begin_books(link.subscriptions)

    def subscribed(self, subscriptions: Sequence[Subscription]) -> None:
        """More streams begin on a link that is up, at once or with the next connection."""
        if self.exchange.unsubscribe is not None:
            self.watch.asked(subscriptions)
            self._asking.update(self.links)
        self._begin_books(subscriptions)

    def _begin_books(self, subscriptions: Iterable[Subscription]) -> None:
        """Books that only REST can begin need a snapshot now."""
        if self.requests is not None and self.exchange.book is not None:
            for channel, symbol in subscriptions:
                if channel == self.exchange.book.name:
                    self.requests.want(self.exchange.market(symbol))

    def disconnected(self, link: Connection, reason: str, pause: float) -> None:
        """A link is down; it comes back by itself."""
        self.teller.counts["Disconnects"] += 1
        self._asking.discard(link)
        self.watch.disconnected(link.subscriptions)
        self.log.warning("disconnected", connection=link.number, reason=reason, again_in_seconds=round(pause, 2))

    def handed_over(self, link: Connection, reason: str | None) -> None:
        """A link's new connection has taken over, or could not."""
        if reason is None:
            self.teller.counts["Handovers"] += 1
            self.watch.joined(link.subscriptions)
            self.log.info("handed_over", connection=link.number)
        else:
            self.log.warning("not_handed_over", connection=link.number, reason=reason)

    def _gap(self, gap: Gap) -> None:
        self._log_gap(gap)
        self.watch.gap(gap)
        if gap.data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS) and gap.cause in (GapCause.LOST, GapCause.CHECKSUM):
            self._want_snapshot(gap.market, self.links)

    def _frames_lost(self, connection: ConnectionFeed, gap: Gap) -> None:
        """Frames of a connection are missing: no one knows of which of its markets."""
        self._log_gap(gap)
        carrying = [link for link in self.links if link.carries(connection)]
        subscriptions = [one for link in carrying for one in link.subscriptions]
        self.watch.frames_lost(gap, connection, subscriptions)
        self._want_snapshot(ANY, carrying)

    def _log_gap(self, gap: Gap) -> None:
        self.teller.counts["SequenceGaps"] += 1
        stream = {"data_type": gap.data_type, "market": gap.market}
        first, last = gap.bounds
        self.log.warning("gap", **stream, unit=gap.unit, first=first, last=last, cause=gap.cause)

    def _want_snapshot(self, market: str, links: Iterable[Connection]) -> None:
        """A fresh snapshot of one market's book, or of all that some links carry.

        After a reconnect none is wanted: the new subscription has begun with one.
        """
        book = self.exchange.book
        if self.requests is not None:
            self.requests.want(market)
        elif book is not None:
            for link in links:
                for subscription in link.subscriptions:
                    if subscription.channel == book.name and market in (ANY, self.exchange.market(subscription.symbol)):
                        self.watch.resyncing(subscription)
                        self._wanted.setdefault(link, {})[subscription] = None

    def _resubscribe(self) -> None:
        """Ask each link for the snapshots that are wanted of it, at most every ten seconds."""
        now = time.monotonic()
        for link, wanted in self._wanted.items():
            if wanted and now - self._resynced.get(link, -_RESYNC_SECONDS) >= _RESYNC_SECONDS:
                self._resynced[link] = now
                link.resubscribe([subscription for subscription in wanted if subscription in link.subscriptions])
                wanted.clear()

    def _upload_failed(self, key: str, error: BooktapeError) -> None:
        self.log.error("store_refused", key=key, error=str(error))


def _refuse_unknown(venue: Exchange, options: Options) -> None:
    """Raise a BooktapeError for orders that no venue's list is needed to see through."""
    channels(venue, options.data_types)
    if not options.instance or "/" in options.instance:
        raise InvalidOptionError(
            f"{options.instance!r} is no instance's name; write a letter or a word, without slashes"
        )
    check_address(options.websocket_url or venue.websocket_url)
    for name in literal_names(options.markets):
        if venue.market(venue.symbol(name)) != name:
            raise InvalidOptionError(f"{name!r} is no market of {venue.id}: `booktape markets {venue.id}` lists them")


def record_markets(options: Options, patience: Timeouts | None = None) -> None:
    """Record until SIGTERM or SIGINT. Orders that make no sense raise a BooktapeError at once."""
    worker = Worker(options, exchange(options.exchange), patience or Timeouts())
    with sole_owner(options.spool_directory), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(worker.run())
