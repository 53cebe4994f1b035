"""Tracks the state of each stream of a worker, and writes it to the uptime log."""

from collections.abc import Collection, Iterable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from booktape.capture.pipeline import ConnectionFeed, Pipeline
from booktape.capture.uploader import Uploader
from booktape.exchanges.spec import WHOLE_VENUE, Exchange, Subscription
from booktape.integrity.uptime_log import encode_segment
from booktape.model import sequence
from booktape.model.gap import Gap, GapCause, GapUnit
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, SECOND, record_time
from booktape.model.uptime import CONNECTED, DOWN, RESYNCING, SILENT, UNNOTICED, StateName
from booktape.store import clock
from workers.uptime_writer import ANY_MARKET, Name, Segment, UptimeWriter

GRACE: Final = 10 * SECOND
"""How far the exchange's time must be past a minute before a quiet stream's batch of that minute is closed."""


class _Awaited(NamedTuple):
    """A stream, by the venue's symbol, that must deliver a record newer than ``before``."""

    data_type: str
    symbol: str
    before: Any


class StreamState:
    """Turns events of connections and gaps into states in a worker's :class:`~workers.uptime_writer.UptimeWriter`.

    A stream is connected, silent, resyncing or down; see :class:`~booktape.model.uptime.StreamInterval`. Nothing here
    runs per record or per frame.
    """

    def __init__(self, exchange: Exchange, pipeline: Pipeline, uptime: UptimeWriter) -> None:
        self._exchange = exchange
        self._pipeline = pipeline
        self._uptime = uptime
        self._data_types = {channel.name: channel.data_types for channel in exchange.channels}
        self._awaited: dict[Name, _Awaited] = {}  # the record that makes a stream connected again
        self._snapshots: dict[str, Any] = {}  # the last snapshot of each symbol that is down, when it went down
        self._updated = (0, 0)  # the times of the last update but one, and of the last update
        self._finished: list[Segment] = []

    def added(self, subscriptions: Collection[Subscription]) -> None:
        """Streams are to be recorded. They are down until they are connected."""
        self._go_down(subscriptions)
        self._uptime.begin(self._names(subscriptions), self._now())

    def removed(self, subscriptions: Collection[Subscription]) -> None:
        """Streams are no longer to be recorded."""
        names = list(self._names(subscriptions))
        self._uptime.end(names, self._now())
        for name in names:
            self._awaited.pop(name, None)
        for subscription in subscriptions:
            self._snapshots.pop(subscription.symbol, None)

    def subscribing(self, subscriptions: Iterable[Subscription]) -> None:
        """A connection is up and sends its subscriptions. Each stream is down until its first record."""
        for subscription in subscriptions:
            if subscription.symbol != WHOLE_VENUE and not self.resyncing(subscription, even_down=True):
                for name in self._names([subscription]):
                    if self._uptime.state(name) == DOWN:
                        self._awaited[name] = self._await(name[0], subscription.symbol)

    def connected(self, subscriptions: Iterable[Subscription]) -> None:
        """Streams are subscribed to. A book that begins with a snapshot is resyncing until the snapshot arrives."""
        for subscription in subscriptions:
            if not self.resyncing(subscription, even_down=True):
                for name in self._names([subscription]):
                    self._change(name, CONNECTED)

    def subscribed(self, subscriptions: Iterable[Subscription]) -> None:
        """A connection has sent all its subscriptions: those of its streams that are still down are connected."""
        self.connected(one for one in subscriptions if self._state(one) == DOWN)

    def disconnected(self, subscriptions: Collection[Subscription]) -> None:
        """A connection was lost, now at the latest. Its streams are down from its last delivery on."""
        now = self._now()
        names = list(self._names(subscriptions))
        self._go_down(subscriptions)
        # A process that was suspended notices late. It may have updated once in between, but not twice.
        since = max(min(now, self._updated[0]) - UNNOTICED, self._delivered(subscriptions, now))
        for name in names:
            self._change(name, DOWN, since=since)

    def stale(self, data_type: str, symbol: str) -> None:
        """A stream is quiet beyond its limit. It is silent from its last record until its next one."""
        last = self._last(data_type, symbol)
        since = 0 if last is None else last.local_timestamp
        for kind in (BOOK_UPDATES, BOOK_SNAPSHOTS) if data_type == BOOK_UPDATES else (data_type,):
            name = (kind, self._market(symbol))
            if self._uptime.state(name) == CONNECTED:
                self._change(name, SILENT, self._await(data_type, symbol), since=since)

    def resyncing(self, subscription: Subscription, *, even_down: bool = False) -> bool:
        """A book waits for a snapshot. Returns False, and does nothing, where the stream sends no snapshots.

        :param even_down: also where the stream is down.
        """
        book = self._exchange.book
        if book is None or subscription.channel != book.name or not self._exchange.book_starts_with_snapshot:
            return False
        awaited = self._await(BOOK_SNAPSHOTS, subscription.symbol)
        if even_down:  # the snapshot may have arrived before this call
            awaited = awaited._replace(before=self._snapshots.pop(subscription.symbol, awaited.before))
        for name in self._names([subscription]):
            if even_down or self._uptime.state(name) != DOWN:
                self._change(name, RESYNCING, awaited)
        return True

    def gap(self, gap: Gap) -> None:
        """Record a gap of one stream. A gap in time whose beginning or end is unknown begins or ends now."""
        now = self._now()
        name = (gap.data_type, gap.market)
        if not gap.shows_loss and self._uptime.state(name) == SILENT:
            return  # of a stale stream that was subscribed to again: its silent interval says more
        if gap.unit is GapUnit.TIME:
            exchange_now = now if gap.by_receipt else now - (self._uptime.lag or 0)
            gap = gap._replace(first=gap.first or exchange_now, last=gap.last or exchange_now)
        self._uptime.gap(name, gap._replace(noticed=now))

    def frames_lost(self, gap: Gap, feed: ConnectionFeed, subscriptions: Iterable[Subscription]) -> None:
        """Record a gap in a connection's frame counter, for each stream whose loss only this counter can show.

        :param subscriptions: what the connection carries now. What it has carried counts as well.
        """
        lost = Gap(GapUnit.TIME, gap.after, gap.before, GapCause.FRAMES_LOST, noticed=self._now(), by_receipt=True)
        carried = {(data_type, self._market(symbol)) for data_type, symbol in feed.sinks}
        for name in sorted(carried | set(self._names(subscriptions))):
            if self._exchange.channel(name[0]).rule == sequence.CONNECTION_COUNTER:
                self._uptime.gap(name, lost._replace(data_type=name[0], market=name[1]))

    def update(self) -> None:
        """Set the streams connected that have delivered the awaited record. Call it once a second."""
        now = self._now()
        self._updated = self._updated[1], now
        if (lag := self._pipeline.take_lag(now)) is not None:
            self._uptime.add_lag(lag)
        for name, awaited in list(self._awaited.items()):
            last = self._last(awaited.data_type, awaited.symbol)
            if last is not None and last is not awaited.before:
                self._change(name, CONNECTED, since=min(now, last.local_timestamp))

    def write(self, uploader: Uploader) -> None:
        """Upload finished segments, once every stream has closed the minutes that they cover."""
        now = self._now()
        self._finished += self._uptime.take(now)
        while self._finished:
            end = max(line.end for line in self._finished[0].lines)
            if end <= now < end + GRACE:  # a segment that ends later was ended by a clock that was set back
                return
            self._pipeline.close_past(end - (self._uptime.lag or 0))
            self._upload(uploader, [self._finished.pop(0)])

    def close(self, uploader: Uploader) -> None:
        """Upload the last segment, after all batches were written."""
        self._upload(uploader, [*self._finished, *self._uptime.close(self._now())])

    def _upload(self, uploader: Uploader, segments: Iterable[Segment]) -> None:
        for start, lines in segments:
            encode = partial(encode_segment, self._exchange.id, self._uptime.instance, start, lines)
            uploader.submit_object_last(f"the segment of {start}", encode)

    def _now(self) -> int:
        now, steady = clock.reading()
        self._uptime.tick(now, steady)
        return now

    def _change(
        self, name: Name, state: StateName, awaited: _Awaited | None = None, *, since: int | None = None
    ) -> None:
        """Change the state of a stream, until the ``awaited`` record arrives."""
        self._uptime.change(name, state, self._now(), since)
        if awaited is None:
            self._awaited.pop(name, None)
        else:
            self._awaited[name] = awaited

    def _go_down(self, subscriptions: Collection[Subscription]) -> None:
        for subscription in subscriptions:
            self._snapshots.setdefault(subscription.symbol, self._last(BOOK_SNAPSHOTS, subscription.symbol))

    def _await(self, data_type: str, symbol: str) -> _Awaited:
        return _Awaited(data_type, symbol, self._last(data_type, symbol))

    def _last(self, data_type: str, symbol: str) -> Any:
        batcher = self._pipeline.batchers.get((data_type, symbol))
        return None if batcher is None else batcher.last

    def _delivered(self, subscriptions: Iterable[Subscription], now: int) -> int:
        """The time (µs, the local clock) up to which a connection has delivered; 0 where it delivered nothing.

        A connection that was held up has not delivered everything that was sent before its last receipt, but everything
        up to the time at which its last record was due. Receipts from before the clock was set back are ignored.
        """
        lasts = [self._last(kind, symbol) for channel, symbol in subscriptions for kind in self._data_types[channel]]
        received = [last for last in lasts if last is not None and last.local_timestamp <= now]
        newest = max((last.local_timestamp for last in received), default=0)
        lag = self._uptime.lag
        if lag is None:
            return newest
        times = [(record_time(last), last.local_timestamp) for last in received]
        recent = [(time, receipt) for time, receipt in times if receipt > newest - SECOND and time != receipt]
        return max((min(time + lag, receipt) for time, receipt in recent), default=newest)

    def _state(self, subscription: Subscription) -> StateName | None:
        return self._uptime.state(next(self._names([subscription])))

    def _names(self, subscriptions: Iterable[Subscription]) -> Iterator[Name]:
        for channel, symbol in subscriptions:
            for data_type in self._data_types[channel]:
                yield data_type, self._market(symbol)

    def _market(self, symbol: str) -> str:
        return ANY_MARKET if symbol == WHOLE_VENUE else self._exchange.market(symbol)
