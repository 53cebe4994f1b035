"""One WebSocket client: its messages are answered, its frames wait in an outbox, and a client too slow is cut off."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

MOST_BYTES: Final = 16 * 1024 * 1024
"""How many bytes may wait in a client's outbox."""

POLICY_VIOLATION: Final = 1008
INTERNAL_ERROR: Final = 1011
TOO_SLOW: Final = "too slow: frames were not read in time"
_SEND_TIMEOUT_SECONDS: Final = 60.0
_CLOSE_TIMEOUT_SECONDS: Final = 2.0
_LONGEST_REASON: Final = 120
"""A close frame holds a reason of at most 123 bytes."""

log = structlog.get_logger(__name__)


class Outbox:
    """The frames that wait to be sent to one client, in order.

    :param most: how many bytes may wait. An empty outbox takes a frame of any size.
    """

    def __init__(self, most: int) -> None:
        self.size = 0
        self._most = most
        self._frames: deque[str | bytes] = deque()
        self._closed = False
        self._ready = asyncio.Event()
        self._room = asyncio.Event()

    def offer(self, frame: str | bytes) -> bool:
        """Add a frame; False where there is no room for it."""
        if self._closed:
            return True
        if self._frames and self.size + len(frame) > self._most:
            return False
        self._frames.append(frame)
        self.size += len(frame)
        self._ready.set()
        return True

    async def put(self, frame: str | bytes, seconds: float) -> bool:
        """Add a frame as soon as there is room; False where there is none within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not self.offer(frame):
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Drop all frames, and every frame that is added later: the client is gone."""
        self._closed = True
        self._frames.clear()
        self.size = 0
        self._room.set()

    async def flushed(self) -> None:
        """Wait until every frame has been sent."""
        while self._frames:
            self._room.clear()
            await self._room.wait()

    async def peek(self) -> str | bytes:
        """Wait for the next frame. It stays in the outbox until :meth:`pop`."""
        while not self._frames:
            self._ready.clear()
            await self._ready.wait()
        return self._frames[0]

    def pop(self) -> None:
        """Remove the first frame, which has been sent."""
        if self._frames:
            self.size -= len(self._frames.popleft())
        self._room.set()


class Client:
    """A connected WebSocket with an outbox.

    :param waits: whether the replay waits for this client as long as it reads at all. Without it the client must keep
        up with the others.
    """

    def __init__(self, socket: WebSocket, *, waits: bool) -> None:
        self.outbox = Outbox(MOST_BYTES)
        self._socket = socket
        self._waits = waits
        self._disconnecting = asyncio.Event()
        self._code, self._reason = 1000, ""

    async def send(self, frame: str | bytes) -> None:
        """Queue a frame. A client that does not read in time is disconnected."""
        if self._disconnecting.is_set():
            return
        taken = await self.outbox.put(frame, _SEND_TIMEOUT_SECONDS) if self._waits else self.outbox.offer(frame)
        if not taken:
            self.disconnect(POLICY_VIOLATION, TOO_SLOW)

    def disconnect(self, code: int, reason: str) -> None:
        """End the connection. The code and the reason of the first call count."""
        if not self._disconnecting.is_set():
            self._code, self._reason = code, reason
            self._disconnecting.set()

    async def finish(self, reason: str, code: int = 1000) -> None:
        """End the connection once everything queued has been sent."""
        await self.outbox.flushed()
        self.disconnect(code, reason)

    async def fail(self, error: Exception) -> None:
        """Log an error, and end the connection with it once everything queued has been sent."""
        reason = str(error) or type(error).__name__
        log.error("replay_failed", error=f"{type(error).__name__}: {error}")
        await self.finish(reason.encode()[:_LONGEST_REASON].decode(errors="ignore"), INTERNAL_ERROR)

    async def serve(self, answer: Callable[[str], Awaitable[str | None]]) -> None:
        """Carry frames until the client closes the connection or :meth:`disconnect` is called.

        :param answer: gives the answer to a message of the client; None for no answer.
        """
        duties = [
            asyncio.ensure_future(duty) for duty in (self._receive(answer), self._send(), self._disconnecting.wait())
        ]
        try:
            done, _ = await asyncio.wait(duties, return_when=asyncio.FIRST_COMPLETED)
            for duty in done:
                self._report(duty.exception())
        finally:
            self.disconnect(1000, "")
            self.outbox.close()
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
        if self._socket.application_state is WebSocketState.CONNECTED:
            with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):  # the client is gone, or reads nothing
                async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                    await self._socket.close(self._code, self._reason)

    def _report(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, WebSocketDisconnect):
            log.error("client_failed", error=f"{type(error).__name__}: {error}")
            self.disconnect(INTERNAL_ERROR, "the server has failed; its log says how")

    async def _receive(self, answer: Callable[[str], Awaitable[str | None]]) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            response = await answer(text if text is not None else message["bytes"].decode(errors="replace"))
            if response is not None:
                await self.send(response)

    async def _send(self) -> None:
        while True:
            frame = await self.outbox.peek()
            if isinstance(frame, str):
                await self._socket.send_text(frame)
            else:
                await self._socket.send_bytes(frame)
            self.outbox.pop()


async def no_answer(message: str) -> str | None:
    """Ignore a client's message: the ``answer`` of :meth:`Client.serve` for endpoints that take no commands."""
    return None


async def reject_handshake(socket: WebSocket, error: Exception) -> None:
    """Answer a WebSocket handshake with status 400 and the error's text in one line."""
    await socket.send_denial_response(PlainTextResponse(f"{error}\n", 400))
