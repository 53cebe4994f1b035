"""Reads one system's ledger of a day."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from booktape.core.codec import CorruptObject
from booktape.core.keys import BadKey
from booktape.core.ledger import Interval, Line, SegmentKey, decode, ledger_prefix, parse_segment_key
from booktape.core.records import DAY, MINUTE, SECOND
from booktape.errors import BooktapeError
from booktape.storage import Store

_MARGIN: Final = 60 * MINUTE
"""The collectors' clocks may go wrong, and a day's last batches are written after midnight."""


class BadSegment(BooktapeError):
    """An object of the ledger that cannot be read."""


def day_of(day: date) -> Interval:
    """A day's beginning and end (µs)."""
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
    return start, start + DAY


def segments(store: Store, exchange: str, day: date) -> Iterator[tuple[SegmentKey, list[Line]]]:
    """The segments that may tell of a day, in the order in which they began: an hour more at both ends.

    One at a time, since a day of a large exchange does not fit into the memory. Raises :class:`BadSegment`, which names
    the object.
    """
    start, end = day_of(day)
    found = [
        (_parsed(store, item.key), item.key)
        for one in (day - timedelta(days=1), day, day + timedelta(days=1))
        for item in store.objects(ledger_prefix(exchange, one))
    ]
    for key, name in sorted(found, key=lambda pair: (pair[0].start, pair[0].instance)):
        if start - _MARGIN <= key.start < end + _MARGIN:
            try:
                yield key, decode(store.read(name))
            except CorruptObject as error:
                raise _bad(store, name, error) from error


def _parsed(store: Store, name: str) -> SegmentKey:
    try:
        return parse_segment_key(name)
    except BadKey as error:
        raise _bad(store, name, error) from error


def _bad(store: Store, name: str, error: Exception) -> BadSegment:
    return BadSegment(f"{store.url}/{name}: {error}; restore it, or move it away: its time then counts as unknown")
