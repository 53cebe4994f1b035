"""Reads one system's uptime log of a day: the segments that began in the day, and in the hour before and after it."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from hashlib import sha256
from typing import Final

from booktape.model import codec
from booktape.model.codec import CorruptObjectError
from booktape.model.errors import DataError
from booktape.model.records import MINUTE
from booktape.model.timestamps import day_interval
from booktape.model.uptime import StreamUptime, decode_segment, encode_lines
from booktape.store.layout import InvalidKeyError, SegmentKey, parse_segment_key, uptime_log_prefix
from booktape.store.objects import Store

_MARGIN: Final = 60 * MINUTE
"""How far (µs) outside the day segments are read: clocks may be wrong, and a day's last batches are written late."""


class InvalidSegmentError(DataError):
    """An object of the uptime log that cannot be read. The text names it."""


def read_segments(store: Store, exchange: str, day: date) -> Iterator[tuple[SegmentKey, list[StreamUptime]]]:
    """Yield the segments that may cover a part of a day, in the order in which they began.

    They are read one at a time, since a day of a large exchange does not fit into memory.

    :raises InvalidSegmentError: a segment cannot be read.
    """
    found = [(_parsed(store, name), name) for name in _names(store, exchange, day)]
    for key, name in sorted(found, key=lambda pair: (pair[0].start, pair[0].instance, pair[0].digest)):
        if _may_cover(key, day):
            yield key, _read(store, name)


def readable_lines(store: Store, exchange: str, day: date) -> Iterator[StreamUptime]:
    """Yield the lines of all segments that may cover a part of a day; a segment that cannot be read is left out."""
    for name in sorted(_names(store, exchange, day)):
        try:
            if _may_cover(_parsed(store, name), day):
                yield from _read(store, name)
        except InvalidSegmentError:
            continue


def _names(store: Store, exchange: str, day: date) -> Iterator[str]:
    for one in (day - timedelta(days=1), day, day + timedelta(days=1)):
        for item in store.objects(uptime_log_prefix(exchange, one)):
            yield item.key


def _may_cover(key: SegmentKey, day: date) -> bool:
    start, end = day_interval(day)
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
    return InvalidSegmentError(f"{store.url}/{name}: {error}; restore it, or move it away: its time is then unknown")


def encode_segment(exchange: str, instance: str, start: int, lines: Iterable[StreamUptime]) -> tuple[str, bytes]:
    """Encode a segment; return its key and its content. The same lines give the same key.

    :param start: when the segment begins, by the worker's clock (µs).
    """
    text = encode_lines(lines)
    key = SegmentKey(exchange, instance, start, sha256(text).hexdigest()[: codec.DIGEST_LENGTH])
    return str(key), codec.compress(text)
