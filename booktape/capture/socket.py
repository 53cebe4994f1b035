"""The one place that knows the WebSocket library, so that another transport could be tried here alone."""

from collections import deque
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import Event
from websockets.uri import parse_uri

from booktape.model.errors import BooktapeError, TransientError

MAX_FRAME: Final = 64 * 1024 * 1024
"""Bytes. Coinbase's first book message has tens of thousands of levels; anything larger than this is not a book."""


class DisconnectedError(TransientError):
    """The connection could not be made, or was lost. The text says how."""


class InvalidAddressError(BooktapeError):
    """Not a WebSocket URL."""


class _Noting(ClientConnection):
    """Notes of each message whether it is text. The library would tell by decoding it, and end the connection where
    that fails.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.texts: deque[bool] = deque()

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode in DATA_OPCODES and event.opcode is not Opcode.CONT:
            self.texts.append(event.opcode is Opcode.TEXT)
        super().process_event(event)


class Socket:
    """One open WebSocket that carries whole frames as bytes."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> bytes:
        """The next frame; text frames come as UTF-8. Raises :class:`DisconnectedError`."""
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as error:
            raise DisconnectedError(str(error)) from error

    async def receive_as_sent(self) -> str | bytes:
        """The next frame: text, or bytes if it was a binary frame or is no UTF-8. Raises :class:`DisconnectedError`.

        Only for sockets that were opened for it.
        """
        frame = await self.receive()
        assert isinstance(self._connection, _Noting), "opened with as_sent"
        if not self._connection.texts.popleft():
            return frame
        try:
            return frame.decode()
        except UnicodeDecodeError:  # which is for the parser to refuse
            return frame

    async def send(self, message: bytes) -> None:
        """Send one text frame. Raises :class:`DisconnectedError`."""
        try:
            await self._connection.send(message, text=True)
        except ConnectionClosed as error:
            raise DisconnectedError(str(error)) from error

    async def close(self) -> None:
        """Say goodbye; a venue that does not answer that is left after two seconds."""
        await self._connection.close()


def check_address(url: str) -> None:
    """Raise :class:`InvalidAddressError` for what is not a WebSocket URL."""
    try:
        parse_uri(url)
    except InvalidURI as error:
        raise InvalidAddressError(f"{url!r} is not a WebSocket URL (ws:// or wss://)") from error


async def open_socket(url: str, *, as_sent: bool = False) -> Socket:
    """A connected socket, to be closed.
    Raises :class:`DisconnectedError` where nobody answers, or we are sent elsewhere.

    The library answers the server's pings, sends its own every 20 s and ends a connection that leaves them unanswered.
    Compression is off: it costs more processor time than it saves traffic.

    :param as_sent: for :meth:`Socket.receive_as_sent`.
    """
    kind = _Noting if as_sent else ClientConnection
    try:
        return Socket(
            await connect(
                url, create_connection=kind, max_size=MAX_FRAME, compression=None, open_timeout=10, close_timeout=2
            )
        )
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ConnectionClosed) as error:
        raise DisconnectedError(f"{url} does not answer: {error}") from error
