"""Keeps every frame as it came, beside the records: ``booktape record --raw``.

Nothing is parsed: a frame's text is written once into its connection's buffer. A buffer becomes an object when the
collector's clock enters another minute, or when it is full.
"""

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec import json

from booktape.model.records import MINUTE, SECOND
from booktape.store.layout import RawKey
from booktape.store.raw_frames import DISCONNECTED

MOST_BYTES: Final = 4 * 1024 * 1024
"""Of an object's text."""

Keep = Callable[[str, bytearray], None]
"""Takes an object's key and its lines, which are still to be compressed: off the event loop."""

_encode_into: Final = json.Encoder().encode_into


class RawFrames:
    """What one worker keeps.

    :param instance: the worker's name.
    :param started: when it began (µs); tells this process from an earlier one.
    """

    def __init__(self, exchange: str, instance: str, started: int, keep: Keep) -> None:
        self._exchange = exchange
        self._instance = instance
        self._started = started
        self._keep = keep
        self._open: set[RawConnection] = set()
        self._made = 0

    def connection(self, link: int, url: str) -> "RawConnection":
        """One connection's frames, until it has disconnected.

        :param link: which of the worker's links it belongs to.
        """
        made = RawConnection(url, partial(self._finish, f"{link}-{self._made}"), self._open.discard)
        self._made += 1
        self._open.add(made)
        return made

    def cut(self, now: int) -> None:
        """Hand on what was kept in minutes that are over at ``now`` (µs)."""
        for connection in self._open:
            connection.cut(now)

    def close(self) -> None:
        """Hand on everything."""
        for connection in list(self._open):
            connection.close()

    def _finish(self, connection: str, number: int, began: int, lines: bytearray) -> None:
        start = began // SECOND * SECOND
        key = RawKey(self._started, self._instance, connection, number, start, self._exchange)
        self._keep(str(key), lines)


class RawConnection:
    """One connection's frames. Times in µs, by the collector's clock."""

    def __init__(
        self,
        url: str,
        on_object: Callable[[int, int, bytearray], None],
        on_end: Callable[["RawConnection"], None],
    ) -> None:
        self._on_object = on_object
        self._on_end = on_end
        self._lines = bytearray()
        self._began = 0
        self._end = 0
        self._number = 0
        self._last = 0
        self._received = b'000,"kind":"ws","url":%s,"dir":"in","data":' % json.encode(url)
        self._sent = self._received.replace(b'"dir":"in"', b'"dir":"out"')

    def received(self, frame: str | bytes, time: int) -> bytes:
        """Keep a frame: text, or bytes if it was a binary one. Returns its bytes."""
        if isinstance(frame, str):
            self._append(self._received, frame, time, b"}\n")
            return frame.encode()
        try:
            self._append(self._received, frame.decode(), time, b',"op":"binary"}\n')
        except UnicodeDecodeError:
            self._append(self._received, b64encode(frame).decode(), time, b',"op":"binary","enc":"base64"}\n')
        return frame

    def sent(self, message: bytes, time: int) -> None:
        """Keep a message that was sent."""
        self._append(self._sent, message.decode(), max(time, self._last), b"}\n")

    def mark(self, what: str, time: int, content: Any = None) -> None:
        """Keep what was done with the connection; the last mark ends it."""
        data = what if content is None else f"{what} {json.encode(content).decode()}"
        self._append(b'000,"kind":"mark","data":', data, max(time, self._last), b"}\n")
        if what == DISCONNECTED:
            self.close()

    def cut(self, now: int) -> None:
        """Hand on what is held, if its minute is over at ``now``."""
        if self._lines and now >= self._end:
            self._finish()

    def close(self) -> None:
        """Hand on what is held. Nothing is kept after that."""
        if self._lines:
            self._finish()
        self._on_end(self)

    def _append(self, head: bytes, data: str, time: int, tail: bytes) -> None:
        self._last = time
        if time >= self._end or len(self._lines) > MOST_BYTES:
            if self._lines:
                self._finish()
            self._began, self._end = time, time // MINUTE * MINUTE + MINUTE
        lines = self._lines
        lines += b'{"t":%d' % time
        lines += head
        _encode_into(data, lines, -1)
        lines += tail

    def _finish(self) -> None:
        lines, self._lines = self._lines, bytearray()
        number, self._number = self._number, self._number + 1
        self._end = 0
        self._on_object(number, self._began, lines)
