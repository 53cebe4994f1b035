"""Runs the application on uvicorn. The only module that imports the server library."""

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette

from booktape.model.errors import InvalidInputError


class CannotListenError(InvalidInputError):
    """The address or the port is not available."""


def run_server(app: Starlette, host: str, port: int, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. Raises :class:`CannotListenError`.

    :param port: 0 takes any free port.
    :param on_listening: receives the server's URL once it accepts connections.
    """
    listener = _listener(host, port)
    address = f"[{host}]" if ":" in host else host
    on_listening(f"http://{address}:{listener.getsockname()[1]}")
    with suppress(KeyboardInterrupt):  # the library raises it again after an orderly end
        create_server(app).run(sockets=[listener])


def create_server(app: Starlette) -> uvicorn.Server:
    """Create a server to run on a listening socket. Compression is off: it costs more than it saves."""
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
            f"cannot listen on {host}:{port}: {error.strerror or error}; try another --port"
        ) from error
