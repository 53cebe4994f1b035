"""``--raw``: a worker's frames on their way to the store, apart from its batches."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

from booktape.capture.raw_writer import RawFrames
from booktape.capture.uploader import Uploader
from booktape.exchanges.spec import Exchange
from booktape.model import codec
from booktape.model.errors import BooktapeError
from booktape.store import clock
from booktape.store.objects import open_store
from workers.options import Options

_MOST_WAITING: Final = 32
"""Objects that wait for the store; more go to the spool."""

_MOST_BYTES: Final = 256 * 1024 * 1024
"""Of text that is not compressed yet. More is dropped: frames kept must not cost the records their memory."""


class RawCapture:
    """Frames to objects to the store, by an uploader and a spool of their own. ``frames`` takes them.

    The event loop only hands on: what the uploader cannot take is compressed and spooled by a thread.
    """

    def __init__(self, venue: Exchange, options: Options, on_error: Callable[[str, BooktapeError], None]) -> None:
        stores = open_store(options.storage), open_store(options.raw_spool_url)
        self._uploader = Uploader(*stores, venue.id, on_error, most_waiting=_MOST_WAITING)
        self._on_error = on_error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="raw")
        self._lock = Lock()
        self._held = 0
        self._dropped = 0
        self.frames = RawFrames(venue.id, options.worker, clock.now(), self._keep)
        self._told = self.counts()

    async def drain(self) -> None:
        """Hand on the minutes that are over, and what the spool holds."""
        self.frames.cut(clock.now())
        await asyncio.to_thread(self._uploader.drain)

    def counts(self) -> dict[str, int]:
        """What became of the objects so far, by the names of the metrics."""
        uploads = self._uploader.uploads
        dropped = uploads.dropped + self._dropped
        return {"RawObjects": uploads.objects, "RawSpooled": uploads.spooled, "RawDropped": dropped}

    def news(self) -> dict[str, int]:
        """The same since the last time."""
        before, self._told = self._told, self.counts()
        return {name: count - before[name] for name, count in self._told.items()}

    def close(self) -> int:
        """Hand on everything, and return how many objects are left in the spool. Connections must have ended."""
        self.frames.close()
        self._thread.shutdown(wait=True)
        return self._uploader.close()

    def _keep(self, key: str, lines: bytearray) -> None:
        if self._held + len(lines) > _MOST_BYTES:
            self._drop(key, f"store and spool are too slow for the raw frames: {self._held:,} bytes wait")
            return
        self._hold(len(lines))
        self._thread.submit(self._hand_on, key, lines)

    def _hand_on(self, key: str, lines: bytearray) -> None:
        def make() -> tuple[str, bytes]:
            try:
                return key, codec.compress(lines)
            finally:
                self._hold(-len(lines))

        try:
            self._uploader.keep(key, make)
        except Exception as error:  # nobody waits for this thread: what it loses must be counted and told here
            self._drop(key, f"{type(error).__name__}: {error}")

    def _hold(self, more: int) -> None:
        with self._lock:
            self._held += more

    def _drop(self, key: str, why: str) -> None:
        with self._lock:
            self._dropped += 1
        self._on_error(key, BooktapeError(why))
