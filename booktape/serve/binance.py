"""Binance spot's market data endpoints: WebSocket streams, and the REST requests that their clients need.

Source: "Binance Spot API Docs": Web Socket Streams, General REST endpoints, Errors. Streams that are not recorded
(``@kline_1m``, ``@aggTrade``, ``@ticker``, …) are refused, where the exchange would accept them.
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
from booktape.model.errors import BooktapeError, InvalidInputError
from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES, BookUpdate, Instrument, Quote, Trade
from booktape.serve import binance_format as wire
from booktape.serve.binance_format import DepthWindow
from booktape.serve.client import INTERNAL_ERROR, Client, reject_handshake
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


class RequestRefusedError(InvalidInputError):
    """A stream that cannot be replayed."""


class BinanceSession:
    """One connection and its subscriptions.

    :ivar combined: whether payloads are sent with the names of their streams.
    :ivar unit: the µs in the client's unit of time.
    """

    def __init__(self, client: Client, *, combined: bool, unit: int) -> None:
        self.client = client
        self.combined = combined
        self.unit = unit
        self.streams: dict[str, None] = {}

    async def send(self, stream: str, payload: str) -> None:
        """Send the payload of a stream."""
        await self.client.send(wire.wrap_payload(stream, payload) if self.combined else payload)


class BinanceGateway:
    """Sends the events of one exchange to its subscribers in Binance spot's protocol.

    :param instruments: gives the exchange's instruments at a time (µs); called in a thread.
    """

    def __init__(self, exchange: Exchange, playback: Playback, instruments: Callable[[int], list[Instrument]]) -> None:
        self.exchange = exchange
        self._playback = playback
        self._instruments = instruments
        self._sessions: dict[str, dict[BinanceSession, None]] = {}
        self._windows: dict[str, DepthWindow] = {}
        playback.add_listener(exchange.id, self)

    def routes(self) -> list[BaseRoute]:
        """The routes below the path of the exchange."""
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
        """``/ws``: payloads without the names of their streams."""
        await self._connect(socket, socket.path_params.get("streams", ""), combined=False)

    async def combined(self, socket: WebSocket) -> None:
        """``/stream``: payloads with the names of their streams."""
        await self._connect(socket, socket.query_params.get("streams", ""), combined=True)

    async def _connect(self, socket: WebSocket, streams: str, *, combined: bool) -> None:
        micro = socket.query_params.get("timeUnit", "").upper() == "MICROSECOND"
        client = Client(socket, waits=not self._playback.clock.speed)
        session = BinanceSession(client, combined=combined, unit=wire.MICROSECONDS if micro else wire.MILLISECONDS)
        try:
            await self._subscribe(session, [name for name in streams.split("/") if name])
        except BooktapeError as error:
            await reject_handshake(socket, error)
            return
        try:
            await socket.accept()
            if session.streams:
                self._playback.begin()
            await client.serve(lambda message: self._answer(session, message))
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
            cursor = await self._playback.cursor(self.exchange, self.exchange.market(match["symbol"].upper()))
            data_type = BOOK_UPDATES if match["kind"].startswith("depth") else _DATA_TYPES[match["kind"]]
            if data_type not in cursor.recorded:
                raise RequestRefusedError(
                    f"{name!r} is not replayed: no {data_type} of {cursor.market} were recorded in that time"
                )
        for name in names:
            session.streams[name] = None
            self._sessions.setdefault(name, {})[session] = None

    def _unsubscribe(self, session: BinanceSession, names: Iterable[str]) -> None:
        for name in names:
            session.streams.pop(name, None)
            self._sessions.get(name, {}).pop(session, None)

    async def _answer(self, session: BinanceSession, message: str) -> str:
        try:
            request = json.decode(message)
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
        self._playback.begin()
        return _text({"result": None, "id": number})

    # Events (:class:`booktape.serve.playback.Listener`)

    async def on_event(self, cursor: MarketCursor, event: MarketEvent) -> None:
        """Send an event to its subscribers."""
        name = cursor.symbol.lower()
        window = self._windows.setdefault(name, DepthWindow())
        await self._send_second(name, cursor, window.take_before(event.time))
        match event.record:
            case Trade() as trade:
                await self._send(f"{name}@trade", cursor, trade)
            case Quote() as quote:
                await self._send(f"{name}@bookTicker", cursor, quote)
            case BookUpdate() as update:
                if not window.is_continued_by(update):
                    await self._send_second(name, cursor, window.take())
                window.updates.append(update)
                await self._send(f"{name}@depth{_FAST}", cursor, update)
                await self._send_levels(cursor, name, _FAST)

    async def on_end(self, cursor: MarketCursor) -> None:
        """Send the depth updates of the last second."""
        name = cursor.symbol.lower()
        if name in self._windows:
            await self._send_second(name, cursor, self._windows[name].take())

    async def _send_second(self, name: str, cursor: MarketCursor, update: BookUpdate | None) -> None:
        if update is not None:
            await self._send(f"{name}@depth", cursor, update)
            await self._send_levels(cursor, name, "")

    def on_failure(self, cursor: MarketCursor) -> None:
        """Disconnect the subscribers of a market that cannot be read: silence would look like a quiet market."""
        for stream, sessions in self._sessions.items():
            if stream.partition("@")[0] == cursor.symbol.lower():
                for session in sessions:
                    session.client.disconnect(
                        INTERNAL_ERROR, f"the recording of {cursor.market} cannot be read any further"
                    )

    async def _send(self, stream: str, cursor: MarketCursor, record: Trade | Quote | BookUpdate) -> None:
        sessions = self._sessions.get(stream)
        if not sessions:
            return
        payloads: dict[int, str] = {}
        for session in list(sessions):
            if session.unit not in payloads:
                payloads[session.unit] = _payload(cursor.symbol, record, session.unit)
            await session.send(stream, payloads[session.unit])

    async def _send_levels(self, cursor: MarketCursor, name: str, suffix: str) -> None:
        for levels in (5, 10, 20):
            stream = f"{name}@depth{levels}{suffix}"
            sessions = self._sessions.get(stream)
            if sessions and cursor.book.sound:
                book = cursor.book.book
                payload = wire.book_payload(cursor.book.last_id, book.bids.top(levels), book.asks.top(levels))
                for session in list(sessions):
                    await session.send(stream, payload)

    # REST

    async def ping(self, request: Request) -> Response:
        """``GET /api/v3/ping``."""
        return JSONResponse({})

    async def time(self, request: Request) -> Response:
        """``GET /api/v3/time``: the time of the market clock."""
        return JSONResponse({"serverTime": self._playback.clock.now() // wire.MILLISECONDS})

    async def depth(self, request: Request) -> Response:
        """``GET /api/v3/depth``: the book after the last event that was sent."""
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
            cursor = await self._playback.cursor(self.exchange, self.exchange.market(symbol))
        except BooktapeError as error:
            return _error(-1121, f"Invalid symbol: {error}")
        if not cursor.book.sound:
            why = f": {cursor.book.missing.description}" if cursor.book.missing is not None else ""
            return _error(-1001, f"The book is not known at this time of the recording{why}.", 503)
        levels = min(int(limit) if limit else _DEFAULT_LEVELS, _MOST_LEVELS)
        book = cursor.book.book
        answer = wire.book_payload(cursor.book.last_id, book.bids.top(levels), book.asks.top(levels))
        return Response(answer, media_type="application/json")

    async def exchange_info(self, request: Request) -> Response:
        """``GET /api/v3/exchangeInfo``: the instruments of that day, where their list was recorded."""
        symbol = request.query_params.get("symbol")
        now = self._playback.clock.now()
        instruments = await asyncio.to_thread(self._instruments, now)
        listed = [one for one in instruments if symbol is None or one.symbol == symbol]
        if symbol is not None and not listed:
            return _error(-1121, "Invalid symbol.")
        return Response(wire.exchange_info_payload(now // wire.MILLISECONDS, listed), media_type="application/json")


def _payload(symbol: str, record: Trade | Quote | BookUpdate, unit: int) -> str:
    match record:
        case Trade():
            return wire.trade_payload(symbol, record, unit)
        case Quote():
            return wire.quote_payload(symbol, record)
    return wire.depth_payload(symbol, record, unit)


def _text(content: Any) -> str:
    return json.encode(content).decode()


def _invalid(reason: str) -> str:
    return _text({"code": 2, "msg": f"Invalid request: {reason}"})


def _error(code: int, message: str, status: int = 400) -> Response:
    return JSONResponse({"code": code, "msg": message}, status)
