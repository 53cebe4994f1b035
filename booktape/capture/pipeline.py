"""Turns frames into batches. Live frames, captures and benchmarks all take this path. No I/O and no clock.

A :class:`Pipeline` holds one :class:`~booktape.capture.batcher.Batcher` per stream of an exchange. Each connection
feeds its frames through a :class:`ConnectionFeed`, which parses them and appends their records.
"""

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
from booktape.model.errors import BooktapeError, RecordError
from booktape.model.gap import ANY, Gap
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DAY, MINUTE, SECOND
from booktape.model.sequence import DUPLICATE, Checksum, Counter, Rebase, Rule, SnapshotBoundary

SignalHandler = Callable[[Reply | Leaving], None]
"""Receives what the venue requires of a connection itself."""

_MAX_KINDS: Final = 100

_EARLIEST_RECEIPT: Final = 1_000_000_000 * SECOND
"""Receive times before this (2001) are placeholders: some captures have no receive time."""

_MAX_HOLD: Final = 10 * SECOND

_NO_LEAD: Final = -(1 << 62)

_MAX_STEP: Final = 10 * MINUTE
"""How far ahead of the local clock the venue's time may move. The first time of a connection may be a day ahead."""


class RecordSink(Protocol):
    """Receives the records of one stream of one connection: a batcher, or a handover in front of it."""

    def append(self, record: Any, time: int, /) -> None:
        """Append the next record. See :meth:`booktape.capture.batcher.Batcher.append`."""

    def interrupt(self) -> None:
        """Note that the subscription was interrupted. See :meth:`booktape.capture.batcher.Batcher.interrupt`."""


