"""Frames in, batches out: the one path that live frames, captures and benchmarks take. No I/O and no clock."""

from collections import Counter as Counts
from collections.abc import Callable
from typing import Any, Final, Protocol

from booktape.capture.batcher import Batcher
from booktape.exchanges.spec import (
    Exchange,
    FrameNumber,
    Leaving,
    Parse,
    Reply,
    SubscriptionRefusedError,
    UnknownFrameError,
)
from booktape.model import sequence
from booktape.model.batch import Batch
from booktape.model.book import Book
from booktape.model.errors import BooktapeError
from booktape.model.gap import ANY, Gap
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DAY, MINUTE, SECOND
from booktape.model.sequence import DUPLICATE, Checksum, Counter, Rebase, Rule, SnapshotBoundary

Control = Callable[[Reply | Leaving], None]
"""Takes what the venue wants of a connection itself."""

_MOST_KINDS: Final = 100

_PLAUSIBLE: Final = 1_000_000_000 * SECOND
"""Receive times before this (2001) are none: some captures have no clock."""

_WAIT: Final = 10 * SECOND

_NEVER: Final = -(1 << 62)

_AHEAD: Final = 10 * MINUTE
"""How far the venue's clock may jump before ours; a connection's first time may be a day before it."""


class RecordSink(Protocol):
    """What a connection gives its records to: a :class:`~booktape.capture.batcher.Batcher`, or what stands before
    one."""

    def append(self, record: Any, time: int, /) -> None:
        """Take the next record. See :meth:`~booktape.capture.batcher.Batcher.append`."""

    def disconnected(self) -> None:
        """The subscription was interrupted. See :meth:`~booktape.capture.batcher.Batcher.disconnected`."""


