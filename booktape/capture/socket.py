"""Wraps the WebSocket library. No other module imports it, so the transport can be replaced here alone."""

from collections import deque
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import Event
from websockets.uri import parse_uri

from booktape.model.errors import InvalidInputError, TransientError

MAX_FRAME: Final = 64 * 1024 * 1024
"""In bytes. Coinbase's first book message has tens of thousands of levels; a larger frame is not a book."""


class DisconnectedError(TransientError):
    """The connection could not be made, or was lost. The message says how."""


class InvalidAddressError(InvalidInputError):
    """A URL is not a WebSocket URL."""


class _TypedConnection(ClientConnection):
    """Remembers for each message whether it is a text message.

    The library reports that by decoding the text, and ends the connection where decoding fails.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.texts: deque[bool] = deque()

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode in DATA_OPCODES and event.opcode is not Opcode.CONT:
            self.texts.append(event.opcode is Opcode.TEXT)
        super().process_event(event)


class Socket:
    """An open WebSocket. Receives and sends whole frames as bytes."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> bytes:
        """The next frame; a text frame as UTF-8.

        :raises DisconnectedError: the connection was lost.
        """
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as error:
            raise DisconnectedError(str(error)) from error

    async def receive_as_sent(self) -> str | bytes:
        """The next frame: a string for a text frame; bytes for a binary frame and for text that is not valid UTF-8.

        Only for sockets that were opened with ``as_sent``.

        :raises DisconnectedError: the connection was lost.
        """
        frame = await self.receive()
        assert isinstance(self._connection, _TypedConnection), "opened with as_sent"
        if not self._connection.texts.popleft():
            return frame
        try:
            return frame.decode()
        except UnicodeDecodeError:  # the parser refuses it
            return frame

    async def send(self, message: bytes) -> None:
        """Send one text frame.

        :raises DisconnectedError: the connection was lost.
        """
        try:
            await self._connection.send(message, text=True)
        except ConnectionClosed as error:
            raise DisconnectedError(str(error)) from error

    async def close(self) -> None:
        """Close the connection. Waits two seconds for the venue's answer at most."""
        await self._connection.close()


def check_address(url: str) -> None:
    """Check the form of a WebSocket URL.

    :raises InvalidAddressError: it is not a WebSocket URL.
    """
    try:
        parse_uri(url)
    except InvalidURI as error:
        raise InvalidAddressError(f"{url!r} is not a WebSocket URL (ws:// or wss://)") from error


async def open_socket(url: str, *, as_sent: bool = False) -> Socket:
    """Connect to a URL. The caller closes the socket.

    The library answers the server's pings, sends its own every 20 s and closes a connection that does not answer them.
    Compression is off: its processor time costs more than the traffic that it saves.

    :param as_sent: allows :meth:`Socket.receive_as_sent`.
    :raises DisconnectedError: the server does not answer, or redirects.
    """
    kind = _TypedConnection if as_sent else ClientConnection
    try:
        return Socket(
            await connect(
                url, create_connection=kind, max_size=MAX_FRAME, compression=None, open_timeout=10, close_timeout=2
            )
        )
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ConnectionClosed) as error:
        raise DisconnectedError(f"{url} does not answer: {error}") from error
