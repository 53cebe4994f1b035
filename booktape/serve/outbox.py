"""What waits to be sent to one client: so many bytes at most."""

import asyncio
from collections import deque
from typing import Final

MOST_BYTES: Final = 16 * 1024 * 1024


class Outbox:
    """Frames for one client, in order."""

    def __init__(self, most: int) -> None:
        self.size = 0
        self._most = most
        self._frames: deque[str | bytes] = deque()
        self._closed = False
        self._ready = asyncio.Event()
        self._room = asyncio.Event()

    def offer(self, frame: str | bytes) -> bool:
        """Take a frame, unless there is no room for it. A frame always fits into an empty outbox."""
        if self._closed:
            return True
        if self._frames and self.size + len(frame) > self._most:
            return False
        self._frames.append(frame)
        self.size += len(frame)
        self._ready.set()
        return True

    async def put(self, frame: str | bytes, seconds: float) -> bool:
        """Take a frame as soon as there is room; False if there is none in so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not self.offer(frame):
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """The client is gone: what it was given, and is still given, is dropped."""
        self._closed = True
        self._frames.clear()
        self.size = 0
        self._room.set()

    async def emptied(self) -> None:
        """Wait until everything has been sent."""
        while self._frames:
            self._room.clear()
            await self._room.wait()

    async def first(self) -> str | bytes:
        """The frame that is to be sent next, as soon as there is one. It stays until it is :meth:`sent`."""
        while not self._frames:
            self._ready.clear()
            await self._ready.wait()
        return self._frames[0]

    def sent(self) -> None:
        """The first frame has been sent."""
        if self._frames:
            self.size -= len(self._frames.popleft())
        self._room.set()
