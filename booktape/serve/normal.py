"""Booktape's own records over HTTP (as fast as they are read) and WebSocket (as fast as they came, or faster)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import chain
from typing import TypeVar

from msgspec import json
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from booktape.model.errors import BooktapeError
from booktape.serve import json_lines, requests
from booktape.serve.client import Client, refuse
from booktape.serve.clock import MarketClock
from booktape.serve.prefetch import Ahead
from booktape.serve.requests import TimeRange
from booktape.serve.source import EventSource, MarketEvent

NDJSON = "application/x-ndjson"

T = TypeVar("T")


class Normal:
    """Answers requests from an archive."""

    def __init__(self, source: EventSource) -> None:
        self._source = source

    def routes(self) -> list[BaseRoute]:
        """``/replay`` (both ways), ``/book``, ``/coverage``."""
        return [
            Route("/replay", self.replay),
            WebSocketRoute("/replay", self.replay_paced),
            Route("/book", self.book),
            Route("/coverage", self.coverage),
        ]

    async def replay(self, request: Request) -> Response:
        """A line of JSON for each event. Who reads slowly is waited for, and nothing piles up."""
        try:
            ahead = self._read(requests.time_range(request.query_params))
            first = await _begun(ahead)
        except BooktapeError as error:
            return PlainTextResponse(f"{error}\n", 400)
        return StreamingResponse(_stream(first, ahead), media_type=NDJSON)

    async def replay_paced(self, socket: WebSocket) -> None:
        """A message for each event, when its time has come: ``speed`` times as fast as it was."""
        try:
            wanted = requests.time_range(socket.query_params)
            ahead = self._read(wanted)
            first = await _begun(ahead)
        except BooktapeError as error:
            await refuse(socket, error)
            return
        await socket.accept()
        client = Client(socket, waits=True)
        clock = MarketClock(wanted.start, wanted.end, wanted.speed)
        playing = asyncio.ensure_future(_play(client, clock, first, ahead))
        try:
            await client.serve(_hears_nothing)
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            await ahead.close()

    async def book(self, request: Request) -> Response:
        """A market's book at an instant."""
        query = request.query_params

        def read() -> bytes:
            requests.only(query, "exchange", "market", "at", "depth")
            exchange, market = requests.required(query, "exchange"), requests.required(query, "market")
            levels = requests.number(query, "depth")
            return json.encode(
                json_lines.book_object(self._source.book(exchange, market, requests.at(query), gaps="mark"), levels)
            )

        return await _answer(read)

    async def coverage(self, request: Request) -> Response:
        """What of a stretch of time is recorded."""
        query = request.query_params

        def read() -> bytes:
            requests.only(query, "exchange", "market", "from", "to", "data_type")
            exchange, market = requests.required(query, "exchange"), requests.required(query, "market")
            start, end = requests.required(query, "from"), requests.required(query, "to")
            data_type = query.get("data_type", "trades")
            return json.encode(
                json_lines.json_value(self._source.coverage(exchange, market, start, end, data_type=data_type))
            )

        return await _answer(read)

    def _read(self, wanted: TimeRange) -> Ahead[MarketEvent]:
        return Ahead(
            lambda: self._source.replay(
                wanted.markets, wanted.start, wanted.end, data_types=wanted.data_types, gaps=wanted.gaps
            )
        )


async def _begun(ahead: Ahead[T]) -> list[T]:
    """The first items: what is wrong with a question shows by then."""
    try:
        return await ahead.batch()
    except BaseException:  # cancelled too: whatever ends it, the reading is closed, and it goes on
        await ahead.close()
        raise


async def _stream(first: list[MarketEvent], ahead: Ahead[MarketEvent]) -> AsyncIterator[bytes]:
    batch = first
    try:
        while batch:
            yield b"".join(chain.from_iterable((json_lines.event_line(event), b"\n") for event in batch))
            batch = await ahead.batch()
    except BooktapeError as error:
        yield json_lines.error_line(error) + b"\n"
    finally:
        await ahead.close()


async def _play(client: Client, clock: MarketClock, first: list[MarketEvent], ahead: Ahead[MarketEvent]) -> None:
    batch = first
    clock.begin()
    try:
        while batch:
            for event in batch:
                await clock.until(event.time)
                await client.give(json_lines.event_line(event).decode())
            batch = await ahead.batch()
    except Exception as error:  # whatever it is: what was cut short must not look whole
        await client.give(json_lines.error_line(error).decode())
        await client.fail(error)
    else:
        await client.finish("the replay is over")


async def _hears_nothing(said: str) -> str | None:
    return None


async def _answer(read: Callable[[], bytes]) -> Response:
    try:
        return Response(await asyncio.to_thread(read), media_type="application/json")
    except BooktapeError as error:
        return PlainTextResponse(f"{error}\n", 400)
