"""The downtime ledger: what a connection worker says of each of its streams, beside the batches that it writes.

One object is one worker's *segment* of ten minutes at most, by the collector's own clock; it never spans midnight:
``ledger/exchange=binance/year=2024/month=08/day=09/001000_a_0a1b2c3d4e5f6071.json.gz``. Its content is gzipped JSON,
one line a stream; the key ends with a digest of that text, so that two hosts' workers of one name do not collide.
Where a segment is missing, nobody knows how the streams fared: that is never to be read as "connected".

Times are µs since the epoch, intervals half-open: from the first µs up to, but without, the second one.
"""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from msgspec import DecodeError, Struct, ValidationError, json, structs

from booktape.model import codec
from booktape.model.codec import CorruptObjectError
from booktape.model.gap import Gap, GapCause, GapUnit
from booktape.model.records import MINUTE

CONNECTED: Final = "connected"
SILENT: Final = "silent"
RESYNCING: Final = "resyncing"
DOWN: Final = "down"
StateName = Literal["connected", "silent", "resyncing", "down"]


UNNOTICED: Final = MINUTE
"""A dead connection is noticed so late (µs) at most: twice the time without a frame that a link allows."""


class StreamInterval(NamedTuple):
    """How a stream was from ``start`` to ``end``.

    ``connected``; ``silent``: quiet beyond its habit; ``resyncing``: asked for anew, waiting for a snapshot; ``down``:
    there is no connection.
    """

    state: StateName
    start: int
    end: int


class WrittenBatch(NamedTuple):
    """A batch that lies in the store or in the spool: the parts of its key that the line does not tell."""

    minute: int
    first: int
    last: int
    records: int
    digest: str


class StreamUptime(Struct, frozen=True):
    """What one worker says of one stream.

    ``start`` to ``end`` is the part of the segment in which the worker was responsible for the stream; ``states`` cover
    it without a hole. It is empty where only batches are left to tell of a market that is gone. ``market`` is ``*`` for
    a subscription to all markets at once. Batches are those that were written in the segment's time.

    ``since`` is when the first state began, if that was before ``start``: a dead connection is noticed late, and what
    the segment before said of that time is overruled. Never told of ``connected``. ``lag``: a receipt by the
    collector's clock less the exchange's time of what was received, µs: how wrong that clock was, and the way; None
    where the exchange hardly told any time. ``over``: from ``end`` on the stream was no more the worker's.
    """

    data_type: str
    market: str
    instance: str
    start: int
    end: int
    states: list[StreamInterval]
    gaps: list[Gap]
    batches: list[WrittenBatch]
    since: int | None = None
    lag: int | None = None
    over: bool = False


class _StoredGap(Struct, frozen=True, omit_defaults=True):
    """A gap as it is stored: ``kind`` is its unit under the format's names, ``at`` when it was noticed.

    ``counter`` are the receive times around missing frames of the connection.
    """

    first: int
    last: int
    kind: Literal["ids", "linked", "time", "counter"]
    at: int
    received: bool = False


class _StoredLine(Struct, frozen=True, omit_defaults=True, rename={"start": "from", "end": "to"}):
    """A line as it is stored; see :class:`StreamUptime` for its fields."""

    data_type: str
    market: str
    instance: str
    start: int
    end: int
    states: list[StreamInterval]
    gaps: list[_StoredGap]
    batches: list[WrittenBatch]
    since: int | None = None
    lag: int | None = None
    over: bool = False


def _stored_gap(gap: Gap) -> _StoredGap:
    match gap.unit:
        case GapUnit.ID:
            return _StoredGap(gap.first, gap.last, "ids", gap.noticed)
        case GapUnit.LINK:
            return _StoredGap(gap.first, gap.last, "linked", gap.noticed)
    if gap.cause is GapCause.FRAMES_LOST:
        return _StoredGap(*gap.bounds, "counter", gap.noticed)
    return _StoredGap(*gap.bounds, "time", gap.noticed, gap.by_receipt)


_UNITS: Final = {"ids": GapUnit.ID, "linked": GapUnit.LINK, "time": GapUnit.TIME, "counter": GapUnit.TIME}
_CAUSES: Final = {"time": GapCause.INTERRUPTED, "counter": GapCause.FRAMES_LOST}
"""A line does not keep why nothing is known of a time: most often an interruption."""


def _read_gap(stored: _StoredGap, data_type: str, market: str) -> Gap:
    return Gap(
        _UNITS[stored.kind],
        stored.first,
        stored.last,
        _CAUSES.get(stored.kind, GapCause.LOST),
        data_type,
        market,
        noticed=stored.at,
        by_receipt=stored.received or stored.kind == "counter",
    )


def _stored_line(line: StreamUptime) -> _StoredLine:
    fields = structs.asdict(line)
    return _StoredLine(**{**fields, "gaps": [_stored_gap(gap) for gap in line.gaps]})


def _read_line(stored: _StoredLine) -> StreamUptime:
    fields = structs.asdict(stored)
    gaps = [_read_gap(gap, stored.data_type, stored.market) for gap in stored.gaps]
    return StreamUptime(**{**fields, "gaps": gaps})


_encoder = json.Encoder()
_decoder = json.Decoder(_StoredLine)


def encode_lines(lines: Iterable[StreamUptime]) -> bytes:
    """The text of a segment's object. The same lines give the same bytes."""
    return _encoder.encode_lines([_stored_line(line) for line in lines])


def decode_segment(content: bytes) -> list[StreamUptime]:
    """The lines of a segment's object. Raises :class:`~booktape.model.codec.CorruptObjectError`."""
    try:
        return [_read_line(line) for line in _decoder.decode_lines(codec.decompress(content))]
    except (DecodeError, ValidationError) as error:
        raise CorruptObjectError(f"not a ledger's segment: {error}") from error
