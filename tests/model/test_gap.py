"""What the numbers of a gap mean, by the rule that told it."""

import pytest
from msgspec import Raw

from booktape.model import sequence
from booktape.model.gap import Span, meaning
from booktape.model.records import BookUpdate, Record, Trade
from booktape.model.sequence import SequenceGap

TRADE = Trade(7, 500, "buy", "1", "1", 900)
BOOK = BookUpdate(timestamp=500, bids=Raw(b"[]"), asks=Raw(b"[]"), local_timestamp=900)
NUMBERED = BookUpdate(last_id=7, timestamp=500, bids=Raw(b"[]"), asks=Raw(b"[]"), local_timestamp=900)
LOST = SequenceGap(8, 9)
INTERRUPTED = SequenceGap(500, 700, reconnect=True)


@pytest.mark.parametrize(
    ("rule", "gap", "last", "kind", "span"),
    [
        (sequence.CONTIGUOUS, LOST, TRADE, "ids", None),
        (sequence.SEQUENCED, LOST, TRADE, "ids", None),
        (sequence.RANGED, LOST, NUMBERED, "ids", None),
        (sequence.RANGED, SequenceGap(8, 9, resumed=True), NUMBERED, "ids", None),
        (sequence.LINKED, LOST, NUMBERED, "linked", None),
        (sequence.MONOTONIC, INTERRUPTED, TRADE, "time", None),
        (sequence.NONE, INTERRUPTED, BOOK, "time", None),
        (sequence.CONNECTION_COUNTER, INTERRUPTED, BOOK, "time", None),
        (sequence.RANGED, SequenceGap(3, 3, reconnect=True), NUMBERED, "time", (500, None)),
        (sequence.LINKED, SequenceGap(3, 3, reconnect=True), NUMBERED, "time", (500, None)),
        (sequence.CONTIGUOUS, INTERRUPTED, TRADE, "time", None),
        (sequence.CHECKSUM, SequenceGap(500, 600), BOOK, "time", None),
        (sequence.CHECKSUM, SequenceGap(7, 8), NUMBERED, "time", (500, None)),
        (sequence.CHECKSUM, SequenceGap(8, 8), None, "time", (None, None)),
        (sequence.CHECKSUM, INTERRUPTED, NUMBERED, "time", None),
    ],
)
def test_a_gap_is_of_ids_or_of_times_but_never_of_numbers_that_mean_neither(
    rule: str, gap: SequenceGap, last: Record | None, kind: str, span: Span | None
) -> None:
    assert meaning(rule, gap, last) == (kind, span)
