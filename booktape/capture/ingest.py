"""Recorded frames through the very path that live frames take.

A capture is a gzip file of JSON lines, one WebSocket frame or REST answer each, in the order of arrival: ``t`` receive
time in ns (or null), ``kind`` ``ws`` or ``http``, ``url``, ``dir`` ``in`` or ``out``, ``data`` the text as received,
and ``enc`` ``base64`` where it was binary.
"""

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import MsgspecError, json

from booktape.capture.pipeline import Pipeline
from booktape.exchanges.spec import Exchange
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.errors import BooktapeError
from booktape.model.gap import Gap
from booktape.store.layout import batch_key
from booktape.store.objects import Store
from booktape.store.raw_frames import RawLine


class InvalidCaptureError(BooktapeError):
    """A file that is not a capture; the text names the line."""


@dataclass
class Summary:
    """What became of a capture. ``objects`` are all that hold its records, ``created`` those not there before."""

    frames: int = 0
    control: int = 0
    not_understood: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    records: dict[str, dict[str, int]] = field(default_factory=dict)
    stale: int = 0
    gaps: list[Gap] = field(default_factory=list)
    checksums: tuple[int, int] = (0, 0)
    objects: int = 0
    created: int = 0

    def putting(self, exchange: Exchange, store: Store) -> Callable[[Batch], None]:
        """What takes a recorder's batches into a store, and counts them."""

        def put(batch: Batch) -> None:
            self.objects += 1
            self.created += store.create(str(batch_key(batch, exchange.id)), codec.compress(batch.lines))

        return put

    def add(self, recorder: Pipeline) -> None:
        """Add what became of a recorder's frames."""
        self.frames += recorder.frames
        self.control += recorder.control
        self.stale += recorder.stale()
        self.not_understood = dict(Counter(self.not_understood) + recorder.not_understood)
        self.refused = dict(Counter(self.refused) + recorder.refused)
        for data_type, markets in recorder.records().items():
            before = self.records.setdefault(data_type, {})
            for market, count in markets.items():
                before[market] = before.get(market, 0) + count
        checked, failed = recorder.checksums()
        self.checksums = (self.checksums[0] + checked, self.checksums[1] + failed)

    def to_json(self) -> dict[str, Any]:
        """The summary as ``booktape ingest --json`` prints it."""
        checked, failed = self.checksums
        return {
            "frames": self.frames,
            "control": self.control,
            "not_understood": self.not_understood,
            "records": self.records,
            "stale": self.stale,
            "gaps": [
                {"data_type": gap.data_type, "market": gap.market, "from": first, "to": last}
                for gap, (first, last) in zip(self.gaps, map(printed_bounds, self.gaps), strict=True)
            ],
            "checksums": {"checked": checked, "failed": failed},
            "objects": self.objects,
        }


def printed_bounds(gap: Gap) -> tuple[int, int]:
    """The first and the last number of a gap, as ``booktape ingest`` has always printed them.

    A reset that a snapshot shows has that snapshot's id twice, though its bounds are times.
    """
    return (gap.snapshot_id, gap.snapshot_id) if gap.snapshot_id else gap.bounds


def read_capture(path: Path) -> Iterator[tuple[RawLine, bytes]]:
    """The lines of a capture, each with its frame.
    Raises :class:`InvalidCaptureError`, which names the line that is not one."""
    decode = json.Decoder(RawLine).decode
    number = 0
    try:
        with gzip.open(path) as file:
            for text in file:
                number += 1
                line = decode(text)
                yield line, line.frame()
    except (MsgspecError, ValueError) as error:
        raise InvalidCaptureError(f"{path}, line {number}: not a line of a capture: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidCaptureError(
            f"{path} cannot be read after line {number}: {error or 'the file is truncated'}"
        ) from error


def ingest_capture(
    path: Path, exchange: Exchange, store: Store, on_progress: Callable[[int], None] = lambda frames: None
) -> Summary:
    """Take a capture through parse, sequence, batch and store. Ingesting it twice writes nothing new.

    Where the file turns out to be damaged, all that came before is stored, and :class:`InvalidCaptureError` raised.

    REST answers are taken as the snapshots they are. ``on_progress`` is told the number of frames so far.
    """
    summary = Summary()

    recorder = Pipeline(exchange, summary.putting(exchange, store), summary.gaps.append)
    try:
        _feed(path, recorder, on_progress)
    finally:
        recorder.close()
    summary.add(recorder)
    return summary


def _feed(path: Path, recorder: Pipeline, on_progress: Callable[[int], None]) -> None:
    connection = recorder.connection()
    received = 0
    for line, frame in read_capture(path):
        if line.dir == "out" or line.kind == "mark":
            continue
        received = max((line.t or 0) // 1_000, received + 1)
        if line.kind == "http":
            connection.feed_rest(line.url, frame, received, line.sent)
        else:
            connection.feed(frame, received)
        if recorder.frames % 1_000 == 0:
            on_progress(recorder.frames)
