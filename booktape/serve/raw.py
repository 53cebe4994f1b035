"""Recorded frames as they came, for any exchange of which ``booktape record --raw`` kept them."""

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
from booktape.serve.client import Client, refuse
from booktape.serve.clock import MarketClock
from booktape.serve.prefetch import Ahead
from booktape.store.layout import RawKey
from booktape.store.objects import Store
from booktape.store.raw_frames import REST, NoRawFramesError, RawRun, play, raw_runs


class Frame(NamedTuple):
    """One frame of the venue's and when it came (µs)."""

    time: int
    content: str | bytes


class RawFeed:
    """Plays what lies below ``raw/`` in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[BaseRoute]:
        """``/raw/{exchange}``, both ways."""
        return [Route("/raw/{exchange}", self.list), WebSocketRoute("/raw/{exchange}", self.play)]

    async def list(self, request: Request) -> Response:
        """What connections there are."""
        query, exchange = request.query_params, request.path_params["exchange"]

        def read() -> Response:
            requests.only(query, "from", "to")
            start, end = parse_range(requests.required(query, "from"), requests.required(query, "to"))
            return JSONResponse(list(_connections(_between(self._store, exchange, start, end))))

        try:
            return await asyncio.to_thread(read)
        except BooktapeError as error:
            return PlainTextResponse(f"{error}\n", 400)

    async def play(self, socket: WebSocket) -> None:
        """The frames of an instance, or of one of its connections, in their order, ``speed`` times as fast."""
        query, exchange = socket.query_params, socket.path_params["exchange"]
        try:
            requests.only(query, "from", "to", "speed", "instance", "connection")
            start, end = parse_range(requests.required(query, "from"), requests.required(query, "to"))
            clock = MarketClock(start, end, requests.speed(query.get("speed", "1")))
            found = await asyncio.to_thread(_between, self._store, exchange, start, end)
            chosen = _chosen(found, query.get("instance"), query.get("connection"))
        except BooktapeError as error:
            await refuse(socket, error)
            return
        await socket.accept()
        client = Client(socket, waits=True)
        ahead = Ahead(lambda: frames(self._store, chosen, start, end))
        playing = asyncio.ensure_future(_play(client, clock, ahead))
        try:
            await client.serve(_hears_nothing)
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            await ahead.close()


def frames(store: Store, chosen: Sequence[RawRun], start: int, end: int) -> Iterator[Frame]:
    """The venue's frames that came from ``start`` up to ``end`` (µs), run by run."""
    for run in chosen:
        for _, line in play(store, run.keys):
            time = (line.t or 0) // 1_000
            if line.kind == "ws" and line.dir == "in" and start <= time < end:
                yield Frame(time, line.message())


def _between(store: Store, exchange: str, start: int, end: int) -> list[RawRun]:
    """The runs that have objects between two times, with these alone.
    Raises :class:`~booktape.store.raw_frames.NoRawFramesError`."""
    find_exchange(exchange)
    found = []
    for run in raw_runs(store, exchange, day_of(start - MINUTE), day_of(end)):
        keys = tuple(key for key in run.keys if start - MINUTE < key.start < end)  # none spans more than a minute
        if keys and run.instance != REST:
            found.append(RawRun(run.instance, run.run, keys))
    if not found:
        raise NoRawFramesError(
            f"{store.url} holds no raw frames of {exchange} between {format_timestamp(start)} and "
            f"{format_timestamp(end)}"
        )
    return found


def _chosen(found: list[RawRun], instance: str | None, connection: str | None) -> list[RawRun]:
    instance = instance or found[0].instance
    of_instance = [run for run in found if run.instance == instance]
    if connection is not None:
        of_instance = [run._replace(keys=_of(run.keys, connection)) for run in of_instance]
    if not any(run.keys for run in of_instance):
        known = ", ".join(dict.fromkeys(f"{run.instance} {key.connection}" for run in found for key in run.keys))
        raise requests.InvalidQueryError(
            f"there is no such instance or connection then; there are (instance, connection): {known}"
        )
    return of_instance


def _of(keys: tuple[RawKey, ...], connection: str) -> tuple[RawKey, ...]:
    return tuple(key for key in keys if key.connection == connection)


def _connections(found: list[RawRun]) -> Iterator[dict[str, object]]:
    for run in found:
        for connection in dict.fromkeys(key.connection for key in run.keys):
            keys = _of(run.keys, connection)
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


async def _play(client: Client, clock: MarketClock, ahead: Ahead[Frame]) -> None:
    clock.begin()
    try:
        while batch := await ahead.batch():
            for frame in batch:
                await clock.until(frame.time)
                await client.give(frame.content)
    except Exception as error:  # whatever it is: what was cut short must not look whole
        await client.fail(error)
    else:
        await client.finish("the replay is over")


async def _hears_nothing(said: str) -> str | None:
    return None
