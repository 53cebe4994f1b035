"""What a gap's numbers mean: ids that are missing, or only times between which something may be."""

from booktape.core import sequence
from booktape.core.ledger import IDS, LINKED, TIME, GapKind
from booktape.core.records import Record, record_time, sequence_id
from booktape.core.sequence import Gap

Span = tuple[int | None, int | None]
"""From a time until another one (µs), None for now."""


def meaning(rule: str, gap: Gap, last: Record | None) -> tuple[GapKind, Span | None]:
    """The kind of a gap, and the times to use where its own numbers are neither times nor what is missing.

    :param rule: the name of the rule that told it.
    :param last: the stream's last record before it.
    """
    since = None if last is None else record_time(last)
    if gap.reconnect:  # told in times, but for ids that a snapshot sets back
        return TIME, ((since, None) if rule in sequence.SPANS_CONNECTIONS and gap.first != since else None)
    if rule == sequence.CHECKSUM:
        return TIME, (None if last is not None and sequence_id(last) is None else (since, None))
    return (LINKED if rule == sequence.LINKED else IDS), None
