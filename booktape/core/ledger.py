"""The downtime ledger: what a connection worker says of each of its streams, beside the batches that it writes.

One object is one worker's *segment* of ten minutes at most, by the collector's own clock; it never spans midnight:
``ledger/exchange=binance/year=2024/month=08/day=09/001000_a.json.gz``. Its content is gzipped JSON, one line a stream.
Where a segment is missing, nobody knows how the streams fared: that is never to be read as "connected".

Times are µs since the epoch, intervals half-open: from the first µs up to, but without, the second one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from msgspec import DecodeError, Struct, ValidationError, json

from booktape.core import codec
from booktape.core.codec import CorruptObject
from booktape.core.keys import BadKey
from booktape.core.records import SECOND

CONNECTED: Final = "connected"
SILENT: Final = "silent"
RESYNCING: Final = "resyncing"
DOWN: Final = "down"
StateName = Literal["connected", "silent", "resyncing", "down"]

IDS: Final = "ids"
LINKED: Final = "linked"
TIME: Final = "time"
COUNTER: Final = "counter"
GapKind = Literal["ids", "linked", "time", "counter"]

LEDGER: Final = "ledger"

_KEY: Final = re.compile(
    LEDGER + r"/exchange=(?P<exchange>[a-z0-9-]+)/year=(?P<year>\d{4})/month=(?P<month>\d{2})/day=(?P<day>\d{2})"
    r"/(?P<time>\d{6})_(?P<instance>[^/]+)\.json\.gz"
)


class State(NamedTuple):
    """How a stream was from ``start`` to ``end``.

    ``connected``; ``silent``: quiet beyond its habit; ``resyncing``: asked for anew, waiting for a snapshot; ``down``:
    there is no connection.
    """

    state: StateName
    start: int
    end: int


class Gap(Struct, frozen=True):
    """What the sequence rule told, and ``at`` what time of the collector. Both ends are included.

    ``ids``: these numbers are missing. ``linked``: something is missing between the records with these two ids.
    ``time``: nobody can tell what was lost between these times (µs, the exchange's as far as it tells them).
    ``counter``: frames of the stream's connection are missing, and maybe its records in them; ``first`` and ``last``
    are the receive times of the frames before and after.
    """

    first: int
    last: int
    kind: GapKind
    at: int


class Written(NamedTuple):
    """A batch that lies in the store or in the spool: the parts of its key that the line does not tell."""

    minute: int
    first: int
    last: int
    records: int
    digest: str


class Line(Struct, frozen=True, rename={"start": "from", "end": "to"}):
    """What one worker says of one stream.

    ``start`` to ``end`` is the part of the segment in which the worker was responsible for the stream; ``states`` cover
    it without a hole. It is empty where only batches are left to tell of a market that is gone. ``market`` is ``*`` for
    a subscription to all markets at once. Batches are those that were written in the segment's time.
    """

    data_type: str
    market: str
    instance: str
    start: int
    end: int
    states: list[State]
    gaps: list[Gap]
    batches: list[Written]


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """The parts of a segment's key. ``start`` in µs, of which the key keeps the whole seconds."""

    exchange: str
    instance: str
    start: int

    def __str__(self) -> str:
        if not self.instance or "/" in self.instance:
            raise BadKey(f"{self.instance!r} cannot be part of a key: an instance has a name without slashes")
        clock = datetime.fromtimestamp(self.start // SECOND, UTC)
        return f"{ledger_prefix(self.exchange, clock.date())}{clock:%H%M%S}_{self.instance}.json.gz"


def parse_segment_key(text: str) -> SegmentKey:
    """The parts of a key; the opposite of ``str(key)``. Raises :class:`~booktape.core.keys.BadKey`."""
    match = _KEY.fullmatch(text)
    if match is None:
        raise BadKey(f"{text!r} is not the key of a ledger's segment: expected {LEDGER}/exchange=…/year=…/…")
    part = match.groupdict()
    try:
        start = datetime.strptime("{year}{month}{day}{time}+0000".format(**part), "%Y%m%d%H%M%S%z")
    except ValueError as error:
        raise BadKey(f"{text!r} has no such time: {error}") from error
    return SegmentKey(part["exchange"], part["instance"], int(start.timestamp()) * SECOND)


def ledger_prefix(exchange: str, day: date) -> str:
    """Where the segments of one exchange lie that began on one day."""
    return f"{LEDGER}/exchange={exchange}/year={day:%Y}/month={day:%m}/day={day:%d}/"


_encoder = json.Encoder()
_decoder = json.Decoder(Line)


def encode(lines: Iterable[Line]) -> bytes:
    """A segment's object."""
    return codec.compress(_encoder.encode_lines(list(lines)))


def decode(content: bytes) -> list[Line]:
    """The lines of a segment's object. Raises :class:`~booktape.core.codec.CorruptObject`."""
    try:
        return _decoder.decode_lines(codec.decompress(content))
    except (DecodeError, ValidationError) as error:
        raise CorruptObject(f"not a ledger's segment: {error}") from error


Interval = tuple[int, int]
"""From the first µs up to, but without, the second one."""


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """What lies in any of some intervals: sorted, none of them empty, none touching the next."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def intersection(some: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    """What lies both in some intervals and in others, as :func:`union` gives it."""
    left, right = union(some), union(others)
    found: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            found.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


def complement(intervals: Iterable[Interval], within: Interval) -> list[Interval]:
    """What of ``within`` lies in none of some intervals, as :func:`union` gives it."""
    start, end = within
    inside = intersection(intervals, [within])
    edges = [start, *(edge for interval in inside for edge in interval), end]
    return [(first, last) for first, last in list(pairwise(edges))[::2] if first < last]


def length(intervals: Iterable[Interval]) -> int:
    """How many µs lie in any of some intervals."""
    return sum(end - start for start, end in union(intervals))
