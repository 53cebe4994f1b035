"""One stream of records, cut into batches: the path that every record takes between its parser and the store.

This is the hot path. :meth:`Batcher.append` is called once per record and does only what cannot be done later: the
sequence rule, the minute, the encoding. All else waits for the batch's end.
"""

from collections.abc import Callable
from typing import Final

from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.gap import Gap, GapCause, GapUnit
from booktape.model.records import (
    MINUTE,
    BookSnapshot,
    Record,
    engine_time,
    first_position,
    last_position,
    record_time,
    sequence_id,
)
from booktape.model.resets import CERTAINLY_LATER, CERTAINLY_SENT_LATER
from booktape.model.sequence import DUPLICATE, Rebased, Resettable, Rule

MAX_BATCH_BYTES: Final = 16 * 1024 * 1024

_encode_into = codec.encode_into


class Batcher:
    """One data type of one market: checks the sequence of its records and cuts them into batches.

    A batch ends where the exchange's time enters a new minute, at a gap, when it is full, or when :meth:`close` is
    called for a stream that has gone quiet. A late record never reopens a minute that has passed.

    :param on_batch: takes each finished batch.
    :param on_gap: takes each gap, before the record after the gap is appended.
    :param rule: None where the venue gives nothing to check by.
    :param spans_connections: whether the rule also sees what was lost between two connections.
    """

    __slots__ = (
        "_broken", "_buffer", "_check", "_end", "_first", "_last", "_on_batch", "_on_gap", "_rule",
        "_spans_connections", "data_type", "market", "minute", "records", "stale",
    )  # fmt: skip

    def __init__(
        self,
        data_type: str,
        market: str,
        on_batch: Callable[[Batch], None],
        on_gap: Callable[[Gap], None],
        rule: Rule | None = None,
        *,
        spans_connections: bool = False,
    ) -> None:
        self.data_type = data_type
        self.market = market
        self._on_batch = on_batch
        self._on_gap = on_gap
        self._rule = rule
        self._check = rule.check if rule is not None else _unchecked
        self._spans_connections = spans_connections
        self._broken = False
        self._buffer = bytearray()
        self._first: Record | None = None
        self._last: Record | None = None
        self.minute = 0
        self._end = 0  # the open batch takes records before this time; 0 while none is open
        self.records = 0
        self.stale = 0

    def append(self, record: Record, time: int) -> None:
        """Take the next record.

        :param time: the exchange's time to cut by (µs); 0 while this connection has not told any time yet.
        """
        verdict = self._check(record)
        if verdict is not None:
            if verdict is DUPLICATE:
                if not self._has_restarted(record):
                    self.stale += 1
                    return
                verdict = self._restart(record)
            self._break(verdict, record)
        buffer = self._buffer
        if time >= self._end or len(buffer) > MAX_BATCH_BYTES:
            buffer = self._turn(record, time)
        _encode_into(record, buffer, -1)
        buffer += b"\n"
        self._last = record

    def _has_restarted(self, record: Record) -> bool:
        """Whether a record with a number of the past is news: the venue has begun its numbers anew.

        A copy is as old as its number: one that the engine made after the last record is none.
        """
        last = self._last
        if last is None or not isinstance(self._rule, Resettable) or sequence_id(record) == sequence_id(last):
            return False
        if engine_time(record) is not None and engine_time(last) is not None:
            return record_time(record) > record_time(last) + CERTAINLY_LATER
        return record_time(record) > record_time(last) + CERTAINLY_SENT_LATER

    def _restart(self, record: Record) -> Gap:
        """Go on with a record whose number begins anew. What was lost around it, nobody can tell."""
        assert self._last is not None
        assert isinstance(self._rule, Resettable)
        self._rule.forget()
        self._check(record)
        return Gap(GapUnit.TIME, record_time(self._last), record_time(record), GapCause.RESET)

    def _turn(self, record: Record, time: int) -> bytearray:
        """Open a batch with a record: in the minute of ``time``, or in the one before if the record is late.

        While no time is known at all, the batch stays open: it joins the first minute that the exchange tells.
        """
        if self._broken:
            self._resume(record)
        if self.minute or len(self._buffer) > MAX_BATCH_BYTES:
            self.close()
        self.minute = max(self.minute, time // MINUTE * MINUTE)
        self._end = self.minute + MINUTE if self.minute else 1
        if self._first is None:
            self._first = record
        return self._buffer

    def close(self) -> None:
        """Hand over what is held as a batch. The next record begins another one."""
        self._end = 0
        if self._first is None or self._last is None:
            return
        batch = Batch(
            self.data_type,
            self.market,
            self.minute or record_time(self._first) // MINUTE * MINUTE,
            first_position(self._first),
            last_position(self._last),
            self._buffer.count(b"\n"),
            self._buffer,
        )
        self.records += batch.count
        self._buffer = bytearray()
        self._first = None
        self._on_batch(batch)

    @property
    def appended(self) -> int:
        """How many records were taken so far, those of the open batch included."""
        return self.records + self._buffer.count(b"\n")

    def is_past(self, time: int) -> bool:
        """Whether records are held whose minute ended before ``time`` (µs, the exchange's)."""
        return self._first is not None and time >= self.minute + MINUTE

    @property
    def last(self) -> Record | None:
        """The newest record that was taken."""
        return self._last

    def insert(self, record: Record, time: int) -> None:
        """Take a record that the rule is not to judge. ``time`` as in :meth:`append`."""
        check, self._check = self._check, _unchecked
        try:
            self.append(record, time)
        finally:
            self._check = check

    @property
    def has_rule(self) -> bool:
        """Whether the order of the records matters, since a rule looks at it."""
        return self._rule is not None

    @property
    def can_rebase(self) -> bool:
        """Whether the stream's rule can go on from a snapshot."""
        return isinstance(self._rule, Rebased)

    def rebase(self, snapshot: BookSnapshot) -> None:
        """A snapshot with an id in the stream: its updates go on from there, whatever their ids were before."""
        if isinstance(self._rule, Rebased) and snapshot.last_id is not None:
            verdict = self._rule.rebase(snapshot.last_id)
            if isinstance(verdict, Gap):
                self._break(verdict, snapshot)

    def disconnected(self) -> None:
        """The subscription was interrupted: unless the rule can tell, nobody knows what is missed until it goes on."""
        if not self._spans_connections:
            self.close()
            self._broken = self._last is not None

    def _break(self, gap: Gap, record: Record) -> None:
        """End the batch at a gap and report it. ``record`` is the first one after it."""
        self.close()
        self._broken = False
        last = self._last
        after = record_time(last) if last is not None else 0
        if gap.unit is GapUnit.TIME:
            by_receipt = last is not None and after == last.local_timestamp
            gap = gap._replace(first=gap.first or after, by_receipt=by_receipt)
        before = record_time(record)
        self._on_gap(gap._replace(data_type=self.data_type, market=self.market, after=after, before=before))

    def _resume(self, record: Record) -> None:
        assert self._last is not None
        before = record_time(self._last)
        gap = Gap(GapUnit.TIME, before, max(before, record_time(record)), GapCause.INTERRUPTED)
        self._break(gap, record)


def _unchecked(record: Record) -> None:
    """The rule of a stream that has none."""
