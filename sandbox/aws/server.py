"""The HTTP server: moto behind the sandbox's own services, on one port of one machine."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.aws.front import Front
from sandbox.aws.state import State

# moto keeps its S3 in the process, not in the server: two sandboxes in one process would share it.
_only_one = threading.Lock()


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: ``url`` is what clients take as ``AWS_ENDPOINT_URL``."""

    url: str
    state: State


class _QuietHandler(MotoRequestHandler):
    """Writes no line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextlib.contextmanager
def running(
    port: int = 0, *, host: str = "127.0.0.1", job_seconds: float = 0.3, change_set_seconds: float = 0.3
) -> Iterator[Sandbox]:
    """Run a new, empty sandbox in a thread. Port 0 takes any that is free.

    ``job_seconds`` and ``change_set_seconds`` say how long import jobs and change sets take. Raises RuntimeError if
    a sandbox runs in this process already.
    """
    if not _only_one.acquire(blocking=False):
        raise RuntimeError("a sandbox runs in this process already, and moto's S3 would be shared with it")
    try:
        moto_api_backend.reset()
        state = State(job_seconds=job_seconds, change_set_seconds=change_set_seconds)
        server = _make_server(host, port, state)
        # Looks every 0.05 s whether to stop: the default, half a second, would be felt in every test module.
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="sandbox-aws", daemon=True)
        thread.start()
        try:
            yield Sandbox(f"http://{host}:{server.server_port}", state)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            state.athena.close()
    finally:
        _only_one.release()


def _make_server(host: str, port: int, state: State) -> BaseWSGIServer:
    application: Any = DomainDispatcherApplication(create_backend_app)
    return make_server(host, port, Front(state, application), threaded=True, request_handler=_QuietHandler)
