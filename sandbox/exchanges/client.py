"""One connected client of a simulated venue: its session, and the socket that frames go out on."""

import asyncio
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed

from sandbox.exchanges.faults import Treatment
from sandbox.exchanges.venue import Message, Session

# A client that has let this many bytes pile up is cut off, as real venues do with slow consumers.
MAX_UNREAD_BYTES = 64 * 1024 * 1024

_LOOK_SECONDS = 0.02


class Client:
    """Sends without waiting. `broadcast` is the library's way to do that, for one connection as for many."""

    def __init__(self, connection: ServerConnection, session: Session, route: str) -> None:
        self.connection = connection
        self.session = session
        self.route = route
        self._delayed: dict[str, str] = {}
        self._waiting: list[str] = []

    def send(self, frames: list[str]) -> None:
        """Write frames out, those that wait first; on a closed connection nothing happens."""
        waiting, self._waiting = self._waiting, []
        for frame in (*waiting, *frames):
            broadcast((self.connection,), frame)

    def keep_back(self, frames: list[str]) -> None:
        """Let frames wait for the next `send`."""
        self._waiting += frames

    async def read_all(self) -> None:
        """Wait until the client has read what it was sent until now, or is gone.

        A ping is answered by whoever has read what came before it; a client that reads no frames reads no ping either.
        """
        while self._waiting:
            await asyncio.sleep(_LOOK_SECONDS)
        with suppress(ConnectionClosed):
            await (await self.connection.ping())

    def frames_for(self, message: Message, treatment: Treatment) -> list[str]:
        """What this client is sent for a message. The session counts the frame even if it then gets lost."""
        frame = self.session.frame(message)
        if frame is None:
            return []
        delayed = self._delayed.pop(message.stream, None)
        if delayed is not None:
            return [frame, delayed]
        if treatment is Treatment.SEND:
            return [frame]
        if treatment is Treatment.DUPLICATE:
            return [frame, frame]
        if treatment is Treatment.CORRUPT:
            return [self.session.corrupt_checksum(frame)]
        if treatment is Treatment.DELAY:
            self._delayed[message.stream] = frame
        return []

    def is_too_slow(self) -> bool:
        """Whether more has piled up than the venue is willing to keep."""
        return self.connection.transport.get_write_buffer_size() > MAX_UNREAD_BYTES

    def cut(self) -> None:
        """End the connection without a closing handshake."""
        self.connection.transport.abort()
