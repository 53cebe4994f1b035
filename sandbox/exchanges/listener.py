"""Listening on one port for WebSocket handshakes and plain HTTP requests alike.

`websockets` refuses HTTP requests with a body, because handshakes have none; the control paths need one. So the
connection reads head and body itself, and gives the library the head without the length.
"""

import http
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from sandbox.exchanges.clock import http_date
from sandbox.exchanges.venue import HttpAnswer, Query

LOGGER = logging.getLogger("sandbox.exchanges")
PING_INTERVAL = 20.0
PING_TIMEOUT = 120.0
# A client on a busy machine may take its time for the opening handshake.
OPEN_TIMEOUT = 120.0
# A client that does not answer the closing handshake is left after so many seconds.
CLOSE_TIMEOUT = 2.0
HEAD_END = b"\r\n\r\n"
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*(?=\r\n)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as the handlers see it. `query` keeps the last value of a repeated name."""

    method: str
    path: str
    query: Query
    body: bytes
    is_websocket: bool


class HttpConnection(ServerConnection):
    """A connection whose opening request may have a body."""

    body = b""
    _opening: bytes | None = b""

    def data_received(self, data: bytes) -> None:
        """Hold the first request back until it is whole; afterwards pass everything on."""
        if self._opening is None:
            super().data_received(data)
            return
        self._opening += data
        head, end, rest = self._opening.partition(HEAD_END)
        length = _content_length(head + end)
        if not end or len(rest) < length:
            return
        self._opening, self.body = None, rest[:length]
        super().data_received(CONTENT_LENGTH.sub(b"", head + end) + rest[length:])


def _content_length(head: bytes) -> int:
    found = CONTENT_LENGTH.search(head)
    return int(found[1]) if found else 0


class Listener:
    """One port. `answer` decides over every request: an HttpAnswer, or None to go on with the WebSocket handshake."""

    def __init__(
        self,
        answer: Callable[[HttpRequest], HttpAnswer | None],
        serve_connection: Callable[[ServerConnection], Awaitable[None]],
        now: Callable[[], int],
    ) -> None:
        self._answer = answer
        self._serve_connection = serve_connection
        self._now = now
        self._server: Server | None = None

    async def open(self, port: int) -> int:
        """Listen on this loopback port, or on any free one if it is 0; returns the port. Raises OSError."""
        self._server = await serve(
            self._serve_connection,
            "127.0.0.1",
            port,
            process_request=self._process_request,
            create_connection=HttpConnection,
            compression=None,
            open_timeout=OPEN_TIMEOUT,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
            close_timeout=CLOSE_TIMEOUT,
            logger=LOGGER,
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening and close the connections (code 1001)."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        answer = self._answer(read_request(connection, request))
        if answer is None:
            return None
        headers = Headers(
            {
                "Date": http_date(self._now()),
                "Content-Type": "application/json;charset=UTF-8",
                "Content-Length": str(len(answer.body)),
                "Connection": "close",
                **answer.headers,
            }
        )
        return Response(answer.status, http.HTTPStatus(answer.status).phrase, headers, answer.body)


def read_request(connection: ServerConnection, request: Request) -> HttpRequest:
    """The request in parts; the path and query are taken as they are in the request line."""
    parts = urlsplit(request.path)
    body = connection.body if isinstance(connection, HttpConnection) else b""
    is_websocket = "websocket" in request.headers.get("Upgrade", "").lower()
    return HttpRequest(request.method, parts.path, dict(parse_qsl(parts.query)), body, is_websocket)
