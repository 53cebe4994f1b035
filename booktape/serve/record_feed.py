"""Booktape's own records over HTTP (as fast as the client reads) and WebSocket (at a multiple of recorded speed)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import chain
from typing import Final

from msgspec import json
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from booktape.model.errors import BooktapeError
from booktape.serve import json_lines, requests
from booktape.serve.client import Client, no_answer, reject_handshake
from booktape.serve.clock import MarketClock
from booktape.serve.prefetch import Prefetcher
from booktape.serve.requests import ReplayQuery
from booktape.serve.source import EventSource, MarketEvent

NDJSON: Final = "application/x-ndjson"


class RecordFeed:
    """The endpoints that answer with Booktape's records."""

    def __init__(self, source: EventSource) -> None:
        self._source = source

    def routes(self) -> list[BaseRoute]:
        """``/replay`` over HTTP and WebSocket, ``/book`` and ``/coverage``."""
        return [
            Route("/replay", self.replay),
            WebSocketRoute("/replay", self.replay_paced),
            Route("/book", self.book),
            Route("/coverage", self.coverage),
        ]

    async def replay(self, request: Request) -> Response:
        """``GET /replay``: a line of JSON for each event. Reading from the archive waits for a slow client."""
        try:
            events = self._read(requests.parse_replay_query(request.query_params))
            first = await events.first_batch()
        except BooktapeError as error:
            return PlainTextResponse(f"{error}\n", 400)
        return StreamingResponse(_stream(first, events), media_type=NDJSON)

    async def replay_paced(self, socket: WebSocket) -> None:
        """``/replay`` over WebSocket: a message for each event when its time has come on a clock of this connection."""
        try:
            query = requests.parse_replay_query(socket.query_params)
            events = self._read(query)
            first = await events.first_batch()
        except BooktapeError as error:
            await reject_handshake(socket, error)
            return
        await socket.accept()
        client = Client(socket, waits=True)
        clock = MarketClock(query.start, query.end, query.speed)
        playing = asyncio.ensure_future(_play(client, clock, first, events))
        try:
            await client.serve(no_answer)
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            await events.close()

    async def book(self, request: Request) -> Response:
        """``GET /book``: a market's book at an instant."""
        query = request.query_params

        def read() -> bytes:
            requests.reject_unknown_parameters(query, "exchange", "market", "at", "depth")
            exchange = requests.require_parameter(query, "exchange")
            market = requests.require_parameter(query, "market")
            levels = requests.integer_parameter(query, "depth")
            view = self._source.book(exchange, market, requests.instant_parameter(query), gaps="mark")
            return json.encode(json_lines.book_object(view, levels))

        return await _answer(read)

    async def coverage(self, request: Request) -> Response:
        """``GET /coverage``: how much of a range of time is recorded."""
        query = request.query_params

        def read() -> bytes:
            requests.reject_unknown_parameters(query, "exchange", "market", "from", "to", "data_type")
            exchange = requests.require_parameter(query, "exchange")
            market = requests.require_parameter(query, "market")
            start, end = requests.require_parameter(query, "from"), requests.require_parameter(query, "to")
            data_type = query.get("data_type", "trades")
            coverage = self._source.coverage(exchange, market, start, end, data_type=data_type)
            return json.encode(json_lines.json_value(coverage))

        return await _answer(read)

    def _read(self, query: ReplayQuery) -> Prefetcher[MarketEvent]:
        return Prefetcher(
            lambda: self._source.replay(
                query.markets, query.start, query.end, data_types=query.data_types, gaps=query.gaps
            )
        )


async def _stream(first: list[MarketEvent], events: Prefetcher[MarketEvent]) -> AsyncIterator[bytes]:
    batch = first
    try:
        while batch:
            yield b"".join(chain.from_iterable((json_lines.event_line(event), b"\n") for event in batch))
            batch = await events.batch()
    except BooktapeError as error:
        yield json_lines.error_line(error) + b"\n"
    finally:
        await events.close()


async def _play(client: Client, clock: MarketClock, first: list[MarketEvent], events: Prefetcher[MarketEvent]) -> None:
    batch = first
    clock.begin()
    try:
        while batch:
            for event in batch:
                await clock.until(event.time)
                await client.send(json_lines.event_line(event).decode())
            batch = await events.batch()
    except Exception as error:  # noqa: BLE001  # of any kind: a truncated replay must not look complete
        await client.send(json_lines.error_line(error).decode())
        await client.fail(error)
    else:
        await client.finish("the replay is over")


async def _answer(read: Callable[[], bytes]) -> Response:
    try:
        return Response(await asyncio.to_thread(read), media_type="application/json")
    except BooktapeError as error:
        return PlainTextResponse(f"{error}\n", 400)
