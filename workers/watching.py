"""Tells the ledger what happens to the streams of a worker's subscriptions."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

from booktape import clock
from booktape.core import sequence
from booktape.core.ledger import CONNECTED, DOWN, RESYNCING, SILENT, Gap, SegmentKey, StateName, encode
from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, SECOND
from booktape.exchanges.spec import WHOLE_VENUE, Exchange, Subscription
from booktape.feed.uploader import Uploader
from booktape.recorder import ANY, GapSeen, Recorder
from workers.ledger import ANY_MARKET, Ledger, Name, Segment

_LONGEST_IDLE: Final = 60 * SECOND
"""A dead connection is noticed so late at most: twice the time without a frame that a link allows."""


class _Awaited(NamedTuple):
    """A stream, by the venue's symbol, of which a record must come for another one to be connected again."""

    data_type: str
    symbol: str
    before: Any


class Watch:
    """Keeps a worker's :class:`~workers.ledger.Ledger`. Nothing here is called for a record or a frame."""

    def __init__(self, exchange: Exchange, recorder: Recorder, ledger: Ledger) -> None:
        self._exchange = exchange
        self._recorder = recorder
        self._ledger = ledger
        self._data_types = {channel.name: channel.data_types for channel in exchange.channels}
        self._awaited: dict[Name, _Awaited] = {}
        self._snapshots: dict[str, Any] = {}  # the last one of each symbol that is down, when it went down

    def begun(self, subscriptions: Collection[Subscription]) -> None:
        """Streams are to be recorded."""
        self._go_down(subscriptions)
        self._ledger.begin(self._names(subscriptions), clock.now())

    def ended(self, subscriptions: Collection[Subscription]) -> None:
        """Streams are to be recorded no more."""
        names = list(self._names(subscriptions))
        self._ledger.end(names, clock.now())
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
        """The connection of some streams was lost, at the latest now: nothing has come since the last record."""
        now = clock.now()
        names = list(self._names(subscriptions))
        self._go_down(subscriptions)
        since = max([now - _LONGEST_IDLE, *self._heard(subscriptions)])
        for name in names:
            self._change(name, DOWN, since=since)

    def silent(self, data_type: str, symbol: str) -> None:
        """A stream is quiet beyond its habit, until it is heard again."""
        for kind in (BOOK_UPDATES, BOOK_SNAPSHOTS) if data_type == BOOK_UPDATES else (data_type,):
            name = (kind, self._market(symbol))
            if self._ledger.state(name) == CONNECTED:
                self._change(name, SILENT, self._await(data_type, symbol))

    def resyncing(self, subscription: Subscription, *, even_down: bool = False) -> bool:
        """A book is waiting for a snapshot, if it is one whose stream sends them."""
        book = self._exchange.book
        if book is None or subscription.channel != book.name or not self._exchange.book_begins_itself:
            return False
        awaited = self._await(BOOK_SNAPSHOTS, subscription.symbol)
        if even_down:  # it may have come before this was told
            awaited = awaited._replace(before=self._snapshots.pop(subscription.symbol, awaited.before))
        for name in self._names([subscription]):
            if even_down or self._ledger.state(name) != DOWN:
                self._change(name, RESYNCING, awaited)
        return True

    def gap(self, gap: GapSeen, subscriptions: Iterable[Subscription]) -> None:
        """A gap was told.

        :param subscriptions: those of its connection, for a gap in a connection's counter.
        """
        now = clock.now()
        first, last = gap.span or (gap.first, gap.last)
        told = Gap(now if first is None else first, now if last is None else last, gap.kind, now)
        names = {(gap.data_type, gap.market)} if gap.data_type != ANY else self._counted(gap, subscriptions)
        for name in sorted(names):
            self._ledger.gap(name, told)

    def look(self) -> None:
        """See which streams have been heard again."""
        now = clock.now()
        for name, awaited in list(self._awaited.items()):
            last = self._last(awaited.data_type, awaited.symbol)
            if last is not None and last is not awaited.before:
                self._change(name, CONNECTED, since=min(now, last.local_timestamp))

    def write(self, uploader: Uploader) -> None:
        """Hand finished segments over."""
        self._keep(uploader, self._ledger.take(clock.now()))

    def close(self, uploader: Uploader) -> None:
        """Hand over the last segment, once all batches are written."""
        self._keep(uploader, self._ledger.close(clock.now()))

    def _keep(self, uploader: Uploader, segments: Iterable[Segment]) -> None:
        for start, lines in segments:
            key = str(SegmentKey(self._exchange.id, self._ledger.instance, start))
            uploader.keep(key, lambda lines=lines: encode(lines))  # type: ignore[misc]  # bound at once

    def _change(
        self, name: Name, state: StateName, awaited: _Awaited | None = None, *, since: int | None = None
    ) -> None:
        """A stream is in another state, until what is ``awaited`` comes."""
        self._ledger.change(name, state, clock.now(), since)
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

    def _heard(self, subscriptions: Iterable[Subscription]) -> Iterator[int]:
        """When each stream had its last record."""
        for channel, symbol in subscriptions:
            for data_type in self._data_types[channel]:
                if (last := self._last(data_type, symbol)) is not None:
                    yield last.local_timestamp

    def _counted(self, gap: GapSeen, subscriptions: Iterable[Subscription]) -> set[Name]:
        """The streams that a connection's counter speaks for: those that it carries or has carried."""
        assert gap.connection is not None
        heard = {(data_type, self._market(symbol)) for data_type, symbol in gap.connection.heard}
        found = heard | set(self._names(subscriptions))
        return {name for name in found if self._exchange.channel(name[0]).rule == sequence.CONNECTION_COUNTER}

    def _state(self, subscription: Subscription) -> StateName | None:
        return self._ledger.state(next(self._names([subscription])))

    def _names(self, subscriptions: Iterable[Subscription]) -> Iterator[Name]:
        for channel, symbol in subscriptions:
            for data_type in self._data_types[channel]:
                yield data_type, self._market(symbol)

    def _market(self, symbol: str) -> str:
        return ANY_MARKET if symbol == WHOLE_VENUE else self._exchange.market(symbol)
