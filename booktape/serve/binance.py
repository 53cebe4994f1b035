"""Binance spot's market data, of the past: WebSocket streams and the REST requests that a client needs beside them.

Source: "Binance Spot API Docs": Web Socket Streams, General REST endpoints, Errors. Streams that are not recorded
(``@kline_1m``, ``@aggTrade``, ``@ticker``, …) are refused, where the venue would accept them.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import DecodeError, json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from booktape.exchanges.spec import Exchange
from booktape.model.errors import BooktapeError
from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES, BookUpdate, Instrument, Quote, Trade
from booktape.serve import binance_format as wire
from booktape.serve.binance_format import DepthWindow
from booktape.serve.client import INTERNAL_ERROR, Client, refuse
from booktape.serve.playback import MarketCursor, Playback
from booktape.serve.source import MarketEvent

_STREAM: Final = re.compile(
    r"(?P<symbol>[a-z0-9]+)@(?P<kind>trade|bookTicker|depth(?P<levels>5|10|20)?(?P<fast>@100ms)?)"
)
_DATA_TYPES: Final = {"trade": TRADES, "bookTicker": QUOTES}
_SYMBOL: Final = re.compile("[A-Z0-9_.-]{1,20}")
_LIMIT: Final = re.compile("[0-9]{1,20}")
_MOST_STREAMS: Final = 1024
_MOST_LEVELS: Final = 5000
_DEFAULT_LEVELS: Final = 100
_FAST: Final = "@100ms"


class RequestRefusedError(BooktapeError):
    """A stream that cannot be replayed."""


class BinanceSession:
    """One connection: its streams, whether they come wrapped, and in which unit of time."""

    def __init__(self, client: Client, *, combined: bool, unit: int) -> None:
        self.client = client
        self.combined = combined
        self.unit = unit
        self.streams: dict[str, None] = {}

    async def give(self, stream: str, payload: str) -> None:
        """Send a stream's payload."""
        await self.client.give(wire.combined(stream, payload) if self.combined else payload)


