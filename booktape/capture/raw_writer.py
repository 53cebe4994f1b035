"""Stores every frame as received, beside the records: ``booktape record --raw``.

Frames are not parsed: the text of a frame is appended to the buffer of its connection. A buffer becomes an object when
the local clock enters another minute, or when it is full.
"""

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec import json

from booktape.model.records import MINUTE, SECOND
from booktape.store.layout import RawKey
from booktape.store.raw_frames import DISCONNECTED

MAX_BYTES: Final = 4 * 1024 * 1024
"""The size of an object's text, before compression."""

StoreLines = Callable[[str, bytearray], None]
"""Receives the key and the lines of an object. It compresses the lines, off the event loop."""

_encode_into: Final = json.Encoder().encode_into


class RawFrames:
    """The raw frames of one worker.

    :param instance: the worker's name.
    :param started: when the worker began (µs); distinguishes this process from an earlier one.
    :param store: receives each finished object.
    """

    def __init__(self, exchange: str, instance: str, started: int, store: StoreLines) -> None:
        self._exchange = exchange
        self._instance = instance
        self._started = started
        self._store = store
        self._open: set[RawConnection] = set()
        self._opened = 0

    def connection(self, number: int, url: str) -> "RawConnection":
        """The frames of a new session, until it has disconnected.

        :param number: the number of its connection within the worker.
        """
        connection = RawConnection(url, partial(self._finish, f"{number}-{self._opened}"), self._open.discard)
        self._opened += 1
        self._open.add(connection)
        return connection

    def cut(self, now: int) -> None:
        """Pass on the objects of minutes that ended at or before ``now`` (µs)."""
        for connection in self._open:
            connection.cut(now)

    def close(self) -> None:
        """Pass on everything."""
        for connection in list(self._open):
            connection.close()

    def _finish(self, connection: str, number: int, began: int, lines: bytearray) -> None:
        start = began // SECOND * SECOND
        key = RawKey(self._started, self._instance, connection, number, start, self._exchange)
        self._store(str(key), lines)


class RawConnection:
    """The frames of one session. Times in µs, by the local clock, and rising."""

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
        """Store a received frame: a string for a text frame, bytes for a binary one. Returns its bytes."""
        if isinstance(frame, str):
            self._append(self._received, frame, time, b"}\n")
            return frame.encode()
        try:
            self._append(self._received, frame.decode(), time, b',"op":"binary"}\n')
        except UnicodeDecodeError:
            self._append(self._received, b64encode(frame).decode(), time, b',"op":"binary","enc":"base64"}\n')
        return frame

    def sent(self, message: bytes, time: int) -> None:
        """Store a message that was sent."""
        self._append(self._sent, message.decode(), max(time, self._last), b"}\n")

    def mark(self, what: str, time: int, content: Any = None) -> None:
        """Store an event of the session. :data:`~booktape.store.raw_frames.DISCONNECTED` closes it."""
        data = what if content is None else f"{what} {json.encode(content).decode()}"
        self._append(b'000,"kind":"mark","data":', data, max(time, self._last), b"}\n")
        if what == DISCONNECTED:
            self.close()

    def cut(self, now: int) -> None:
        """Pass the open object on if its minute ended at or before ``now``."""
        if self._lines and now >= self._end:
            self._finish()

    def close(self) -> None:
        """Pass the open object on. Nothing may be stored afterwards."""
        if self._lines:
            self._finish()
        self._on_end(self)

    def _append(self, head: bytes, data: str, time: int, tail: bytes) -> None:
        self._last = time
        if time >= self._end or len(self._lines) > MAX_BYTES:
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
