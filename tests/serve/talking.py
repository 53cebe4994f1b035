"""Talks to Binance's endpoints as a client does."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from booktape.model.records import SECOND
from tests.serve.recorded_days import START

MILLISECOND = 1_000
END = START + 60 * SECOND
STREAMS = "btcusdt@depth@100ms/btcusdt@trade/btcusdt@bookTicker"

Serve = Callable[..., AbstractContextManager[str]]


def hear(address: str, path: str, frames: int, *said: dict[str, Any] | str) -> list[Any]:
    """Connect, say something, and hear so many frames; fails if they do not come."""

    async def run() -> list[Any]:
        async with asyncio.timeout(30), connect(f"ws://{address}/binance{path}") as socket:
            return await talk(socket, frames, *said)

    return asyncio.run(run())


async def talk(socket: ClientConnection, frames: int, *said: dict[str, Any] | str) -> list[Any]:
    for message in said:
        await socket.send(message if isinstance(message, str) else json.dumps(message))
    return [json.loads(await socket.recv()) for _ in range(frames)]


async def read_on(socket: ClientConnection) -> None:
    while True:
        await socket.recv()


def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)