class BinanceGateway:
    """Plays one exchange that speaks Binance spot's protocol to all who subscribe.

    :param instruments: gives the exchange's list of a time (µs); called off the event loop.
    """

    def __init__(self, exchange: Exchange, run: Playback, instruments: Callable[[int], list[Instrument]]) -> None:
        self.exchange = exchange
        self._run = run
        self._instruments = instruments
        self._listeners: dict[str, dict[BinanceSession, None]] = {}
        self._windows: dict[str, DepthWindow] = {}
        run.listen(exchange.id, self)

    def routes(self) -> list[BaseRoute]:
        """The paths below the exchange's own."""
        return [
            WebSocketRoute("/ws", self.bare),
            WebSocketRoute("/ws/{streams:path}", self.bare),
            WebSocketRoute("/stream", self.combined),
            Route("/api/v3/ping", self.ping),
            Route("/api/v3/time", self.time),
            Route("/api/v3/exchangeInfo", self.exchange_info),
            Route("/api/v3/depth", self.depth),
        ]

    # WebSocket

    async def bare(self, socket: WebSocket) -> None:
        """``/ws``: payloads alone."""
        await self._connect(socket, socket.path_params.get("streams", ""), combined=False)

    async def combined(self, socket: WebSocket) -> None:
        """``/stream``: each payload with its stream's name."""
        await self._connect(socket, socket.query_params.get("streams", ""), combined=True)

    async def _connect(self, socket: WebSocket, streams: str, *, combined: bool) -> None:
        micro = socket.query_params.get("timeUnit", "").upper() == "MICROSECOND"
        client = Client(socket, waits=not self._run.clock.speed)
        session = BinanceSession(client, combined=combined, unit=wire.MICROSECONDS if micro else wire.MILLISECONDS)
        try:
            await self._subscribe(session, [name for name in streams.split("/") if name])
        except BooktapeError as error:
            await refuse(socket, error)
            return
        try:
            await socket.accept()
            if session.streams:
                self._run.begin()
            await client.serve(lambda said: self._answer(session, said))
        finally:
            self._unsubscribe(session, list(session.streams))

    async def _subscribe(self, session: BinanceSession, names: list[str]) -> None:
        if len(session.streams.keys() | set(names)) > _MOST_STREAMS:
            raise RequestRefusedError(f"more than {_MOST_STREAMS} streams on one connection")
        for name in names:
            match = _STREAM.fullmatch(name)
            if match is None:
                raise RequestRefusedError(
                    f"{name!r} is not replayed; there are @trade, @bookTicker, @depth and @depth5, 10, 20"
                )
            tape = await self._run.tape(self.exchange, self.exchange.market(match["symbol"].upper()))
            data_type = BOOK_UPDATES if match["kind"].startswith("depth") else _DATA_TYPES[match["kind"]]
            if data_type not in tape.recorded:
                raise RequestRefusedError(
                    f"{name!r} is not replayed: no {data_type} of {tape.market} are recorded then"
                )
        for name in names:
            session.streams[name] = None
            self._listeners.setdefault(name, {})[session] = None

    def _unsubscribe(self, session: BinanceSession, names: Iterable[str]) -> None:
        for name in names:
            session.streams.pop(name, None)
            self._listeners.get(name, {}).pop(session, None)

    async def _answer(self, session: BinanceSession, said: str) -> str:
        try:
            request = json.decode(said)
        except (DecodeError, RecursionError):
            return _text({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"})
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _invalid("missing field `method`")
        params, number = request.get("params", []), request.get("id")
        if not (number is None or isinstance(number, int | str)):
            return _invalid("request ID must be an unsigned integer or a string")
        match request["method"]:
            case "LIST_SUBSCRIPTIONS":
                return _text({"result": list(session.streams), "id": number})
            case "SET_PROPERTY" if isinstance(params, list) and params[:1] == ["combined"] and len(params) == 2:
                session.combined = params[1] is True
                return _text({"result": None, "id": number})
            case "GET_PROPERTY" if params == ["combined"]:
                return _text({"result": session.combined, "id": number})
            case "SUBSCRIBE" | "UNSUBSCRIBE" as method:
                if not (isinstance(params, list) and params and all(isinstance(name, str) for name in params)):
                    return _invalid("params must be an array of strings")
                return await self._change(session, method, params, number)
        return _invalid(f"unknown variant `{request['method']}`")

    async def _change(self, session: BinanceSession, method: str, names: list[str], number: int | str | None) -> str:
        if method == "UNSUBSCRIBE":
            self._unsubscribe(session, names)
            return _text({"result": None, "id": number})
        try:
            await self._subscribe(session, names)
        except BooktapeError as error:
            return _text({"error": {"code": -1121, "msg": str(error)}, "id": number})
        self._run.begin()
        return _text({"result": None, "id": number})

    # What the run tells

    async def hear(self, tape: MarketCursor, event: MarketEvent) -> None:
        """Send an event to all who listen to it."""
        name = tape.symbol.lower()
        window = self._windows.setdefault(name, DepthWindow())
        await self._give_second(name, tape, window.past(event.time))
        match event.record:
            case Trade() as trade:
                await self._give(f"{name}@trade", tape, trade)
            case Quote() as quote:
                await self._give(f"{name}@bookTicker", tape, quote)
            case BookUpdate() as update:
                if not window.goes_on_with(update):
                    await self._give_second(name, tape, window.cut())
                window.updates.append(update)
                await self._give(f"{name}@depth{_FAST}", tape, update)
                await self._give_levels(tape, name, _FAST)

    async def end(self, tape: MarketCursor) -> None:
        """No event of a market will follow: send what the last second holds."""
        name = tape.symbol.lower()
        if name in self._windows:
            await self._give_second(name, tape, self._windows[name].cut())

    async def _give_second(self, name: str, tape: MarketCursor, update: BookUpdate | None) -> None:
        if update is not None:
            await self._give(f"{name}@depth", tape, update)
            await self._give_levels(tape, name, "")

    def fail(self, tape: MarketCursor) -> None:
        """Cut off who listens to a market that cannot be read on: silence would look like a quiet market."""
        for stream, listeners in self._listeners.items():
            if stream.partition("@")[0] == tape.symbol.lower():
                for session in listeners:
                    session.client.leave(INTERNAL_ERROR, f"the recording of {tape.market} cannot be read on")

    async def _give(self, stream: str, tape: MarketCursor, record: Trade | Quote | BookUpdate) -> None:
        listeners = self._listeners.get(stream)
        if not listeners:
            return
        payloads: dict[int, str] = {}
        for session in list(listeners):
            if session.unit not in payloads:
                payloads[session.unit] = _payload(tape.symbol, record, session.unit)
            await session.give(stream, payloads[session.unit])

    async def _give_levels(self, tape: MarketCursor, name: str, suffix: str) -> None:
        for levels in (5, 10, 20):
            stream = f"{name}@depth{levels}{suffix}"
            listeners = self._listeners.get(stream)
            if listeners and tape.book.sound:
                book = tape.book.book
                payload = wire.book_payload(tape.book.last_id, book.bids.top(levels), book.asks.top(levels))
                for session in list(listeners):
                    await session.give(stream, payload)

    # REST

    async def ping(self, request: Request) -> Response:
        """``GET /api/v3/ping``."""
        return JSONResponse({})

    async def time(self, request: Request) -> Response:
        """``GET /api/v3/time``: the market clock's."""
        return JSONResponse({"serverTime": self._run.clock.now() // wire.MILLISECONDS})

    async def depth(self, request: Request) -> Response:
        """``GET /api/v3/depth``: the book as of the last event that was sent."""
        symbol, limit = request.query_params.get("symbol", ""), request.query_params.get("limit", "")
        if not symbol:
            return _error(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if _SYMBOL.fullmatch(symbol) is None:
            return _error(
                -1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'."
            )
        if limit and _LIMIT.fullmatch(limit) is None:
            return _error(-1100, "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.")
        if limit and int(limit) == 0:
            return _error(-1130, "Data sent for parameter 'limit' is not valid.")
        try:
            tape = await self._run.tape(self.exchange, self.exchange.market(symbol))
        except BooktapeError as error:
            return _error(-1121, f"Invalid symbol: {error}")
        if not tape.book.sound:
            why = f": {tape.book.missing.why}" if tape.book.missing is not None else ""
            return _error(-1001, f"The book is not known at this time of the recording{why}.", 503)
        levels = min(int(limit) if limit else _DEFAULT_LEVELS, _MOST_LEVELS)
        book = tape.book.book
        answer = wire.book_payload(tape.book.last_id, book.bids.top(levels), book.asks.top(levels))
        return Response(answer, media_type="application/json")

    async def exchange_info(self, request: Request) -> Response:
        """``GET /api/v3/exchangeInfo``: the venue's list of that day, where it was recorded."""
        symbol = request.query_params.get("symbol")
        now = self._run.clock.now()
        instruments = await asyncio.to_thread(self._instruments, now)
        listed = [one for one in instruments if symbol is None or one.symbol == symbol]
        if symbol is not None and not listed:
            return _error(-1121, "Invalid symbol.")
        return Response(wire.exchange_info(now // wire.MILLISECONDS, listed), media_type="application/json")


def _payload(symbol: str, record: Trade | Quote | BookUpdate, unit: int) -> str:
    match record:
        case Trade():
            return wire.trade_payload(symbol, record, unit)
        case Quote():
            return wire.best_quote(symbol, record)
    return wire.depth_payload(symbol, record, unit)


def _text(content: Any) -> str:
    return json.encode(content).decode()


def _invalid(reason: str) -> str:
    return _text({"code": 2, "msg": f"Invalid request: {reason}"})


def _error(code: int, message: str, status: int = 400) -> Response:
    return JSONResponse({"code": code, "msg": message}, status)
