"""Played captures: a recorded connection served again, byte for byte, to every client that subscribes.

Any subscription is accepted. Binance's are acknowledged here, because its recordings hold streams that were requested
in the url; the other venues' recordings hold the acknowledgements among their frames, and those are played.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from sandbox.exchanges.clock import http_date
from sandbox.exchanges.listener import LOGGER, HttpRequest, Listener, read_request
from sandbox.exchanges.recording import Recording, read_recording
from sandbox.exchanges.simulation import DEFAULT_ROUTES, Route, loopback_routes
from sandbox.exchanges.venue import HttpAnswer, as_json, json_answer

Ending = Literal["hold", "close"]


class CaptureServer:
    """Plays one recording. `speed` 0 is as fast as clients read, otherwise recorded seconds per real second."""

    def __init__(
        self, recording: Recording, routes: Mapping[str, int], speed: float, then: Ending, clients: int
    ) -> None:
        self.recording = recording
        self.ports = dict(routes)
        self.connected = 0
        self.played = 0
        self._speed = speed
        self._then = then
        self._awaited = clients
        self._everybody = asyncio.Event()
        self._served: Counter[tuple[str, str]] = Counter()
        self._listeners: list[Listener] = []

    async def start(self) -> None:
        """Open the routes. Raises OSError if a port is taken."""
        for route in self.ports:
            listener = Listener(self._answer, self._serve, partial(self._time, 0))
            self._listeners.append(listener)
            self.ports[route] = await listener.open(self.ports[route])

    async def stop(self) -> None:
        """Close everything."""
        await asyncio.gather(*(listener.close() for listener in self._listeners))

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        request = read_request(connection, connection.request)
        try:
            if not _subscribes_by_url(request):
                await self._acknowledge(connection, await connection.recv())
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen(connection))
                await self._play(connection)
                if self._then == "close":
                    listening.cancel()
        except* ConnectionClosed as gone:
            LOGGER.debug("client went away: %s", gone)

    async def _listen(self, connection: ServerConnection) -> None:
        async for text in connection:
            await self._acknowledge(connection, text)

    async def _acknowledge(self, connection: ServerConnection, text: str | bytes) -> None:
        try:
            request = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return
        if isinstance(request, dict) and request.get("method") in ("SUBSCRIBE", "UNSUBSCRIBE"):
            await connection.send(as_json({"result": None, "id": request.get("id")}))

    async def _play(self, connection: ServerConnection) -> None:
        self.connected += 1
        if self.connected >= self._awaited:
            self._everybody.set()
        await self._everybody.wait()
        begun = asyncio.get_running_loop().time()
        first = next((frame.time for frame in self.recording.frames if frame.time is not None), 0)
        for frame in self.recording.frames:
            if self._speed and frame.time is not None:
                await _sleep_until(begun + (frame.time - first) / 1e9 / self._speed)
            await connection.send(frame.data)
        await (await connection.ping())  # answered by whoever has read what came before it
        self.played += 1

    def _answer(self, request: HttpRequest) -> HttpAnswer | None:
        if request.path == "/_sandbox/ledger":
            return json_answer(200, self._status())
        if request.is_websocket:
            return None
        answers = self.recording.find_answers(request.path, request.query)
        if not answers:
            return HttpAnswer(404, b"")
        key = request.path, as_json(dict(request.query))
        answer = answers[min(self._served[key], len(answers) - 1)]
        self._served[key] += 1
        return HttpAnswer(200, answer.body, {"Date": http_date(self._time(answer.time))})

    def _time(self, time: int | None) -> int:
        """Market time in µs of a recorded moment; the recording's beginning where none is known."""
        first = self.recording.frames[0].time if self.recording.frames else None
        return (time or first or 0) // 1000

    def _status(self) -> dict[str, object]:
        return {
            "frames": len(self.recording.frames),
            "clients": self.connected,
            "played": self.played,
            "finished": self.connected > 0 and self.played == self.connected,
        }


def _subscribes_by_url(request: HttpRequest) -> bool:
    return "streams" in request.query or request.path.startswith("/ws/")


async def _sleep_until(moment: float) -> None:
    pause = moment - asyncio.get_running_loop().time()
    if pause > 0:
        await asyncio.sleep(pause)


@dataclass(frozen=True, slots=True)
class Playing:
    """A recording being played."""

    routes: Mapping[str, Route]
    server: CaptureServer

    @property
    def recording(self) -> Recording:
        """What is played."""
        return self.server.recording


@asynccontextmanager
async def played(
    path: Path,
    *,
    speed: float = 0.0,
    then: Ending = "hold",
    clients: int = 1,
    routes: Mapping[str, int] = DEFAULT_ROUTES,
) -> AsyncIterator[Playing]:
    """Play a recorded file on loopback ports, once `clients` clients have subscribed; each gets it from the start.

    `speed` 0 plays as fast as clients read, 1 as recorded. At the end connections are held or closed, as `then` says.
    """
    server = CaptureServer(read_recording(path), routes, speed, then, clients)
    await server.start()
    try:
        yield Playing(loopback_routes(server.ports), server)
    finally:
        await server.stop()
