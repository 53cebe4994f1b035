"""The downtime ledger: what a connection worker says of each of its streams, beside the batches that it writes.

One object is one worker's *segment* of ten minutes at most, by the collector's own clock; it never spans midnight:
``ledger/exchange=binance/year=2024/month=08/day=09/001000_a_0a1b2c3d4e5f6071.json.gz``. Its content is gzipped JSON,
one line a stream; the key ends with a digest of that text, so that two hosts' workers of one name do not collide.
Where a segment is missing, nobody knows how the streams fared: that is never to be read as "connected".

Times are µs since the epoch, intervals half-open: from the first µs up to, but without, the second one.
"""

from typing import Final, Literal, NamedTuple

from msgspec import DecodeError, Struct, ValidationError, json

from booktape.model import codec
from booktape.model.codec import CorruptObjectError
from booktape.model.records import MINUTE

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


class ReportedGap(Struct, frozen=True, omit_defaults=True):
    """What the sequence rule told, and ``at`` what time of the collector. Both ends are included.

    ``ids``: these numbers are missing. ``linked``: something is missing between the records with these two ids.
    ``time``: nobody can tell what was lost between these times (µs, the exchange's as far as it tells them).
    ``counter``: frames of the stream's connection are missing, and maybe its records in them; ``first`` and ``last``
    are the receive times of the frames before and after. ``received``: so they are of a ``time``, since the stream's
    records tell no time of the exchange's.
    """

    first: int
    last: int
    kind: GapKind
    at: int
    received: bool = False

    @property
    def by_collector(self) -> bool:
        """Whether the interval is by the collector's clock."""
        return self.received or self.kind == COUNTER


class WrittenBatch(NamedTuple):
    """A batch that lies in the store or in the spool: the parts of its key that the line does not tell."""

    minute: int
    first: int
    last: int
    records: int
    digest: str


class StreamUptime(Struct, frozen=True, omit_defaults=True, rename={"start": "from", "end": "to"}):
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
    gaps: list[ReportedGap]
    batches: list[WrittenBatch]
    since: int | None = None
    lag: int | None = None
    over: bool = False


_decoder = json.Decoder(StreamUptime)


def decode_segment(content: bytes) -> list[StreamUptime]:
    """The lines of a segment's object. Raises :class:`~booktape.model.codec.CorruptObjectError`."""
    try:
        return _decoder.decode_lines(codec.decompress(content))
    except (DecodeError, ValidationError) as error:
        raise CorruptObjectError(f"not a ledger's segment: {error}") from error
