"""A simulated exchange on real sockets. Sockets only: what is said is up to the venue.

Each named route is a port of its own, so that a fault can cut one path to the venue and leave the others alone.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from random import Random

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed

from sandbox.exchanges.client import Client
from sandbox.exchanges.clock import MarketClock
from sandbox.exchanges.control import answer_control
from sandbox.exchanges.engine import FAR_FUTURE, Engine
from sandbox.exchanges.faults import Drop, Faults, MomentaryFault, VenueFault
from sandbox.exchanges.ledger import Ledger
from sandbox.exchanges.listener import HttpRequest, Listener, read_request
from sandbox.exchanges.listings import Listings
from sandbox.exchanges.numbers import befall
from sandbox.exchanges.venue import DisconnectError, HttpAnswer, Message, Venue

PACE = 0.01
"""Real seconds between two looks at the clock."""
LOOKS_PER_TICK = 10
LOOKS_PER_FLUSH = 50
GARBAGE: dict[str, str | bytes] = {
    "text": "this is not JSON {",
    "json": '{"unheard_of":["of",{"any":"shape"}]}',
    "binary": b"\x00\xff\x13\x37",
}


class ExchangeServer:
    """Runs one venue: lets its markets live, sends what they bring about, answers requests, keeps the ledger."""

    def __init__(
        self,
        venue: Venue,
        engine: Engine,
        clock: MarketClock,
        ledger: Ledger,
        listings: Listings,
        routes: Mapping[str, int],
    ) -> None:
        self.venue = venue
        self.engine = engine
        self.ledger = ledger
        self.listings = listings
        self.ports = dict(routes)
        self.faults = Faults(routes)
        self.faults.strike = self._strike
        self.faults.befall = self._befall
        self._clock = clock
        self._clients: set[Client] = set()
        self._subscribers: dict[str, set[Client]] = {}
        self._listeners: list[Listener] = []
        self._farewells: set[asyncio.Task[None]] = set()
        self._reading: dict[Client, asyncio.Task[None]] = {}
        self._dice = Random(0)
        self.running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the routes and start the markets. Raises OSError if a port is taken."""
        for market in self.venue.markets.values():
            self.ledger.append(self.venue.snapshot(market, self.engine.time))
        for route in self.ports:
            listener = Listener(partial(self._answer, route), partial(self._serve, route), lambda: self.engine.time)
            self._listeners.append(listener)
            self.ports[route] = await listener.open(self.ports[route])
        self.running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop the markets, send what is still to be sent, then close the connections and the ledger.

        Raises whatever broke the running of the markets.
        """
        try:
            if self.running is not None:
                self.running.cancel()
                with suppress(asyncio.CancelledError):
                    await self.running
        finally:
            self.finish()
            await asyncio.gather(*(listener.close() for listener in self._listeners))
            self.ledger.close()

    def subscribers(self, stream: str) -> int:
        """How many clients are subscribed to a stream."""
        return len(self._subscribers.get(stream, ()))

    def finish(self) -> None:
        """Stop the markets and send what is still to be sent; connections stay open."""
        self._dispatch(self.engine.finish())
        for client in self._clients:
            self._send(client, client.session.drain())
        self.ledger.flush()

    async def read_by_all(self) -> None:
        """Wait until every client that is connected has read what it was sent until now."""
        await asyncio.gather(*(client.read_all() for client in self._clients))

    async def _run(self) -> None:
        look = 0
        while True:
            look += 1
            self._dispatch(self.engine.advance(self._clock.elapsed()))
            if look % LOOKS_PER_TICK == 0:
                self._tick()
            if look % LOOKS_PER_FLUSH == 0:
                self.ledger.flush()
            await asyncio.sleep(PACE)

    def _dispatch(self, messages: Iterable[Message]) -> None:
        for message in messages:
            for record in message.records:
                self.ledger.append(record)
            subscribers = self._subscribers.get(message.stream)
            if subscribers:
                self._send_message(message, subscribers)

    def _send_message(self, message: Message, subscribers: set[Client]) -> None:
        routes = {client.route for client in subscribers}
        treatments = {route: self.faults.treatment(route, message.stream) for route in routes}
        for client in subscribers:
            self._send(client, client.frames_for(message, treatments[client.route]))

    def _send(self, client: Client, frames: list[str]) -> None:
        if self.faults.delays(client.route):
            client.keep_back(frames)
        elif not self.faults.stalls(client.route):
            client.send(frames)

    def _tick(self) -> None:
        """What is due by real time: heartbeats, deadlines, clients that do not read."""
        for client in list(self._clients):
            client.session.restamp = self.faults.restamps(client.route)
            client.session.recut = self.faults.recuts(client.route)
            if client.is_too_slow():
                client.cut()
                continue
            try:
                self._send(client, client.session.tick(self.engine.time, self._clock.elapsed()))
            except DisconnectError as end:
                self._say_farewell(client, end)

    def _say_farewell(self, client: Client, end: DisconnectError) -> None:
        """Close in the background: the closing handshake waits for the client."""
        self._forget(client)
        farewell = asyncio.create_task(client.connection.close(end.code, end.reason))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    async def _serve(self, route: str, connection: ServerConnection) -> None:
        """One connection, from its handshake to its end."""
        assert connection.request is not None
        request = read_request(connection, connection.request)
        try:
            client = Client(connection, self.venue.connect(request.path, request.query), route)
            self._welcome(client)
            try:
                async for text in connection:
                    self._receive(client, text)
            finally:
                self._forget(client)
        except DisconnectError as end:
            await connection.close(end.code, end.reason)
        except ConnectionClosed:
            return

    def _welcome(self, client: Client) -> None:
        client.session.restamp = self.faults.restamps(client.route)
        client.session.recut = self.faults.recuts(client.route)
        self._send(client, client.session.greet(self.engine.time, self._clock.elapsed()))
        self._clients.add(client)
        self._subscribe(client, client.session.streams)

    def _receive(self, client: Client, text: str | bytes) -> None:
        before = set(client.session.streams)
        decoded = text if isinstance(text, str) else text.decode(errors="replace")
        frames = client.session.receive(decoded, self.engine.time, self._clock.elapsed())
        self._take_notes()
        self._send(client, frames)
        for stream in before - client.session.streams:
            self._subscribers[stream].discard(client)
        self._subscribe(client, client.session.streams - before)

    def _subscribe(self, client: Client, streams: Iterable[str]) -> None:
        for stream in streams:
            self._subscribers.setdefault(stream, set()).add(client)

    def _forget(self, client: Client) -> None:
        self._clients.discard(client)
        self._reading.pop(client, None)
        for stream in client.session.streams:
            self._subscribers.get(stream, set()).discard(client)

    def _take_notes(self) -> None:
        notes, self.venue.notes = self.venue.notes, []
        for record in notes:
            self.ledger.append(record)

    def _answer(self, route: str, request: HttpRequest) -> HttpAnswer | None:
        if request.path.startswith("/_sandbox/"):
            return answer_control(request, self.faults, self.listings, self._status, self.finish)
        if self.faults.refuses(route):
            return HttpAnswer(503, b"")
        if request.is_websocket:
            return None if self.venue.serves(request.path) else HttpAnswer(404, b"")
        if limit := self.faults.rest_limit(route):
            return self.venue.limited(*limit)
        return self.venue.rest(request.path, request.query, self.engine.time, self._clock.elapsed())

    def _status(self) -> dict[str, object]:
        # Whoever reads that all is finished may read the file next.
        self.ledger.flush()
        return {
            "exchange": self.venue.name,
            "finished": self.engine.finished,
            "market_time": self.engine.time,
            "counts": dict(self.ledger.counts),
            "clients": len(self._clients),
            "unread": self._unread(),
            "streams": {route: len(self._streams_of(route)) for route in self.ports},
            "fewest": {route: self._fewest(route) for route in self.ports},
        }

    def _unread(self) -> int:
        """How many clients have yet to read what was sent; nobody can say so before the markets have finished."""
        if not self.engine.finished:
            return len(self._clients)
        for client in self._clients - self._reading.keys():
            self._reading[client] = asyncio.create_task(client.read_all())
        return sum(not reading.done() for reading in self._reading.values())

    def _streams_of(self, route: str) -> set[str]:
        """What is subscribed to on a route, whether by one client or by several."""
        return {stream for client in self._clients if client.route == route for stream in client.session.streams}

    def _fewest(self, route: str) -> int:
        """To how many streams the client with the fewest of a route is subscribed."""
        return min((len(client.session.streams) for client in self._clients if client.route == route), default=0)

    def _strike(self, fault: MomentaryFault, route: str) -> None:
        struck = [client for client in self._clients if client.route == route]
        if isinstance(fault, Drop) and fault.connections is not None:
            struck = self._dice.sample(struck, min(fault.connections, len(struck)))
        for client in struck:
            if not isinstance(fault, Drop):
                broadcast((client.connection,), GARBAGE[fault.kind])
            elif fault.code is None:
                client.cut()
                self._forget(client)
            else:
                self._say_farewell(client, DisconnectError(fault.code, "dropped"))

    def _befall(self, fault: VenueFault) -> None:
        """The venue's own numbers skip or begin anew; first goes out what still has the old ones."""
        self._dispatch(self.venue.flush(FAR_FUTURE))
        for record in befall(fault, self.venue.markets.values(), self.engine.time):
            self.ledger.append(record)
