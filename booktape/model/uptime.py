"""The uptime log: what a connection worker reports of each of its streams, beside the batches that it writes.

One object is a *segment*: ten minutes of one worker at most, by the collector's own clock. It never spans midnight. Its
key is like ``ledger/exchange=binance/year=2024/month=08/day=09/001000_a_0a1b2c3d4e5f6071.json.gz``; its content is
gzipped JSON, one line a stream. The key ends with a digest of that text, so that workers of the same name on two hosts
do not collide. A missing segment means that the state of the streams is unknown, never that they were connected.

Times are µs since the epoch, intervals half-open.
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
"""How late (µs) a dead connection is noticed at most: twice the time that a connection may be without a frame."""


class StreamInterval(NamedTuple):
    """The state of a stream from ``start`` up to ``end`` (µs, exclusive).

    ``connected``; ``silent``: connected, but without records for longer than is usual; ``resyncing``: subscribed to
    again, waiting for a snapshot; ``down``: without a connection.
    """

    state: StateName
    start: int
    end: int


class WrittenBatch(NamedTuple):
    """A batch in the store or in the spool: the parts of its key that the line does not have already."""

    minute: int
    first: int
    last: int
    records: int
    digest: str


class StreamUptime(Struct, frozen=True):
    """What one worker reports of one stream.

    ``start`` to ``end`` is the part of the segment in which the worker was responsible for the stream. ``states`` cover
    it completely. It is empty where only the last batches of a market that ended are reported. ``market`` is ``*`` for
    a subscription to all markets at once. ``batches`` were written during the segment.

    ``since`` is when the first state began, if that was before ``start``: a dead connection is noticed late, and this
    overrules the segment before. It is never set for ``connected``. ``lag`` is the receive time by the collector's
    clock less the exchange's time, in µs: the error of that clock plus the latency; None where the exchange sent too
    few times. ``over``: the worker is not responsible for the stream from ``end`` on.
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
        raise CorruptObjectError(f"not a segment of the uptime log: {error}") from error
