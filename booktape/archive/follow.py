"""Going on as minutes are stored: what was recorded up to a minute ago, again and again."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from booktape.archive.archive import Archive
from booktape.archive.rows import Rows
from booktape.model.gap import Gap
from booktape.model.timestamps import TimestampLike, parse_timestamp

SECONDS: Final = 3.0
"""How often the storage is looked at."""


def follow(
    archive: Archive,
    data_type: str,
    exchange: str,
    market: str,
    start: TimestampLike,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Rows[Any]]:
    """The records since ``start``, in stretches as they come to be stored, without an end.

    A minute is read when its first object is there: up to a minute late, and what comes later still is left out.
    """
    begin = parse_timestamp(start)
    while True:
        end = archive.newest(data_type, exchange, market)
        if end is not None and end > begin:
            yield archive.rows(data_type, exchange, market, begin, end, gaps="mark")
            begin = end
        sleep(SECONDS)


def is_news(gap: Gap) -> bool:
    """Whether a gap is news. No uptime log covers the last minutes yet: that they are unknown is none."""
    return not gap.is_unknown