class Pipeline:
    """All streams that one process records of one exchange.

    :param on_batch: takes each finished batch.
    :param on_gap: takes each gap.
    :param on_frames_lost: takes each gap in a connection's frame counter, with the connection; without it, ``on_gap``
        takes these too.
    """

    def __init__(
        self,
        exchange: Exchange,
        on_batch: Callable[[Batch], None],
        on_gap: Callable[[Gap], None],
        on_frames_lost: Callable[["ConnectionFeed", Gap], None] | None = None,
    ) -> None:
        self.exchange = exchange
        self.streams: dict[tuple[str, str], Batcher] = {}
        self.frames = 0
        self.control = 0
        self.not_understood: Counts[str] = Counts()
        self.refused: Counts[str] = Counts()
        self._on_batch = on_batch
        self._on_gap = on_gap
        self._on_frames_lost = on_frames_lost or (lambda connection, gap: on_gap(gap))
        self._checksums: dict[str, Checksum] = {}
        self._connections: set[ConnectionFeed] = set()

    def take_lag(self, now: int) -> int | None:
        """The shortest time (µs) by which a receipt came after a new time of the exchange's, since the last call.

        Negative where this machine's clock is slow; None where no connection was told a new time.

        :param now: where the clock was set back, receipts of before are later than that: they rise on each connection.
        """
        lags = [connection.take_lag(now) for connection in self._connections]
        return min((lag for lag in lags if lag is not None), default=None)

    def connection(self, on_control: Control | None = None) -> "ConnectionFeed":
        """A new connection that feeds these streams, until it is told that it is disconnected.

        :param on_control: takes what the venue wants of the connection itself.
        """
        made = ConnectionFeed(self, self._connections.discard, on_control or _ignore)
        self._connections.add(made)
        return made

    def stream(self, data_type: str, symbol: str) -> Batcher:
        """The stream of one data type of one of the venue's symbols; made when first asked for."""
        found = self.streams.get((data_type, symbol))
        if found is None:
            continuous = self._spans_connections(data_type)
            found = Batcher(
                data_type,
                self.exchange.market(symbol),
                self._on_batch,
                self._on_gap,
                self._rule(data_type, symbol),
                spans_connections=continuous,
            )
            self.streams[data_type, symbol] = found
        return found

    def _spans_connections(self, data_type: str) -> bool:
        """Whether a reconnect costs nothing untold. Snapshots beside updates come when they come."""
        beside_updates = self.leading(data_type) != data_type or not self.exchange.book_starts_with_snapshot
        if data_type == BOOK_SNAPSHOTS and beside_updates:
            return True
        return self.exchange.channel(data_type).rule in sequence.SPANS_CONNECTIONS

    def leading(self, data_type: str) -> str:
        """The data type whose rule is about a data type's records too: a book's updates lead its snapshots."""
        book = self.exchange.book
        return BOOK_UPDATES if data_type == BOOK_SNAPSHOTS and book and BOOK_UPDATES in book.data_types else data_type

    def _rule(self, data_type: str, symbol: str) -> Rule | None:
        try:
            channel = self.exchange.channel(data_type)
        except KeyError:  # books that only REST gives
            return None
        if channel.rule == sequence.CHECKSUM and data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS):
            return self._checksum(symbol)
        if data_type == BOOK_SNAPSHOTS and BOOK_UPDATES in channel.data_types:
            updates = self.stream(BOOK_UPDATES, symbol)
            return Rebase(updates.rebase) if updates.can_rebase else SnapshotBoundary(updates.disconnected)
        return sequence.rule(channel.rule, data_type)

    def _checksum(self, symbol: str) -> Checksum:
        if symbol not in self._checksums:
            declared = self.exchange.book_checksum
            if declared is None:
                raise TypeError(f"{self.exchange.id} declares checksums but not how to compute them")
            self._checksums[symbol] = Checksum(declared.compute, declared.depth)
        return self._checksums[symbol]

    def frames_lost(self, connection: "ConnectionFeed", gap: Gap) -> None:
        """Frames are missing: end the batches that only the connection's counter could vouch for."""
        for data_type, symbol in connection.sinks:
            if self.exchange.channel(data_type).rule == sequence.CONNECTION_COUNTER:
                self.streams[data_type, symbol].close()
        self._on_frames_lost(connection, gap)

    def interrupt(self, data_type: str, symbol: str) -> None:
        """A stream's subscription is interrupted, whichever connection carried it."""
        found = self.streams.get((data_type, symbol))
        if found is not None:
            found.disconnected()

    def count_not_understood(self, kind: str) -> None:
        """Count a record or frame that could not be taken."""
        _count(self.not_understood, kind)

    def close_past(self, time: int) -> None:
        """End the batches of quiet streams whose minute was over at ``time`` (µs, the exchange's)."""
        for stream in self.streams.values():
            if stream.is_past(time):
                stream.close()

    def close(self) -> None:
        """End every batch."""
        for connection in self._connections:
            connection.release()
        for stream in self.streams.values():
            stream.close()

    def records(self) -> dict[str, dict[str, int]]:
        """How many records went into finished batches, by data type and market."""
        counts: dict[str, dict[str, int]] = {}
        for stream in self.streams.values():
            if stream.records:
                counts.setdefault(stream.data_type, {})[stream.market] = stream.records
        return counts

    def stale(self) -> int:
        """How many records had been seen before."""
        return sum(stream.stale for stream in self.streams.values())

    def book(self, symbol: str) -> Book | None:
        """A market's book, where a checksum vouches for it: only then is one kept."""
        rule = self._checksums.get(symbol)
        return None if rule is None else rule.book

    def checksums(self) -> tuple[int, int]:
        """How many checksums were compared, and how many differed."""
        rules = self._checksums.values()
        return sum(rule.checked for rule in rules), sum(rule.failed for rule in rules)

    def unchecked(self) -> int:
        """How many messages carried a checksum that could not be compared, for want of a sound book."""
        return sum(rule.unchecked for rule in self._checksums.values())


