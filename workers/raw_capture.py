"""Uploads the raw frames of a worker (``--raw``), apart from its batches."""

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

_MAX_WAITING: Final = 32
"""Objects that wait for the store; further ones go to the spool."""

_MAX_BYTES: Final = 256 * 1024 * 1024
"""Text that waits for compression. More is dropped, so that raw frames never take the memory that records need."""


class RawCapture:
    """Uploads raw frames with an uploader and a spool of its own. ``frames`` receives them.

    The event loop never compresses or spools: where the uploader is full, a thread does both.
    """

    def __init__(self, venue: Exchange, options: Options, on_error: Callable[[str, BooktapeError], None]) -> None:
        stores = open_store(options.storage), open_store(options.raw_spool_url)
        self._uploader = Uploader(*stores, venue.id, on_error, max_waiting=_MAX_WAITING)
        self._on_error = on_error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="raw")
        self._lock = Lock()
        self._held = 0
        self._dropped = 0
        self.frames = RawFrames(venue.id, options.worker, clock.now(), self._submit)
        self._reported = self.counts()

    async def drain(self) -> None:
        """Upload the objects of minutes that are over, and those in the spool."""
        self.frames.cut(clock.now())
        await asyncio.to_thread(self._uploader.drain)

    def counts(self) -> dict[str, int]:
        """The counts of objects so far, by the names of the metrics."""
        uploads = self._uploader.uploads
        dropped = uploads.dropped + self._dropped
        return {"RawObjects": uploads.objects, "RawSpooled": uploads.spooled, "RawDropped": dropped}

    def changes(self) -> dict[str, int]:
        """The counts since the last call."""
        before, self._reported = self._reported, self.counts()
        return {name: count - before[name] for name, count in self._reported.items()}

    def close(self) -> int:
        """Upload everything, and return how many objects are left in the spool. Call it after the connections ended."""
        self.frames.close()
        self._thread.shutdown(wait=True)
        return self._uploader.close()

    def _submit(self, key: str, lines: bytearray) -> None:
        if self._held + len(lines) > _MAX_BYTES:
            self._drop(key, f"store and spool are too slow for the raw frames: {self._held:,} bytes wait")
            return
        self._hold(len(lines))
        self._thread.submit(self._upload, key, lines)

    def _upload(self, key: str, lines: bytearray) -> None:
        def make() -> tuple[str, bytes]:
            try:
                return key, codec.compress(lines)
            finally:
                self._hold(-len(lines))

        try:
            self._uploader.submit_object(key, make)
        except Exception as error:  # noqa: BLE001  # nobody waits for this thread, so a loss must be counted and reported here
            self._drop(key, f"{type(error).__name__}: {error}")

    def _hold(self, more: int) -> None:
        with self._lock:
            self._held += more

    def _drop(self, key: str, reason: str) -> None:
        with self._lock:
            self._dropped += 1
        self._on_error(key, BooktapeError(reason))