class Pipeline:
    """All streams of one exchange that one process records.

    ``batchers`` are its streams by data type and the venue's symbol. ``frames`` counts all frames, ``control_frames``
    those without a record. ``unknown_frames`` counts by kind the frames and records that could not be parsed or
    appended, ``refused`` the subscriptions that the venue refused.

    :param on_batch: receives each finished batch.
    :param on_gap: receives each gap.
    :param on_frames_lost: receives each gap in a connection's frame counter, with the connection; by default
        ``on_gap`` receives these too.
    """

    def __init__(
        self,
        exchange: Exchange,
        on_batch: Callable[[Batch], None],
        on_gap: Callable[[Gap], None],
        on_frames_lost: Callable[["ConnectionFeed", Gap], None] | None = None,
    ) -> None:
        self.exchange = exchange
        self.batchers: dict[tuple[str, str], Batcher] = {}
        self.frames = 0
        self.control_frames = 0
        self.unknown_frames: Counts[str] = Counts()
        self.refused: Counts[str] = Counts()
        self._on_batch = on_batch
        self._on_gap = on_gap
        self._on_frames_lost = on_frames_lost or (lambda connection, gap: on_gap(gap))
        self._checksums: dict[str, Checksum] = {}
        self._feeds: set[ConnectionFeed] = set()

    def take_lag(self, now: int) -> int | None:
        """The smallest lag since the last call: the receive time less the newest time of the exchange, in µs.

        Negative where the local clock is behind; None where no connection reported a new time.

        :param now: the local time (µs). Receive times rise on each connection, so after the clock was set back they are
            later than ``now``; the difference is subtracted.
        """
        lags = [feed.take_lag(now) for feed in self._feeds]
        return min((lag for lag in lags if lag is not None), default=None)

    def new_feed(self, on_signal: SignalHandler | None = None) -> "ConnectionFeed":
        """The feed of a new connection, until it is disconnected or closed.

        :param on_signal: receives what the venue requires of the connection itself.
        """
        feed = ConnectionFeed(self, self._feeds.discard, on_signal or _ignore)
        self._feeds.add(feed)
        return feed

    def batcher(self, data_type: str, symbol: str) -> Batcher:
        """The batcher of one data type of one of the venue's symbols; created at the first call."""
        batcher = self.batchers.get((data_type, symbol))
        if batcher is None:
            batcher = Batcher(
                data_type,
                self.exchange.market(symbol),
                self._on_batch,
                self._on_gap,
                self._rule(data_type, symbol),
                spans_connections=self._spans_connections(data_type),
            )
            self.batchers[data_type, symbol] = batcher
        return batcher

    def _spans_connections(self, data_type: str) -> bool:
        """Whether the rule detects every loss of a reconnect. Snapshots beside updates have no order of their own."""
        beside_updates = self.leading(data_type) != data_type or not self.exchange.book_starts_with_snapshot
        if data_type == BOOK_SNAPSHOTS and beside_updates:
            return True
        return self.exchange.channel(data_type).rule in sequence.SPANS_CONNECTIONS

    def leading(self, data_type: str) -> str:
        """The data type whose rule also covers ``data_type``: a book's updates lead its snapshots."""
        book = self.exchange.book
        return BOOK_UPDATES if data_type == BOOK_SNAPSHOTS and book and BOOK_UPDATES in book.data_types else data_type

    def _rule(self, data_type: str, symbol: str) -> Rule | None:
        try:
            channel = self.exchange.channel(data_type)
        except KeyError:  # a book that only REST provides
            return None
        if channel.rule == sequence.CHECKSUM and data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS):
            return self._checksum(symbol)
        if data_type == BOOK_SNAPSHOTS and BOOK_UPDATES in channel.data_types:
            updates = self.batcher(BOOK_UPDATES, symbol)
            return Rebase(updates.rebase) if updates.can_rebase else SnapshotBoundary(updates.interrupt)
        return sequence.rule(channel.rule, data_type)

    def _checksum(self, symbol: str) -> Checksum:
        if symbol not in self._checksums:
            declared = self.exchange.book_checksum
            if declared is None:
                raise TypeError(f"{self.exchange.id} declares checksums but not how to compute them")
            self._checksums[symbol] = Checksum(declared.compute, declared.depth)
        return self._checksums[symbol]

    def frames_lost(self, feed: "ConnectionFeed", gap: Gap) -> None:
        """Report missing frames, and end the batches whose loss only the connection's counter can show."""
        for data_type, symbol in feed.sinks:
            if self.exchange.channel(data_type).rule == sequence.CONNECTION_COUNTER:
                self.batchers[data_type, symbol].close()
        self._on_frames_lost(feed, gap)

    def interrupt(self, data_type: str, symbol: str) -> None:
        """Note that a stream's subscription was interrupted, whichever connection carried it."""
        batcher = self.batchers.get((data_type, symbol))
        if batcher is not None:
            batcher.interrupt()

    def count_unknown(self, kind: str) -> None:
        """Count a record or frame that could not be parsed or appended."""
        _count(self.unknown_frames, kind)

    def close_past(self, time: int) -> None:
        """End the batches of quiet streams whose minute ended at or before ``time`` (µs, the exchange's clock)."""
        for batcher in self.batchers.values():
            if batcher.is_past(time):
                batcher.close()

    def close(self) -> None:
        """End every batch."""
        for feed in self._feeds:
            feed.release()
        for batcher in self.batchers.values():
            batcher.close()

    def records(self) -> dict[str, dict[str, int]]:
        """The number of records in finished batches, by data type and market."""
        counts: dict[str, dict[str, int]] = {}
        for batcher in self.batchers.values():
            if batcher.records:
                counts.setdefault(batcher.data_type, {})[batcher.market] = batcher.records
        return counts

    def duplicates(self) -> int:
        """The number of records that were left out because they had been received before."""
        return sum(batcher.duplicates for batcher in self.batchers.values())

    def book(self, symbol: str) -> Book | None:
        """A market's current book; None where no checksum confirms one."""
        rule = self._checksums.get(symbol)
        return None if rule is None else rule.book

    def checksums(self) -> tuple[int, int]:
        """The number of checksums that were compared, and of those that differed."""
        rules = self._checksums.values()
        return sum(rule.checked for rule in rules), sum(rule.failed for rule in rules)

    def unchecked(self) -> int:
        """The number of messages whose checksum could not be compared, because the book was not known to be right."""
        return sum(rule.unchecked for rule in self._checksums.values())


