"""Recorded frames exactly as an exchange sent them, for every exchange that ``booktape record --raw`` recorded."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from booktape.exchanges import exchange as find_exchange
from booktape.model.errors import BooktapeError
from booktape.model.records import MINUTE
from booktape.model.timestamps import day_of, format_timestamp, parse_range
from booktape.serve import requests
from booktape.serve.client import Client, no_answer, reject_handshake
from booktape.serve.clock import MarketClock
from booktape.serve.prefetch import Prefetcher
from booktape.store.layout import RawKey
from booktape.store.objects import Store
from booktape.store.raw_frames import REST, NoRawFramesError, RawRun, play, raw_runs


class Frame(NamedTuple):
    """A frame that the exchange sent, and when it was received (µs)."""

    time: int
    content: str | bytes


class RawFeed:
    """The endpoints that answer with raw frames."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[BaseRoute]:
        """``/raw/{exchange}``: the list of connections over HTTP, their frames over WebSocket."""
        return [Route("/raw/{exchange}", self.list), WebSocketRoute("/raw/{exchange}", self.play)]

    async def list(self, request: Request) -> Response:
        """``GET /raw/{exchange}``: the recorded connections of a range of time."""
        query, exchange = request.query_params, request.path_params["exchange"]

        def read() -> Response:
            requests.reject_unknown_parameters(query, "from", "to")
            start, end = parse_range(requests.require_parameter(query, "from"), requests.require_parameter(query, "to"))
            return JSONResponse(list(_connections(_runs_between(self._store, exchange, start, end))))

        try:
            return await asyncio.to_thread(read)
        except BooktapeError as error:
            return PlainTextResponse(f"{error}\n", 400)

    async def play(self, socket: WebSocket) -> None:
        """``/raw/{exchange}`` over WebSocket: the frames of an instance, or of one of its connections, in order.

        ``speed`` is how many recorded seconds pass in a real one.
        """
        query, exchange = socket.query_params, socket.path_params["exchange"]
        try:
            requests.reject_unknown_parameters(query, "from", "to", "speed", "instance", "connection")
            start, end = parse_range(requests.require_parameter(query, "from"), requests.require_parameter(query, "to"))
            clock = MarketClock(start, end, requests.parse_speed(query.get("speed", "1")))
            runs = await asyncio.to_thread(_runs_between, self._store, exchange, start, end)
            chosen = _choose(runs, query.get("instance"), query.get("connection"))
        except BooktapeError as error:
            await reject_handshake(socket, error)
            return
        await socket.accept()
        client = Client(socket, waits=True)
        frames = Prefetcher(lambda: read_frames(self._store, chosen, start, end))
        playing = asyncio.ensure_future(_play(client, clock, frames))
        try:
            await client.serve(no_answer)
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            await frames.close()


def read_frames(store: Store, runs: Sequence[RawRun], start: int, end: int) -> Iterator[Frame]:
    """The frames that were received from ``start`` (inclusive, µs) to ``end`` (exclusive, µs), run by run."""
    for run in runs:
        for _, line in play(store, run.keys):
            time = (line.t or 0) // 1_000
            if line.kind == "ws" and line.dir == "in" and start <= time < end:
                yield Frame(time, line.message())


def _runs_between(store: Store, exchange: str, start: int, end: int) -> list[RawRun]:
    """The runs with their objects of a range of time.

    Raises :class:`~booktape.store.raw_frames.NoRawFramesError`.
    """
    find_exchange(exchange)
    runs = []
    for run in raw_runs(store, exchange, day_of(start - MINUTE), day_of(end)):
        keys = tuple(key for key in run.keys if start - MINUTE < key.start < end)  # no object spans more than a minute
        if keys and run.instance != REST:
            runs.append(RawRun(run.instance, run.run, keys))
    if not runs:
        raise NoRawFramesError(
            f"{store.url} holds no raw frames of {exchange} between {format_timestamp(start)} and "
            f"{format_timestamp(end)}"
        )
    return runs


def _choose(runs: list[RawRun], instance: str | None, connection: str | None) -> list[RawRun]:
    instance = instance or runs[0].instance
    chosen = [run for run in runs if run.instance == instance]
    if connection is not None:
        chosen = [run._replace(keys=_of_connection(run.keys, connection)) for run in chosen]
    if not any(run.keys for run in chosen):
        known = ", ".join(dict.fromkeys(f"{run.instance} {key.connection}" for run in runs for key in run.keys))
        raise requests.InvalidQueryError(
            f"there is no such instance or connection in that range; there are (instance, connection): {known}"
        )
    return chosen


def _of_connection(keys: tuple[RawKey, ...], connection: str) -> tuple[RawKey, ...]:
    return tuple(key for key in keys if key.connection == connection)


def _connections(runs: list[RawRun]) -> Iterator[dict[str, object]]:
    for run in runs:
        for connection in dict.fromkeys(key.connection for key in run.keys):
            keys = _of_connection(run.keys, connection)
            starts, numbers = [key.start for key in keys], [key.number for key in keys]
            yield {
                "instance": run.instance,
                "run": run.run,
                "connection": connection,
                "first": min(starts),
                "last": max(starts),
                "objects": len(keys),
                "lost": max(numbers) - min(numbers) + 1 - len(keys),
            }


async def _play(client: Client, clock: MarketClock, frames: Prefetcher[Frame]) -> None:
    clock.begin()
    try:
        while batch := await frames.batch():
            for frame in batch:
                await clock.until(frame.time)
                await client.send(frame.content)
    except Exception as error:  # noqa: BLE001  # of any kind: a truncated replay must not look complete
        await client.fail(error)
    else:
        await client.finish("the replay is over")
