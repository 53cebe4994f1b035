"""Ingests captures: recorded frames take the same path as live frames.

A capture is a gzip file of JSON lines, one WebSocket frame or REST response each, in the order of arrival: ``t`` the
receive time in ns (or null), ``kind`` ``ws`` or ``http``, ``url``, ``dir`` ``in`` or ``out``, ``data`` the text as
received, and ``enc`` ``base64`` where it was binary.
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
from booktape.model.errors import InvalidInputError
from booktape.model.gap import Gap
from booktape.store.layout import batch_key
from booktape.store.objects import Store
from booktape.store.raw_frames import RawLine


class InvalidCaptureError(InvalidInputError):
    """A file is not a capture. The message names the line."""


@dataclass
class Summary:
    """What an ingest has read and written.

    ``objects`` counts all objects that hold its records, ``created`` those that did not exist before.
    ``control_frames`` counts frames without a record. ``checksums`` are the numbers of compared and of wrong ones.
    """

    frames: int = 0
    control_frames: int = 0
    unknown_frames: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    records: dict[str, dict[str, int]] = field(default_factory=dict)
    duplicates: int = 0
    gaps: list[Gap] = field(default_factory=list)
    checksums: tuple[int, int] = (0, 0)
    objects: int = 0
    created: int = 0

    def batch_writer(self, exchange: Exchange, store: Store) -> Callable[[Batch], None]:
        """A function that writes the batches of a pipeline to a store and counts them."""

        def put(batch: Batch) -> None:
            self.objects += 1
            self.created += store.create(str(batch_key(batch, exchange.id)), codec.compress(batch.lines))

        return put

    def add(self, pipeline: Pipeline) -> None:
        """Add the counts of a pipeline."""
        self.frames += pipeline.frames
        self.control_frames += pipeline.control_frames
        self.duplicates += pipeline.duplicates()
        self.unknown_frames = dict(Counter(self.unknown_frames) + pipeline.unknown_frames)
        self.refused = dict(Counter(self.refused) + pipeline.refused)
        for data_type, markets in pipeline.records().items():
            before = self.records.setdefault(data_type, {})
            for market, count in markets.items():
                before[market] = before.get(market, 0) + count
        checked, failed = pipeline.checksums()
        self.checksums = (self.checksums[0] + checked, self.checksums[1] + failed)

    def to_json(self) -> dict[str, Any]:
        """The summary as ``booktape ingest --json`` prints it."""
        checked, failed = self.checksums
        return {
            "frames": self.frames,
            "control": self.control_frames,
            "not_understood": self.unknown_frames,
            "records": self.records,
            "stale": self.duplicates,
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

    :raises InvalidCaptureError: a line is invalid, or the file is damaged.
    """
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
    """Ingest a capture: parse, check the sequence, batch and store. A second ingest writes nothing new.

    REST responses become snapshots. Where the file is damaged, everything before the damage is stored.

    :param on_progress: receives the number of frames so far.
    :raises InvalidCaptureError: the file is not a capture, or is damaged.
    """
    summary = Summary()
    pipeline = Pipeline(exchange, summary.batch_writer(exchange, store), summary.gaps.append)
    try:
        _feed(path, pipeline, on_progress)
    finally:
        pipeline.close()
    summary.add(pipeline)
    return summary


def _feed(path: Path, pipeline: Pipeline, on_progress: Callable[[int], None]) -> None:
    feed = pipeline.new_feed()
    received = 0
    for line, frame in read_capture(path):
        if line.dir == "out" or line.kind == "mark":
            continue
        received = max((line.t or 0) // 1_000, received + 1)
        if line.kind == "http":
            feed.feed_rest(line.url, frame, received, line.sent)
        else:
            feed.feed(frame, received)
        if pipeline.frames % 1_000 == 0:
            on_progress(pipeline.frames)