class ConnectionFeed:
    """Parses the frames of one connection and appends their records.

    ``clock`` is the newest time (µs) that the exchange has reported on this connection; 0 before the first.
    ``sinks`` are the streams that the connection has carried, as ``sink_for`` returned them at the first record of
    each.

    Records without a time of their own (Binance's best bid and ask) are assigned to the minute of ``clock``: the
    exchange's time too, and the same for everybody who receives the same frames. Until the exchange reports a time they
    are held; after ten seconds without one, the receive time decides.
    """

    def __init__(
        self, pipeline: Pipeline, on_end: Callable[["ConnectionFeed"], None], on_signal: SignalHandler
    ) -> None:
        self.clock = 0
        self.sinks: dict[tuple[str, str], RecordSink] = {}
        self.sink_for: Callable[[str, str], RecordSink] = pipeline.batcher
        self._max_ahead = DAY
        self._lead = _NO_LEAD
        self._lead_received = 0
        self._on_end = on_end
        self._on_signal = on_signal
        self._held: list[tuple[RecordSink, Any]] = []
        self._held_since = 0
        self._by_receipt = False
        self._pipeline = pipeline
        self._parse = pipeline.exchange.parser()
        self._counter = Counter()
        self._counted_at = 0

    def feed(self, frame: bytes, received: int, parse: Parse | None = None) -> None:
        """Parse one frame and append its records. A frame that cannot be parsed is counted by kind and never raises.

        :param received: receive time in µs, later than that of the frame before.
        :param parse: replaces the exchange's parser of frames.
        :raises BooktapeError: ``on_batch`` raised it.
        """
        pipeline = self._pipeline
        pipeline.frames += 1
        sinks = self.sinks
        try:
            outputs = (parse or self._parse)(frame, received)
            for output in outputs:
                if not isinstance(output, tuple):
                    pipeline.control_frames += len(outputs) == 1
                    if isinstance(output, FrameNumber):
                        self._count(output.number, received)
                    else:
                        self._on_signal(output)
                    continue
                data_type, symbol, time, record = output
                try:
                    sink = sinks[data_type, symbol]
                except KeyError:
                    sink = sinks[data_type, symbol] = self.sink_for(data_type, symbol)
                if time > self.clock:
                    self._advance(time, received)
                elif not time and not self.clock:
                    self._append_untimed(sink, record, received)
                    continue
                sink.append(record, time or self.clock)
            if not outputs:
                pipeline.control_frames += 1
        except SubscriptionRefusedError as error:
            pipeline.control_frames += 1
            _count(pipeline.refused, str(error))
        except UnknownFrameError as error:
            if error.number is not None:
                self._count(error.number, received)
            _count(pipeline.unknown_frames, str(error))
        except RecordError as error:
            _count(pipeline.unknown_frames, type(error).__name__)
        except BooktapeError:  # from on_batch, not from the frame
            raise
        except Exception as error:  # noqa: BLE001  # whatever a frame holds, the other streams must go on
            _count(pipeline.unknown_frames, type(error).__name__)

    def feed_rest(self, url: str, body: bytes, received: int, sent: int | None) -> None:
        """Parse one REST response, as :meth:`feed` parses a frame.

        :param sent: the venue's time of the response (µs), if known.
        """
        parse_rest = self._pipeline.exchange.parse_rest
        self.feed(body, received, lambda body, received: parse_rest(url, body, received, sent))

    def _count(self, number: int, received: int) -> None:
        before, self._counted_at = self._counted_at, received
        verdict = self._counter.advance(number)
        if verdict is DUPLICATE:
            if number == 0:  # a capture that holds several connections, one after the other
                self._begin_connection()
        elif verdict is not None:
            gap = verdict._replace(data_type=ANY, market=ANY, after=before, before=received, by_receipt=True)
            self._pipeline.frames_lost(self, gap)

    def _begin_connection(self) -> None:
        for sink in self.sinks.values():
            sink.interrupt()
        self._counter = Counter()
        self._counter.advance(0)

    def _advance(self, time: int, received: int) -> None:
        """Advance ``clock``. An impossible time is refused, because it would spoil every later minute of the process.

        The local clock may be wrong by any amount, but the amount does not change from frame to frame.
        """
        ahead = time - received
        if ahead > self._max_ahead and received > _EARLIEST_RECEIPT:
            raise UnknownFrameError("a time that is far ahead")
        self._max_ahead = ahead + _MAX_STEP if ahead > 0 else _MAX_STEP  # faster than max()
        self.clock = time
        if ahead > self._lead:
            self._lead, self._lead_received = ahead, received
        if self._held:
            self.release(time)

    def _append_untimed(self, sink: RecordSink, record: Any, received: int) -> None:
        """Hold a record without a time until the connection reports one."""
        if self._by_receipt:
            sink.append(record, received)
            return
        self._held.append((sink, record))
        self._held_since = self._held_since or received
        if received - self._held_since > _MAX_HOLD:
            self._by_receipt = True
            self.release()

    def release(self, time: int = 0) -> None:
        """Append the held records, in the minute of ``time`` (µs) or, without one, in that of their receipt."""
        held, self._held = self._held, []
        for sink, record in held:
            sink.append(record, time or record.local_timestamp)

    def take_lag(self, now: int) -> int | None:
        """The lag of this connection. See :meth:`Pipeline.take_lag`."""
        lead, self._lead = self._lead, _NO_LEAD
        return None if lead == _NO_LEAD else -lead - max(0, self._lead_received - now)

    def disconnected(self) -> None:
        """Close the feed of a connection that was lost. This interrupts its streams."""
        for sink in self.sinks.values():
            sink.interrupt()
        self.close()

    def close(self) -> None:
        """Close the feed of a connection that another one has replaced. This does not interrupt its streams."""
        self.release()
        self._on_end(self)


def _ignore(signal: Reply | Leaving) -> None:
    """A capture has no connection to act on."""


def _count(counts: Counts[str], kind: str) -> None:
    """Count a kind of frame. At most 100 kinds are kept apart, so that a venue's messages cannot fill the memory."""
    counts[kind if kind in counts or len(counts) < _MAX_KINDS else "other"] += 1
