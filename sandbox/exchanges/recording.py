"""Reading recorded connections: gzipped JSON Lines, one WebSocket frame or REST answer a line.

The line format: `t` local time in ns or null, `kind` ws or http, `url`, `dir` in or out, `data` the text as received;
`op` is "binary" for a binary frame, and with `enc` "base64" `data` is the base64 of its bytes.
"""

import base64
import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec

from sandbox.exchanges.venue import Query

SYMBOL_PARAMETERS = ("symbol", "product_id", "pair", "instId", "instrument_name")


class Line(msgspec.Struct):
    """One line of a recording."""

    kind: str
    url: str
    dir: str
    data: str
    t: int | None = None
    op: str | None = None
    enc: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that the venue sent, at local time `time` (ns, None if unknown). Bytes were a binary frame."""

    time: int | None
    data: str | bytes


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """A REST answer and the local time at which it came (ns)."""

    time: int | None
    body: bytes


@dataclass(slots=True)
class Recording:
    """What one venue sent: frames in order, and REST answers by path and symbol, each key's in order."""

    frames: list[Frame] = field(default_factory=list)
    answers: dict[tuple[str, str], list[RestAnswer]] = field(default_factory=dict)

    def find_answers(self, path: str, query: Query) -> list[RestAnswer]:
        """The answers for this path and symbol; failing that, for a path that ends in the same word.

        So a book recorded at `/api/v1/depth` also answers `/api/v3/depth`.
        """
        symbol = symbol_in(query)
        exact = self.answers.get((path, symbol))
        if exact:
            return exact
        last = path.rpartition("/")[2]
        similar = (
            answers
            for (recorded, its_symbol), answers in self.answers.items()
            if its_symbol == symbol and recorded.rpartition("/")[2] == last
        )
        return next(similar, [])


def symbol_in(query: Mapping[str, str]) -> str:
    """The market of a query, by whatever name the venue has for that parameter; "" if it names none."""
    return next((query[name] for name in SYMBOL_PARAMETERS if name in query), "")


def read_recording(path: Path) -> Recording:
    """Read a whole file. Raises OSError, and msgspec.MsgspecError for lines of another format."""
    recording = Recording()
    decoder = msgspec.json.Decoder(Line)
    with gzip.open(path, "rb") as lines:
        for text in lines:
            line = decoder.decode(text)
            if line.kind == "http":
                parts = urlsplit(line.url)
                key = parts.path, symbol_in(dict(parse_qsl(parts.query)))
                recording.answers.setdefault(key, []).append(RestAnswer(line.t, line.data.encode()))
            elif line.dir == "in":
                recording.frames.append(Frame(line.t, _payload(line)))
    return recording


def _payload(line: Line) -> str | bytes:
    if line.enc == "base64":
        return base64.b64decode(line.data)
    return line.data.encode() if line.op == "binary" else line.data
