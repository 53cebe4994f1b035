"""The one place that knows the WebSocket library, so that another transport could be tried here alone."""

from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.uri import parse_uri

from booktape.errors import BooktapeError, Transient

MAX_FRAME: Final = 64 * 1024 * 1024
"""Bytes. Coinbase's first book message has tens of thousands of levels; anything larger than this is not a book."""


class Disconnected(Transient):
    """The connection could not be made, or was lost. The text says how."""


class BadAddress(BooktapeError):
    """Not a WebSocket URL."""


class Socket:
    """One open WebSocket that carries whole frames as bytes."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> bytes:
        """The next frame; text frames come as UTF-8. Raises :class:`Disconnected`."""
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as error:
            raise Disconnected(str(error)) from error

    async def send(self, message: bytes) -> None:
        """Send one text frame. Raises :class:`Disconnected`."""
        try:
            await self._connection.send(message, text=True)
        except ConnectionClosed as error:
            raise Disconnected(str(error)) from error

    async def close(self) -> None:
        """Say goodbye; a venue that does not answer that is left after two seconds."""
        await self._connection.close()


def check_address(url: str) -> None:
    """Raise :class:`BadAddress` for what is not a WebSocket URL."""
    try:
        parse_uri(url)
    except InvalidURI as error:
        raise BadAddress(f"{url!r} is not a WebSocket URL (ws:// or wss://)") from error


async def open_socket(url: str) -> Socket:
    """A connected socket, to be closed. Raises :class:`Disconnected` where nobody answers, or we are sent elsewhere.

    The library answers the server's pings, sends its own every 20 s and ends a connection that leaves them unanswered.
    Compression is off: it costs more processor time than it saves traffic.
    """
    try:
        return Socket(await connect(url, max_size=MAX_FRAME, compression=None, open_timeout=10, close_timeout=2))
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ConnectionClosed) as error:
        raise Disconnected(f"{url} does not answer: {error}") from error
