"""Recorded frames through the very path that live frames take.

A capture is a gzip file of JSON lines, one WebSocket frame or REST answer each, in the order of arrival: ``t`` receive
time in ns (or null), ``kind`` ``ws`` or ``http``, ``url``, ``dir`` ``in`` or ``out``, ``data`` the text as received,
and ``enc`` ``base64`` where it was binary.
"""

import gzip
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from msgspec import MsgspecError, Struct, json

from booktape.core import codec
from booktape.core.streams import Batch, key_of
from booktape.errors import BooktapeError
from booktape.exchanges.spec import Exchange
from booktape.recorder import GapSeen, Recorder
from booktape.storage import Store


class BadCapture(BooktapeError):
    """A file that is not a capture; the text names the line."""


class Line(Struct, frozen=True):
    """One line of a capture."""

    kind: Literal["ws", "http"]
    data: str
    t: int | None = None
    url: str = ""
    dir: Literal["in", "out"] = "in"
    enc: str = ""

    def frame(self) -> bytes:
        """What came over the wire."""
        return b64decode(self.data) if self.enc == "base64" else self.data.encode()


@dataclass
class Summary:
    """What became of a capture. ``objects`` are all that hold its records, ``created`` those not there before."""

    frames: int = 0
    control: int = 0
    not_understood: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    records: dict[str, dict[str, int]] = field(default_factory=dict)
    stale: int = 0
    gaps: list[GapSeen] = field(default_factory=list)
    checksums: tuple[int, int] = (0, 0)
    objects: int = 0
    created: int = 0

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
                {"data_type": gap.data_type, "market": gap.market, "from": gap.first, "to": gap.last}
                for gap in self.gaps
            ],
            "checksums": {"checked": checked, "failed": failed},
            "objects": self.objects,
        }


def read(path: Path) -> Iterator[tuple[Line, bytes]]:
    """The lines of a capture, each with its frame. Raises :class:`BadCapture`, which names the line that is not one."""
    decode = json.Decoder(Line).decode
    number = 0
    try:
        with gzip.open(path) as file:
            for text in file:
                number += 1
                line = decode(text)
                yield line, line.frame()
    except (MsgspecError, ValueError) as error:
        raise BadCapture(f"{path}, line {number}: not a line of a capture: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise BadCapture(f"{path} cannot be read after line {number}: {error or 'the file is truncated'}") from error


def ingest(
    path: Path, exchange: Exchange, store: Store, on_progress: Callable[[int], None] = lambda frames: None
) -> Summary:
    """Take a capture through parse, sequence, batch and store. Ingesting it twice writes nothing new.

    Where the file turns out to be damaged, all that came before is stored, and :class:`BadCapture` raised.

    REST answers are taken as the snapshots they are. ``on_progress`` is told the number of frames so far.
    """
    summary = Summary()

    def put(batch: Batch) -> None:
        summary.objects += 1
        summary.created += store.create(str(key_of(batch, exchange.id)), codec.compress(batch.lines))

    recorder = Recorder(exchange, put, summary.gaps.append)
    try:
        _feed(path, recorder, on_progress)
    finally:
        recorder.close()
    summary.frames, summary.control, summary.stale = recorder.frames, recorder.control, recorder.stale()
    summary.not_understood, summary.refused = dict(recorder.not_understood), dict(recorder.refused)
    summary.records, summary.checksums = recorder.records(), recorder.checksums()
    return summary


def _feed(path: Path, recorder: Recorder, on_progress: Callable[[int], None]) -> None:
    connection = recorder.connection()
    received = 0
    for line, frame in read(path):
        if line.dir == "out":
            continue
        received = max((line.t or 0) // 1_000, received + 1)
        if line.kind == "http":
            connection.feed_rest(line.url, frame, received, None)
        else:
            connection.feed(frame, received)
        if recorder.frames % 1_000 == 0:
            on_progress(recorder.frames)
