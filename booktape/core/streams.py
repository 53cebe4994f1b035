"""One stream of records, cut into batches: the path that every record takes between its parser and the store.

This is the hot path. :meth:`Stream.append` is called once per record and does only what cannot be done later: the
sequence rule, the minute, the encoding. All else waits for the batch's end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from booktape.core import codec
from booktape.core.keys import Key
from booktape.core.records import MINUTE, Record, first_position, last_position, record_time
from booktape.core.sequence import STALE, Gap, Rule

MAX_BATCH_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """A contiguous run of one stream's records within one minute. ``lines`` is newline-delimited JSON."""

    data_type: str
    market: str
    minute: int
    first: int
    last: int
    count: int
    lines: bytes | bytearray


def key_of(batch: Batch, exchange: str) -> Key:
    """The key that says what is inside the batch. Digests all of it: not for the event loop."""
    return Key(
        batch.data_type,
        exchange,
        batch.market,
        batch.minute,
        batch.first,
        batch.last,
        codec.digest(batch.lines),
    )


class Stream:
    """One data type of one market: checks the sequence of its records and cuts them into batches.

    A batch ends where the exchange's time enters a new minute, at a gap, when it is full, or when :meth:`close` is
    called for a stream that has gone quiet. A late record never reopens a minute that has passed.

    :param on_batch: takes each finished batch.
    :param on_gap: is told of each gap, with the stream, before the record after the gap is taken.
    :param rule: None where the venue gives nothing to check by.
    :param spans_connections: whether the rule also sees what was lost between two connections.
    """

    __slots__ = (
        "_broken", "_buffer", "_check", "_count", "_end", "_first", "_last", "_on_batch", "_on_gap",
        "_spans_connections", "data_type", "market", "minute", "records", "stale",
    )  # fmt: skip

    def __init__(
        self,
        data_type: str,
        market: str,
        on_batch: Callable[[Batch], None],
        on_gap: Callable[["Stream", Gap], None],
        rule: Rule | None = None,
        *,
        spans_connections: bool = False,
    ) -> None:
        self.data_type = data_type
        self.market = market
        self._on_batch = on_batch
        self._on_gap = on_gap
        self._check = rule.check if rule is not None else None
        self._spans_connections = spans_connections
        self._broken = False
        self._buffer = bytearray()
        self._count = 0
        self._first: Record | None = None
        self._last: Record | None = None
        self.minute = 0
        self._end = 0
        self.records = 0
        self.stale = 0

    def append(self, record: Record, time: int) -> None:
        """Take the next record.

        :param time: the exchange's time to cut by (µs); 0 while this connection has not told any time yet.
        """
        if self._check is not None and (verdict := self._check(record)) is not None:
            if verdict is STALE:
                self.stale += 1
                return
            self._break(verdict)
        elif self._broken:
            self._resume(record)
        if time >= self._end or len(self._buffer) > MAX_BATCH_BYTES:
            self._turn(time)
        if self._first is None:
            self._first = record
        codec.encode_into(record, self._buffer, -1)
        self._buffer += b"\n"
        self._last = record
        self._count += 1

    def _turn(self, time: int) -> None:
        """Enter the minute of ``time``, or a new batch of the same minute when the last one was full."""
        if self.minute or len(self._buffer) > MAX_BATCH_BYTES:
            self.close()
        self.minute = max(self.minute, time // MINUTE * MINUTE)
        self._end = self.minute + MINUTE if self.minute else 1

    def close(self) -> None:
        """Hand over what is held as a batch. The next record begins another one."""
        if self._first is None or self._last is None:
            return
        batch = Batch(
            self.data_type,
            self.market,
            self.minute or record_time(self._first) // MINUTE * MINUTE,
            first_position(self._first),
            last_position(self._last),
            self._count,
            self._buffer,
        )
        self.records += self._count
        self._buffer = bytearray()
        self._count = 0
        self._first = None
        self._on_batch(batch)

    @property
    def appended(self) -> int:
        """How many records were taken so far, those of the open batch included."""
        return self.records + self._count

    def is_past(self, time: int) -> bool:
        """Whether records are held whose minute ended before ``time`` (µs, the exchange's)."""
        return self._first is not None and time >= self._end

    def disconnected(self) -> None:
        """The connection was lost: unless the rule can tell, nobody knows what was missed until the next record."""
        if not self._spans_connections:
            self.close()
            self._broken = self._last is not None

    def lost(self) -> None:
        """Frames of the connection are missing and may have been this stream's: end the batch here."""
        self.close()

    def _break(self, gap: Gap) -> None:
        self.close()
        self._broken = False
        self._on_gap(self, gap)

    def _resume(self, record: Record) -> None:
        assert self._last is not None
        before = record_time(self._last)
        self._break(Gap(before, max(before, record_time(record))))
