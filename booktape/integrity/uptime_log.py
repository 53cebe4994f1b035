"""Reads one system's ledger of a day: the segments that began in it, and in the hour at either end."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Final

from booktape.model import codec
from booktape.model.codec import CorruptObjectError
from booktape.model.errors import BooktapeError
from booktape.model.intervals import Interval
from booktape.model.records import DAY, MINUTE, SECOND
from booktape.model.uptime import StreamUptime, decode_segment, encode_lines
from booktape.store.layout import InvalidKeyError, SegmentKey, parse_segment_key, uptime_log_prefix
from booktape.store.objects import Store

_MARGIN: Final = 60 * MINUTE
"""The collectors' clocks may go wrong, and a day's last batches are written after midnight."""


class InvalidSegmentError(BooktapeError):
    """An object of the ledger that cannot be read."""


def day_start(day: date) -> Interval:
    """A day's beginning and end (µs)."""
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
    return start, start + DAY


def read_segments(store: Store, exchange: str, day: date) -> Iterator[tuple[SegmentKey, list[StreamUptime]]]:
    """The segments that may tell of a day, in the order in which they began.

    One at a time, since a day of a large exchange does not fit into the memory.
    Raises :class:`InvalidSegmentError`, which names
    the object.
    """
    found = [(_parsed(store, name), name) for name in _names(store, exchange, day)]
    for key, name in sorted(found, key=lambda pair: (pair[0].start, pair[0].instance, pair[0].digest)):
        if _may_tell(key, day):
            yield key, _read(store, name)


def readable_lines(store: Store, exchange: str, day: date) -> Iterator[StreamUptime]:
    """The lines of all segments that may tell of a day. One that cannot be read is as if it was not there."""
    for name in sorted(_names(store, exchange, day)):
        try:
            if _may_tell(_parsed(store, name), day):
                yield from _read(store, name)
        except InvalidSegmentError:
            continue


def _names(store: Store, exchange: str, day: date) -> Iterator[str]:
    for one in (day - timedelta(days=1), day, day + timedelta(days=1)):
        for item in store.objects(uptime_log_prefix(exchange, one)):
            yield item.key


def _may_tell(key: SegmentKey, day: date) -> bool:
    start, end = day_start(day)
    return start - _MARGIN <= key.start < end + _MARGIN


def _parsed(store: Store, name: str) -> SegmentKey:
    try:
        return parse_segment_key(name)
    except InvalidKeyError as error:
        raise _bad(store, name, error) from error


def _read(store: Store, name: str) -> list[StreamUptime]:
    try:
        return decode_segment(store.read(name))
    except CorruptObjectError as error:
        raise _bad(store, name, error) from error


def _bad(store: Store, name: str, error: Exception) -> InvalidSegmentError:
    return InvalidSegmentError(
        f"{store.url}/{name}: {error}; restore it, or move it away: its time then counts as unknown"
    )


def encode_segment(exchange: str, instance: str, start: int, lines: Iterable[StreamUptime]) -> tuple[str, bytes]:
    """The key and the content of a segment. The same lines give the same key."""
    text = encode_lines(lines)
    key = SegmentKey(exchange, instance, start, sha256(text).hexdigest()[: codec.DIGEST_LENGTH])
    return str(key), codec.compress(text)
