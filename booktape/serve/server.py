"""The one place that knows the server library."""

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette

from booktape.model.errors import BooktapeError


class CannotListenError(BooktapeError):
    """The address or the port cannot be had."""


def run_server(app: Starlette, host: str, port: int, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    :param port: 0 takes any that is free.
    :param on_listening: is told the URL.
    """
    listener = _listener(host, port)
    address = f"[{host}]" if ":" in host else host
    on_listening(f"http://{address}:{listener.getsockname()[1]}")
    with suppress(KeyboardInterrupt):  # which the library raises again when it has ended in order
        server(app).run(sockets=[listener])


def server(app: Starlette) -> uvicorn.Server:
    """A server that can be run on a listening socket. Compression is off: it costs more than it saves."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def _listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise CannotListenError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}; try another --port"
        ) from error