class ConnectionFeed:
    """One connection's frames. ``clock`` is the newest time that the exchange has told on it (µs), 0 before any.

    ``sinks`` are the streams that it carried, as ``stream_of`` gave them at the first record of each. Records without a
    time of their own (Binance's best bid and ask) are cut by ``clock``: the exchange's time still, and the same for all
    who hear the same frames. Until the exchange tells one they are held back; if it tells none for ten seconds, the
    time of receipt must do.
    """

    def __init__(self, recorder: Pipeline, on_end: Callable[["ConnectionFeed"], None], on_control: Control) -> None:
        self.clock = 0
        self.sinks: dict[tuple[str, str], RecordSink] = {}
        self.stream_of: Callable[[str, str], RecordSink] = recorder.stream
        self._most_ahead = DAY
        self._furthest = _NEVER
        self._furthest_at = 0
        self._on_end = on_end
        self._on_control = on_control
        self._held: list[tuple[RecordSink, Any]] = []
        self._held_since = 0
        self._by_receipt = False
        self._recorder = recorder
        self._parse = recorder.exchange.parser()
        self._counter = Counter()
        self._counted_at = 0

    def feed(self, frame: bytes, received: int, parse: Parse | None = None) -> None:
        """Take one frame. Whatever is in it, this does not raise: what is not understood is counted by its kind.

        Only what ``on_batch`` raises as a :class:`~booktape.model.errors.BooktapeError` comes through.

        :param received: receive time in µs, higher than that of the frame before.
        :param parse: instead of the exchange's parser of frames.
        """
        recorder = self._recorder
        recorder.frames += 1
        sinks = self.sinks
        try:
            outputs = (parse or self._parse)(frame, received)
            for output in outputs:
                if not isinstance(output, tuple):
                    recorder.control += len(outputs) == 1
                    if isinstance(output, FrameNumber):
                        self._count(output.number, received)
                    else:
                        self._on_control(output)
                    continue
                data_type, symbol, time, record = output
                try:
                    stream = sinks[data_type, symbol]
                except KeyError:
                    stream = sinks[data_type, symbol] = self.stream_of(data_type, symbol)
                if time > self.clock:
                    self._advance(time, received)
                elif not time and not self.clock:
                    self._append_untimed(stream, record, received)
                    continue
                stream.append(record, time or self.clock)
            if not outputs:
                recorder.control += 1
        except SubscriptionRefusedError as error:
            recorder.control += 1
            _count(recorder.refused, str(error))
        except UnknownFrameError as error:
            if error.number is not None:
                self._count(error.number, received)
            _count(recorder.not_understood, str(error))
        except BooktapeError:  # ours, not the frame's: whoever takes the batches could not
            raise
        except Exception as error:  # whatever a frame holds, the other streams must go on
            _count(recorder.not_understood, type(error).__name__)

    def feed_rest(self, url: str, body: bytes, received: int, sent: int | None) -> None:
        """Take one REST answer, as :meth:`feed` takes a frame. ``sent`` is the venue's time of it (µs), if known."""
        parse_rest = self._recorder.exchange.parse_rest
        self.feed(body, received, lambda body, received: parse_rest(url, body, received, sent))

    def _count(self, number: int, received: int) -> None:
        before, self._counted_at = self._counted_at, received
        verdict = self._counter.advance(number)
        if verdict is DUPLICATE:
            if number == 0:  # a capture that holds several connections, one after the other
                self._restart()
        elif verdict is not None:
            gap = verdict._replace(data_type=ANY, market=ANY, after=before, before=received, by_receipt=True)
            self._recorder.frames_lost(self, gap)

    def _restart(self) -> None:
        for stream in self.sinks.values():
            stream.disconnected()
        self._counter = Counter()
        self._counter.advance(0)

    def _advance(self, time: int, received: int) -> None:
        """The exchange has told a newer time. One that cannot be true would spoil every later minute of the process.

        This machine's clock may be wrong by any amount, but then it is wrong by the same amount as before.
        """
        ahead = time - received
        if ahead > self._most_ahead and received > _PLAUSIBLE:
            raise UnknownFrameError("a time that is far ahead")
        self._most_ahead = ahead + _AHEAD if ahead > 0 else _AHEAD  # faster than max()
        self.clock = time
        if ahead > self._furthest:
            self._furthest, self._furthest_at = ahead, received
        if self._held:
            self.release(time)

    def _append_untimed(self, stream: RecordSink, record: Any, received: int) -> None:
        """Take a record without a time on a connection that has told none yet."""
        if self._by_receipt:
            stream.append(record, received)
            return
        self._held.append((stream, record))
        self._held_since = self._held_since or received
        if received - self._held_since > _WAIT:
            self._by_receipt = True
            self.release()

    def release(self, time: int = 0) -> None:
        """Hand on the records that were held back, in the minute of ``time`` or else of their receipt."""
        held, self._held = self._held, []
        for stream, record in held:
            stream.append(record, time or record.local_timestamp)

    def take_lag(self, now: int) -> int | None:
        """The connection's part of :meth:`Pipeline.take_lag`."""
        ahead, self._furthest = self._furthest, _NEVER
        return None if ahead == _NEVER else -ahead - max(0, self._furthest_at - now)

    def disconnected(self) -> None:
        """The connection was lost: streams whose rule cannot tell what it cost end their batches here."""
        for stream in self.sinks.values():
            stream.disconnected()
        self.ended()

    def ended(self) -> None:
        """The connection is no more, and nothing was interrupted by that: another one has taken over."""
        self.release()
        self._on_end(self)


def _ignore(signal: Reply | Leaving) -> None:
    """Nobody answers in a capture."""


def _count(counts: Counts[str], kind: str) -> None:
    """Count a kind of frame. A venue that sends ever new ones must not fill the memory: the rest is one kind."""
    counts[kind if kind in counts or len(counts) < _MOST_KINDS else "other"] += 1
