"""What waits to be sent to one client: so many bytes at most.

One WebSocket client: what it says is answered, what waits for it is sent, and who does not read is cut off.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

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


POLICY_VIOLATION: Final = 1008
INTERNAL_ERROR: Final = 1011
TOO_SLOW: Final = "too slow: frames were not read in time"
_PATIENCE_SECONDS: Final = 60.0
_CLOSE_SECONDS: Final = 2.0
_LONGEST_REASON: Final = 120
"""Of at most 123 bytes that a closing frame holds."""

log = structlog.get_logger(__name__)


class Client:
    """A connected WebSocket with an outbox.

    :param waits: whether others wait for this client as long as it reads at all; else it must keep up.
    """

    def __init__(self, socket: WebSocket, *, waits: bool) -> None:
        self.outbox = Outbox(MOST_BYTES)
        self._socket = socket
        self._waits = waits
        self._leave = asyncio.Event()
        self._code, self._reason = 1000, ""

    async def give(self, frame: str | bytes) -> None:
        """Let the client have a frame, in its turn. One that does not read is cut off."""
        if self._leave.is_set():
            return
        taken = await self.outbox.put(frame, _PATIENCE_SECONDS) if self._waits else self.outbox.offer(frame)
        if not taken:
            self.leave(POLICY_VIOLATION, TOO_SLOW)

    def leave(self, code: int, reason: str) -> None:
        """End the connection; the first reason that is given is the one."""
        if not self._leave.is_set():
            self._code, self._reason = code, reason
            self._leave.set()

    async def finish(self, reason: str, code: int = 1000) -> None:
        """End the connection as soon as everything that waits is sent."""
        await self.outbox.emptied()
        self.leave(code, reason)

    async def fail(self, error: Exception) -> None:
        """The same, because there can be no more."""
        reason = str(error) or type(error).__name__
        log.error("replay_failed", error=f"{type(error).__name__}: {error}")
        await self.finish(reason.encode()[:_LONGEST_REASON].decode(errors="ignore"), INTERNAL_ERROR)

    async def serve(self, answer: Callable[[str], Awaitable[str | None]]) -> None:
        """Carry frames until the client goes, or is to leave.

        :param answer: what a message of the client is answered with.
        """
        duties = [asyncio.ensure_future(duty) for duty in (self._receive(answer), self._send(), self._leave.wait())]
        try:
            done, _ = await asyncio.wait(duties, return_when=asyncio.FIRST_COMPLETED)
            for duty in done:
                self._look_at(duty.exception())
        finally:
            self.leave(1000, "")
            self.outbox.close()
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
        if self._socket.application_state is WebSocketState.CONNECTED:
            with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):  # it is gone, or reads nothing
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._socket.close(self._code, self._reason)

    def _look_at(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, WebSocketDisconnect):
            log.error("client_failed", error=f"{type(error).__name__}: {error}")
            self.leave(INTERNAL_ERROR, "the server has failed; its log says how")

    async def _receive(self, answer: Callable[[str], Awaitable[str | None]]) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            said = message.get("text")
            answered = await answer(said if said is not None else message["bytes"].decode(errors="replace"))
            if answered is not None:
                await self.give(answered)

    async def _send(self) -> None:
        while True:
            frame = await self.outbox.first()
            if isinstance(frame, str):
                await self._socket.send_text(frame)
            else:
                await self._socket.send_bytes(frame)
            self.outbox.sent()


async def refuse(socket: WebSocket, error: Exception) -> None:
    """Answer a handshake with status 400 and one line."""
    await socket.send_denial_response(PlainTextResponse(f"{error}\n", 400))
