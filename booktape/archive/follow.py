"""Follows a recording: reads what was stored since the last look, again and again."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from booktape.archive.archive import Archive
from booktape.archive.rows import Rows
from booktape.model.gap import Gap
from booktape.model.timestamps import TimestampLike, parse_timestamp

POLL_SECONDS: Final = 3.0
"""The pause between two looks at the storage."""


def follow(
    archive: Archive,
    data_type: str,
    exchange: str,
    market: str,
    start: TimestampLike,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Rows[Any]]:
    """Yield the records since ``start``, window by window as they are stored, without end.

    A minute is read once its first object is stored: up to a minute late. Objects that are stored later are not read.
    """
    begin = parse_timestamp(start)
    while True:
        end = archive.newest(data_type, exchange, market)
        if end is not None and end > begin:
            yield archive.rows(data_type, exchange, market, begin, end, gaps="mark")
            begin = end
        sleep(POLL_SECONDS)


def is_news(gap: Gap) -> bool:
    """Whether a gap is worth reporting. Unknown time is not: the uptime logs of the last minutes are still to come."""
    return not gap.is_unknown
