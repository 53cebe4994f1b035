"""What the numbers of a gap mean, by the rule that told it."""

import pytest
from msgspec import Raw

from booktape.core import sequence
from booktape.core.gaps import Span, meaning
from booktape.core.records import BookUpdate, Record, Trade
from booktape.core.sequence import Gap

TRADE = Trade(7, 500, "buy", "1", "1", 900)
BOOK = BookUpdate(timestamp=500, bids=Raw(b"[]"), asks=Raw(b"[]"), local_timestamp=900)
NUMBERED = BookUpdate(last_id=7, timestamp=500, bids=Raw(b"[]"), asks=Raw(b"[]"), local_timestamp=900)
LOST = Gap(8, 9)
INTERRUPTED = Gap(500, 700, reconnect=True)


@pytest.mark.parametrize(
    ("rule", "gap", "last", "kind", "span"),
    [
        (sequence.CONTIGUOUS, LOST, TRADE, "ids", None),
        (sequence.SEQUENCED, LOST, TRADE, "ids", None),
        (sequence.RANGED, LOST, NUMBERED, "ids", None),
        (sequence.RANGED, Gap(8, 9, resumed=True), NUMBERED, "ids", None),
        (sequence.LINKED, LOST, NUMBERED, "linked", None),
        (sequence.MONOTONIC, INTERRUPTED, TRADE, "time", None),
        (sequence.NONE, INTERRUPTED, BOOK, "time", None),
        (sequence.CONNECTION_COUNTER, INTERRUPTED, BOOK, "time", None),
        (sequence.RANGED, Gap(3, 3, reconnect=True), NUMBERED, "time", (500, None)),
        (sequence.LINKED, Gap(3, 3, reconnect=True), NUMBERED, "time", (500, None)),
        (sequence.CONTIGUOUS, INTERRUPTED, TRADE, "time", None),
        (sequence.CHECKSUM, Gap(500, 600), BOOK, "time", None),
        (sequence.CHECKSUM, Gap(7, 8), NUMBERED, "time", (500, None)),
        (sequence.CHECKSUM, Gap(8, 8), None, "time", (None, None)),
        (sequence.CHECKSUM, INTERRUPTED, NUMBERED, "time", None),
    ],
)
def test_a_gap_is_of_ids_or_of_times_but_never_of_numbers_that_mean_neither(
    rule: str, gap: Gap, last: Record | None, kind: str, span: Span | None
) -> None:
    assert meaning(rule, gap, last) == (kind, span)
