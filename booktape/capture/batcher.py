"""Cuts one stream of records into batches: the step between a record's parser and the store.

:meth:`Batcher.append` runs once per record and is the hot path. It does only what cannot wait: it checks the sequence,
compares the minute and encodes the record. Everything else happens at the end of a batch.
"""

from collections.abc import Callable
from typing import Final

from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.gap import Gap, GapCause, GapUnit
from booktape.model.records import MINUTE, BookSnapshot, Record, first_position, last_position, record_time, sequence_id
from booktape.model.resets import certainly_later
from booktape.model.sequence import DUPLICATE, Rebased, Resettable, Rule

MAX_BATCH_BYTES: Final = 16 * 1024 * 1024

_encode_into = codec.encode_into


class Batcher:
    """Checks the sequence of one stream (one data type of one market) and cuts its records into batches.

    A batch ends where the exchange's time enters a new minute, at a gap, when it is full, or at :meth:`close`, which
    the caller uses for quiet streams. A late record never reopens a minute that has passed.

    :param on_batch: receives each finished batch.
    :param on_gap: receives each gap, before the record after the gap is appended.
    :param rule: the sequence rule; None where the venue publishes nothing to check by.
    :param spans_connections: whether the rule also detects what was lost between two connections.
    """

    __slots__ = (
        "_buffer", "_check", "_end", "_first", "_interrupted", "_last", "_on_batch", "_on_gap", "_rule",
        "_spans_connections", "data_type", "duplicates", "market", "minute", "records",
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
        self._check = rule.check if rule is not None else _accept
        self._spans_connections = spans_connections
        self._interrupted = False
        self._buffer = bytearray()
        self._first: Record | None = None
        self._last: Record | None = None
        self.minute = 0
        self._end = 0  # the open batch takes records before this time; 0 while no batch is open
        self.records = 0
        self.duplicates = 0

    def append(self, record: Record, time: int) -> None:
        """Append the next record, or count it as a duplicate.

        :param time: the exchange's time (µs) that decides the minute; 0 while the connection has reported no time.
        """
        verdict = self._check(record)
        if verdict is not None:
            if verdict is DUPLICATE:
                if not self._is_sequence_reset(record):
                    self.duplicates += 1
                    return
                verdict = self._reset_sequence(record)
            self._report(verdict, record)
        buffer = self._buffer
        if time >= self._end or len(buffer) > MAX_BATCH_BYTES:
            buffer = self._open_batch(record, time)
        _encode_into(record, buffer, -1)
        buffer += b"\n"
        self._last = record

    def _is_sequence_reset(self, record: Record) -> bool:
        """Whether a lower number means that the venue has reset its sequence, and not that the record is a duplicate.

        A duplicate is as old as its number, so a record that was certainly made after the last one is not a duplicate.
        """
        last = self._last
        if last is None or not isinstance(self._rule, Resettable) or sequence_id(record) == sequence_id(last):
            return False
        return certainly_later(record, last)

    def _reset_sequence(self, record: Record) -> Gap:
        """Continue with the first record after a sequence reset. Nothing shows what was lost around a reset."""
        assert self._last is not None
        assert isinstance(self._rule, Resettable)
        self._rule.forget()
        self._check(record)
        return Gap(GapUnit.TIME, record_time(self._last), record_time(record), GapCause.RESET)

    def _open_batch(self, record: Record, time: int) -> bytearray:
        """Open a batch with a record: in the minute of ``time``, or in the current minute if the record is late.

        While no time is known at all, the batch stays open and joins the first minute that the exchange reports.
        """
        if self._interrupted:
            self._report_interruption(record)
        if self.minute or len(self._buffer) > MAX_BATCH_BYTES:
            self.close()
        self.minute = max(self.minute, time // MINUTE * MINUTE)
        self._end = self.minute + MINUTE if self.minute else 1
        if self._first is None:
            self._first = record
        return self._buffer

    def close(self) -> None:
        """Pass the open batch on. The next record opens another one."""
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
        """The number of records appended so far, including those of the open batch."""
        return self.records + self._buffer.count(b"\n")

    def is_past(self, time: int) -> bool:
        """Whether a batch is open whose minute ended at or before ``time`` (µs, the exchange's clock)."""
        return self._first is not None and time >= self.minute + MINUTE

    @property
    def last(self) -> Record | None:
        """The newest record that was appended."""
        return self._last

    def append_unchecked(self, record: Record, time: int) -> None:
        """Append a record without the sequence rule. ``time`` as in :meth:`append`."""
        check, self._check = self._check, _accept
        try:
            self.append(record, time)
        finally:
            self._check = check

    @property
    def has_rule(self) -> bool:
        """Whether the order of the records matters, because a rule checks it."""
        return self._rule is not None

    @property
    def can_rebase(self) -> bool:
        """Whether the stream's rule can continue from a snapshot."""
        return isinstance(self._rule, Rebased)

    def rebase(self, snapshot: BookSnapshot) -> None:
        """Continue from a snapshot within the stream: the next update follows its id, whatever came before.

        A snapshot without an id changes nothing.
        """
        if isinstance(self._rule, Rebased) and snapshot.last_id is not None:
            verdict = self._rule.rebase(snapshot.last_id)
            if isinstance(verdict, Gap):
                self._report(verdict, snapshot)

    def interrupt(self) -> None:
        """Note that the subscription was interrupted.

        Unless the rule spans connections, the open batch ends, and the next record reports a gap from the last one.
        """
        if not self._spans_connections:
            self.close()
            self._interrupted = self._last is not None

    def _report(self, gap: Gap, record: Record) -> None:
        """End the batch at a gap and report it.

        :param record: the first record after the gap.
        """
        self.close()
        self._interrupted = False
        last = self._last
        after = record_time(last) if last is not None else 0
        if gap.unit is GapUnit.TIME:
            by_receipt = last is not None and after == last.local_timestamp
            gap = gap._replace(first=gap.first or after, by_receipt=by_receipt)
        before = record_time(record)
        self._on_gap(gap._replace(data_type=self.data_type, market=self.market, after=after, before=before))

    def _report_interruption(self, record: Record) -> None:
        assert self._last is not None
        before = record_time(self._last)
        gap = Gap(GapUnit.TIME, before, max(before, record_time(record)), GapCause.INTERRUPTED)
        self._report(gap, record)


def _accept(record: Record) -> None:
    """The check of a stream without a rule: every record is the next one."""
