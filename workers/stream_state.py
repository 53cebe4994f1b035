"""Tells the ledger what happens to the streams of a worker's subscriptions."""

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
    """A stream, by the venue's symbol, of which a record must come for another one to be connected again."""

    data_type: str
    symbol: str
    before: Any


class StreamState:
    """Keeps a worker's :class:`~workers.uptime_writer.UptimeWriter`. Nothing here is called for a record or a frame."""

    def __init__(self, exchange: Exchange, recorder: Pipeline, ledger: UptimeWriter) -> None:
        self._exchange = exchange
        self._recorder = recorder
        self._ledger = ledger
        self._data_types = {channel.name: channel.data_types for channel in exchange.channels}
        self._awaited: dict[Name, _Awaited] = {}
        self._snapshots: dict[str, Any] = {}  # the last one of each symbol that is down, when it went down
        self._looked = (0, 0)  # when it was looked for the last time but one, and for the last time
        self._finished: list[Segment] = []

    def begun(self, subscriptions: Collection[Subscription]) -> None:
        """Streams are to be recorded."""
        self._go_down(subscriptions)
        self._ledger.begin(self._names(subscriptions), self._now())

    def ended(self, subscriptions: Collection[Subscription]) -> None:
        """Streams are to be recorded no more."""
        names = list(self._names(subscriptions))
        self._ledger.end(names, self._now())
        for name in names:
            self._awaited.pop(name, None)
        for one in subscriptions:
            self._snapshots.pop(one.symbol, None)

    def asked(self, subscriptions: Iterable[Subscription]) -> None:
        """A connection is up, and streams are being asked for on it: they are down until they are heard."""
        for one in subscriptions:
            if one.symbol != WHOLE_VENUE and not self.resyncing(one, even_down=True):
                for name in self._names([one]):
                    if self._ledger.state(name) == DOWN:
                        self._awaited[name] = self._await(name[0], one.symbol)

    def connected(self, subscriptions: Iterable[Subscription]) -> None:
        """Streams are subscribed to. A book that begins with a snapshot is not whole before that."""
        for subscription in subscriptions:
            if not self.resyncing(subscription, even_down=True):
                for name in self._names([subscription]):
                    self._change(name, CONNECTED)

    def joined(self, subscriptions: Iterable[Subscription]) -> None:
        """Another connection has taken over: streams that had waited for it are connected."""
        self.connected(one for one in subscriptions if self._state(one) == DOWN)

    def disconnected(self, subscriptions: Collection[Subscription]) -> None:
        """The connection of some streams was lost, at the latest now: nothing was delivered since the last record."""
        now = self._now()
        names = list(self._names(subscriptions))
        self._go_down(subscriptions)
        # A process that stood still notices late: it may have looked once since, but not twice.
        since = max(min(now, self._looked[0]) - UNNOTICED, self._delivered(subscriptions, now))
        for name in names:
            self._change(name, DOWN, since=since)

    def silent(self, data_type: str, symbol: str) -> None:
        """A stream is quiet beyond its habit, from its last record until it is heard again."""
        last = self._last(data_type, symbol)
        since = 0 if last is None else last.local_timestamp
        for kind in (BOOK_UPDATES, BOOK_SNAPSHOTS) if data_type == BOOK_UPDATES else (data_type,):
            name = (kind, self._market(symbol))
            if self._ledger.state(name) == CONNECTED:
                self._change(name, SILENT, self._await(data_type, symbol), since=since)

    def resyncing(self, subscription: Subscription, *, even_down: bool = False) -> bool:
        """A book is waiting for a snapshot, if it is one whose stream sends them."""
        book = self._exchange.book
        if book is None or subscription.channel != book.name or not self._exchange.book_starts_with_snapshot:
            return False
        awaited = self._await(BOOK_SNAPSHOTS, subscription.symbol)
        if even_down:  # it may have come before this was told
            awaited = awaited._replace(before=self._snapshots.pop(subscription.symbol, awaited.before))
        for name in self._names([subscription]):
            if even_down or self._ledger.state(name) != DOWN:
                self._change(name, RESYNCING, awaited)
        return True

    def gap(self, gap: Gap) -> None:
        """Keep a gap of one stream. A ``time`` gap with an unknown beginning or end has that now."""
        now = self._now()
        name = (gap.data_type, gap.market)
        if not gap.shows_loss and self._ledger.state(name) == SILENT:
            return  # a quiet stream was subscribed to anew: its silence says already that nothing is known
        if gap.unit is GapUnit.TIME:
            there = now if gap.by_receipt else now - (self._ledger.lag or 0)
            gap = gap._replace(first=gap.first or there, last=gap.last or there)
        self._ledger.gap(name, gap._replace(noticed=now))

    def frames_lost(self, gap: Gap, connection: ConnectionFeed, subscriptions: Iterable[Subscription]) -> None:
        """Keep a gap in a connection's frame counter, for each stream whose loss only this counter can show.

        :param subscriptions: what the connection carries now; what it has carried counts as well.
        """
        lost = Gap(GapUnit.TIME, gap.after, gap.before, GapCause.FRAMES_LOST, noticed=self._now(), by_receipt=True)
        heard = {(data_type, self._market(symbol)) for data_type, symbol in connection.sinks}
        for name in sorted(heard | set(self._names(subscriptions))):
            if self._exchange.channel(name[0]).rule == sequence.CONNECTION_COUNTER:
                self._ledger.gap(name, lost._replace(data_type=name[0], market=name[1]))

    def look(self) -> None:
        """See which streams have been heard again."""
        now = self._now()
        self._looked = self._looked[1], now
        if (lag := self._recorder.take_lag(now)) is not None:
            self._ledger.lags(lag)
        for name, awaited in list(self._awaited.items()):
            last = self._last(awaited.data_type, awaited.symbol)
            if last is not None and last is not awaited.before:
                self._change(name, CONNECTED, since=min(now, last.local_timestamp))

    def write(self, uploader: Uploader) -> None:
        """Hand finished segments over, once the minutes that they tell of are closed in every stream."""
        now = self._now()
        self._finished += self._ledger.take(now)
        while self._finished:
            end = max(line.end for line in self._finished[0].lines)
            if end <= now < end + GRACE:  # one that ends later was ended by a clock that was set back
                return
            self._recorder.close_past(end - (self._ledger.lag or 0))
            self._keep(uploader, [self._finished.pop(0)])

    def close(self, uploader: Uploader) -> None:
        """Hand over the last segment, once all batches are written."""
        self._keep(uploader, [*self._finished, *self._ledger.close(self._now())])

    def _keep(self, uploader: Uploader, segments: Iterable[Segment]) -> None:
        for start, lines in segments:
            instance = self._ledger.instance
            uploader.keep_after(
                f"the segment of {start}", partial(encode_segment, self._exchange.id, instance, start, lines)
            )

    def _now(self) -> int:
        now, steady = clock.reading()
        self._ledger.tick(now, steady)
        return now

    def _change(
        self, name: Name, state: StateName, awaited: _Awaited | None = None, *, since: int | None = None
    ) -> None:
        """A stream is in another state, until what is ``awaited`` comes."""
        self._ledger.change(name, state, self._now(), since)
        if awaited is None:
            self._awaited.pop(name, None)
        else:
            self._awaited[name] = awaited

    def _go_down(self, subscriptions: Collection[Subscription]) -> None:
        for one in subscriptions:
            self._snapshots.setdefault(one.symbol, self._last(BOOK_SNAPSHOTS, one.symbol))

    def _await(self, data_type: str, symbol: str) -> _Awaited:
        return _Awaited(data_type, symbol, self._last(data_type, symbol))

    def _last(self, data_type: str, symbol: str) -> Any:
        stream = self._recorder.streams.get((data_type, symbol))
        return None if stream is None else stream.last

    def _delivered(self, subscriptions: Iterable[Subscription], now: int) -> int:
        """Until when a connection delivered what was sent (µs, the collector's clock); 0 where it delivered nothing.

        One that was held up has not delivered all that was sent by its last receipt, but by the time at which that
        record was to come. Receipts of before the clock was set back say nothing.
        """
        lasts = [self._last(kind, symbol) for channel, symbol in subscriptions for kind in self._data_types[channel]]
        heard = [last for last in lasts if last is not None and last.local_timestamp <= now]
        newest = max((last.local_timestamp for last in heard), default=0)
        lag = self._ledger.lag
        if lag is None:
            return newest
        timed = [(record_time(last), last.local_timestamp) for last in heard if last.local_timestamp > newest - SECOND]
        return max((min(time + lag, received) for time, received in timed if time != received), default=newest)

    def _state(self, subscription: Subscription) -> StateName | None:
        return self._ledger.state(next(self._names([subscription])))

    def _names(self, subscriptions: Iterable[Subscription]) -> Iterator[Name]:
        for channel, symbol in subscriptions:
            for data_type in self._data_types[channel]:
                yield data_type, self._market(symbol)

    def _market(self, symbol: str) -> str:
        return ANY_MARKET if symbol == WHOLE_VENUE else self._exchange.market(symbol)
