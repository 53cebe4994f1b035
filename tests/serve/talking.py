"""Talks to Binance's endpoints as a client does."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from booktape.model.records import SECOND
from booktape.serve.clock import MarketClock
from tests.serve.recorded_days import START
from tests.waiting import DEADLINE

MILLISECOND = 1_000
END = START + 60 * SECOND
_LOOK_SECONDS = 0.01
STREAMS = "btcusdt@depth@100ms/btcusdt@trade/btcusdt@bookTicker"

Serve = Callable[..., AbstractContextManager[str]]


def hear(address: str, path: str, frames: int, *said: dict[str, Any] | str) -> list[Any]:
    """Connect, say something, and hear so many frames; fails if they do not come."""

    async def run() -> list[Any]:
        async with asyncio.timeout(DEADLINE), connect(f"ws://{address}/binance{path}") as socket:
            return await talk(socket, frames, *said)

    return asyncio.run(run())


async def talk(socket: ClientConnection, frames: int, *said: dict[str, Any] | str) -> list[Any]:
    for message in said:
        await socket.send(message if isinstance(message, str) else json.dumps(message))
    return [json.loads(await socket.recv()) for _ in range(frames)]


async def read_on(socket: ClientConnection) -> None:
    while True:
        await socket.recv()


class HandClock(MarketClock):
    """A market's clock that a test puts forward: nothing happens before everybody is there, however long that takes.

    ``at`` is the time (µs) up to which it may go once it runs.
    """

    def __init__(self, start: int = START, end: int = END) -> None:
        super().__init__(start, end, speed=1.0)
        self.at = start

    def now(self) -> int:
        if self.is_running:
            self._time = max(self._time, min(self.end, self.at))
        return self._time

    def left(self, time: int) -> float:
        return 0.0 if self.now() >= time else _LOOK_SECONDS


async def is_subscribed(socket: ClientConnection) -> None:
    """Wait until the server has seen to what was asked of it until now."""
    await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}))
    while "result" not in json.loads(await socket.recv()):
        pass
