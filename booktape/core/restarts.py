"""When a number of the past is news: the venue has begun its numbers anew."""

from typing import Final

from booktape.core.records import MINUTE, SECOND, Record, engine_time, record_time

CERTAINLY_LATER: Final = SECOND
CERTAINLY_SENT_LATER: Final = MINUTE
"""By how much a record of the past can seem newer than it is: by the engine's clock, and by that of a connection."""


def goes_back(record: Record, newest: int) -> bool:
    """Whether a record with a higher number is certainly older than ``newest`` (µs), the time of a lower number."""
    margin = CERTAINLY_SENT_LATER if engine_time(record) is None else CERTAINLY_LATER
    return record_time(record) < newest - margin
