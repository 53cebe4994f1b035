"""One connection worker: it wires sockets, recorder and uploader together and tells what happens."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import structlog
import uvloop

from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, SECOND
from booktape.errors import BooktapeError
from booktape.exchanges import exchange
from booktape.exchanges.spec import Exchange, Subscription
from booktape.feed.link import Link, Patience
from booktape.feed.plan import plan
from booktape.feed.uploader import Uploader, Uploads
from booktape.recorder import ANY, GapSeen, Recorder
from booktape.storage import open_store
from config import metrics
from workers.options import Options, sole_owner
from workers.silence import Heard, Silence
from workers.snapshot_requests import SnapshotRequests

GRACE: Final = 10 * SECOND
"""How far the exchange's time must be past a minute before a quiet stream's batch of that minute is closed."""

_RESYNC_SECONDS: Final = 10.0
_METRICS_SECONDS: Final = 60.0


class Worker:
    """Records some markets of one exchange until it is told to stop."""

    def __init__(self, options: Options, venue: Exchange, patience: Patience) -> None:
        self.exchange = venue
        self.log = structlog.get_logger().bind(exchange=venue.id, system=options.system, instance=options.instance)
        self.uploader = Uploader(
            open_store(options.storage), open_store(options.spool_url), venue.id, self._upload_failed
        )
        self.recorder = Recorder(venue, self.uploader.submit, self._gap)
        url = options.websocket_url or venue.websocket_url
        self.links = [
            Link(venue, url, subscriptions, self.recorder, self, number=number, patience=patience)
            for number, subscriptions in enumerate(plan(venue, options.markets, options.data_types))
        ]
        self.requests = SnapshotRequests(venue, options.redis_url) if venue.rest else None
        self._dimensions = {"Exchange": venue.id, "System": options.system, "Instance": options.instance}
        self._silence: Silence[tuple[str, str]] = Silence()
        self._counts: Counter[str] = Counter(SequenceGaps=0, Disconnects=0, SilentStreams=0)
        self._flushed = Uploads()
        self._told: Counter[str] = Counter()
        self._emitted: dict[str, int] = {}
        self._wanted: dict[Link, dict[Subscription, None]] = {}
        self._resynced: dict[Link, float] = {}

    async def run(self) -> None:
        """Record until SIGTERM or SIGINT; then flush everything that is held."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        duties = [asyncio.ensure_future(duty) for duty in (*(link.run() for link in self.links), *self._routines())]
        stopped = asyncio.ensure_future(stop.wait())
        self.log.info("started", markets=len({s.symbol for link in self.links for s in link.subscriptions}))
        try:
            done, _ = await asyncio.wait([stopped, *duties], return_when=asyncio.FIRST_COMPLETED)
            for duty in done:
                duty.result()
        finally:
            for duty in (stopped, *duties):
                duty.cancel()
            await asyncio.gather(stopped, *duties, return_exceptions=True)
            await self._flush_all()

    async def _flush_all(self) -> None:
        self.recorder.close()
        left = await asyncio.to_thread(self.uploader.close)
        self._tell_flushed()
        self._emit()
        self.log.info("stopped", left_in_spool=left, records=sum(s.appended for s in self.recorder.streams.values()))

    def _routines(self) -> Iterator[Awaitable[None]]:
        yield self._every(1.0, self._each_second)
        yield self._every(2.0, self._drain)
        yield self._every(5.0, self._look_for_silence)
        yield self._every(_METRICS_SECONDS, self._emit_later)
        if self.requests is not None:
            yield self._every(1.0, self.requests.send_waiting)

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await do()
            except Exception as error:  # whatever goes wrong with a routine, recording goes on
                self.log.error("routine_failed", error=f"{type(error).__name__}: {error}")

    async def _each_second(self) -> None:
        self.recorder.close_past(max(link.connection.clock for link in self.links) - GRACE)
        self._resubscribe()
        self._tell_flushed()
        self._tell_new("refused", self.recorder.refused)
        self._tell_new("not_understood", self.recorder.not_understood)

    async def _drain(self) -> None:
        moved = await asyncio.to_thread(self.uploader.drain)
        if moved:
            self.log.info("drained", objects=moved)

    async def _look_for_silence(self) -> None:
        """Ask anew for streams that are quiet beyond their habit: a subscription can die alone."""
        owners = {stream: link for link in self.links for stream in self._streams(link)}
        for stream in self._silence.check(time.monotonic(), {stream: self._heard(*stream) for stream in owners}):
            data_type, symbol = stream
            self._counts["SilentStreams"] += 1
            self.log.warning("silent", data_type=data_type, market=self.exchange.market(symbol))
            owners[stream].resubscribe([Subscription(self.exchange.channel(data_type).name, symbol)])

    def _streams(self, link: Link) -> Iterator[tuple[str, str]]:
        channels = {channel.name: channel for channel in self.exchange.channels}
        for channel, symbol in link.subscriptions:
            for data_type in channels[channel].data_types:
                if data_type != BOOK_SNAPSHOTS:
                    yield data_type, symbol

    def _heard(self, data_type: str, symbol: str) -> Heard:
        stream = self.recorder.streams.get((data_type, symbol))
        return Heard(stream.appended if stream else 0, self.exchange.channel(data_type).quiet)

    # What links, recorder and uploader tell

    def connected(self, link: Link) -> None:
        """A link is up: books that only REST can begin need a snapshot now."""
        self.log.info("connected", connection=link.number, url=link.url, streams=len(link.subscriptions))
        if self.requests is not None:
            book = self.exchange.channel(BOOK_UPDATES).name
            for channel, symbol in link.subscriptions:
                if channel == book:
                    self.requests.want(self.exchange.market(symbol))

    def disconnected(self, link: Link, reason: str, pause: float) -> None:
        """A link is down; it comes back by itself."""
        self._counts["Disconnects"] += 1
        self.log.warning("disconnected", connection=link.number, reason=reason, again_in_seconds=round(pause, 2))

    def _gap(self, gap: GapSeen) -> None:
        self._counts["SequenceGaps"] += 1
        told = {"data_type": gap.data_type, "market": gap.market, "first": gap.first, "last": gap.last}
        self.log.warning("gap", **told, reconnect=gap.reconnect)
        if not gap.reconnect and gap.data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS, ANY):
            self._want_snapshot(gap)

    def _want_snapshot(self, gap: GapSeen) -> None:
        """A fresh snapshot of one market's book, or of all whose loss only this connection's counter can show.

        After a reconnect none is wanted: the new subscription has begun with one.
        """
        if self.requests is not None:
            self.requests.want(gap.market)
            return
        book = self.exchange.channel(BOOK_UPDATES)
        for link in self.links:
            ours = gap.connection in (None, link.connection)
            for subscription in link.subscriptions if ours else ():
                market = self.exchange.market(subscription.symbol)
                if subscription.channel == book.name and gap.market in (ANY, market):
                    self._wanted.setdefault(link, {})[subscription] = None

    def _resubscribe(self) -> None:
        """Ask each link for the snapshots that are wanted of it, at most every ten seconds."""
        now = time.monotonic()
        for link, wanted in self._wanted.items():
            if wanted and now - self._resynced.get(link, -_RESYNC_SECONDS) >= _RESYNC_SECONDS:
                self._resynced[link] = now
                link.resubscribe(list(wanted))
                wanted.clear()

    def _upload_failed(self, key: str, error: BooktapeError) -> None:
        self.log.error("store_refused", key=key, error=str(error))

    def _tell_flushed(self) -> None:
        now, before = self.uploader.uploads, self._flushed
        if now != before:
            self._flushed = now
            changes = {name: getattr(now, name) - getattr(before, name) for name in Uploads.__dataclass_fields__}
            self.log.info("flushed", waiting=self.uploader.waiting, **changes)

    def _tell_new(self, event: str, counts: Counter[str]) -> None:
        for what, count in counts.items():
            if count > self._told[event + what]:
                self.log.error(event, what=what, count=count - self._told[event + what])
                self._told[event + what] = count

    async def _emit_later(self) -> None:
        self._emit()

    def _emit(self) -> None:
        """What happened since the last time, zeros included; the absence of this line is an alarm of its own."""
        uploads = self.uploader.uploads
        totals = {
            **self._counts,
            "Frames": self.recorder.frames,
            "Records": sum(stream.appended for stream in self.recorder.streams.values()),
            "StaleRecords": self.recorder.stale(),
            "FramesNotUnderstood": self.recorder.not_understood.total(),
            "FramesRefused": self.recorder.refused.total(),
            "UncheckedMessages": self.recorder.unchecked(),
            "Objects": uploads.objects,
            "Collisions": uploads.collisions,
            "Spooled": uploads.spooled,
            "Dropped": uploads.dropped,
        }
        metrics.emit(self._dimensions, {name: total - self._emitted.get(name, 0) for name, total in totals.items()})
        self._emitted = totals


def record_markets(options: Options, patience: Patience | None = None) -> None:
    """Record until SIGTERM or SIGINT. Orders that make no sense raise a BooktapeError at once."""
    worker = Worker(options, exchange(options.exchange), patience or Patience())
    with sole_owner(options.spool_directory), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(worker.run())
