"""One connection, kept alive for as long as the worker lives, and replaced before the venue ends it."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final, Protocol

import httpx

from booktape.capture.handover import Handover
from booktape.capture.pipeline import ConnectionFeed, Pipeline
from booktape.capture.raw_writer import RawFrames
from booktape.capture.session import Session
from booktape.capture.socket import DisconnectedError, check_address, open_socket
from booktape.capture.subscriptions import Route
from booktape.capture.timeouts import Backoff, ConnectRateLimiter, Timeouts
from booktape.exchanges.spec import Exchange, Subscription
from booktape.model.errors import TransientError
from booktape.store.raw_frames import DISCONNECTED, FINISHED, GIVEN_UP, HANDOVER, INTERRUPTED, SUBSCRIBED

_LIFETIME_USED: Final = (0.6, 0.9)
"""Which share of its lifetime a connection lives, at random, so that not all of them are replaced at once."""

_LOOK_SECONDS: Final = 0.05

_MORE_TIME: Final = 3

_AGAIN_AFTER: Final = 3
"""After a failed handover, the next one is tried this many times the longest overlap later."""


class ConnectionEvents(Protocol):
    """What a link tells of itself."""

    def connected(self, link: "Connection") -> None:
        """The link is connected, before its first frame."""

    def subscribed(self, subscriptions: Sequence[Subscription]) -> None:
        """More streams have been subscribed to on a link that is connected."""

    def disconnected(self, link: "Connection", reason: str, pause: float) -> None:
        """The connection was lost or could not be made; it is tried again after ``pause`` seconds."""

    def handed_over(self, link: "Connection", reason: str | None) -> None:
        """A new connection has taken over; or could not, for a reason, and the old one goes on."""


class Connection:
    """Connects, subscribes, feeds frames to the recorder, and does so again for ever.

    :param base: the venue's WebSocket URL, to which the route's path is appended.
    :param number: which of the worker's connections this is, from 0.
    :param turns: spaces the worker's connecting.
    :param raw: keeps every frame.
    """

    def __init__(
        self,
        exchange: Exchange,
        base: str,
        route: Route,
        recorder: Pipeline,
        events: ConnectionEvents,
        turns: ConnectRateLimiter,
        *,
        number: int = 0,
        patience: Timeouts,
        raw: RawFrames | None = None,
    ) -> None:
        self.exchange = exchange
        self.url = base + route.path
        self.path = route.path
        self.number = number
        self.subscriptions = dict.fromkeys(route.subscriptions)
        self.connection: ConnectionFeed = recorder.connection()
        self._recorder = recorder
        self._events = events
        self._turns = turns
        self._patience = patience
        self._raw = raw
        self._asks_address = exchange.url_request is not None and base == exchange.websocket_url
        self._data_types = {channel.name: channel.data_types for channel in exchange.channels}
        self._sessions: list[Session] = []
        self._renew = asyncio.Event()
        self._suspected: set[tuple[str, str]] = set()
        check_address(self.url)

    @property
    def frames(self) -> int:
        """How many frames the sessions of now have had."""
        return sum(session.frames for session in self._sessions)

    @property
    def is_subscribed(self) -> bool:
        """Whether it is connected, and has asked for all of its streams."""
        return bool(self._sessions) and self._sessions[-1].is_subscribed

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        waits = Backoff(self._patience)
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._serve()
            except TransientError as error:
                reason = str(error)
            except Exception as error:  # whatever goes wrong with one connection, the others go on
                reason = f"{type(error).__name__}: {error}"
            if loop.time() - began > self._patience.proven:
                waits.reset()
            pause = waits.next()
            self._events.disconnected(self, reason, pause)
            await asyncio.sleep(pause)

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscribe to more streams, now and after every reconnect.

        Where a connection's streams cannot be changed one by one, another connection takes over.
        """
        self.subscriptions |= dict.fromkeys(subscriptions)
        if self.exchange.unsubscribe is None:
            self._renew.set()
        else:
            for session in self._sessions:
                session.send(self.exchange.subscribe(subscriptions))
        if self._sessions:
            self._events.subscribed(subscriptions)

    def remove(self, subscriptions: Sequence[Subscription]) -> None:
        """Let streams go. Where the venue offers no way to say so, they end with the connection."""
        for subscription in subscriptions:
            self.subscriptions.pop(subscription, None)
        keys = self._streams(subscriptions)
        for session in self._sessions[:1]:
            session.mark(INTERRUPTED, sorted(keys))
        for key in keys:
            self._recorder.interrupt(*key)
            for session in self._sessions:
                session.connection.sinks.pop(key, None)
        if self.exchange.unsubscribe is not None:
            for session in self._sessions:
                session.send(self.exchange.unsubscribe(subscriptions))

    def resubscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Ask for streams anew, so that the venue sends their snapshots again. Nothing happens while disconnected.

        What the venue sends in between is missed, so the streams are told that they were interrupted. Where single
        streams cannot be begun anew, another connection takes over.
        """
        keys = self._streams(subscriptions)
        if self.exchange.unsubscribe is None:
            self._suspected |= keys
            self._renew.set()
            return
        for session in self._sessions[:1]:
            session.send([*self.exchange.unsubscribe(subscriptions), *self.exchange.subscribe(subscriptions)])
            session.mark(INTERRUPTED, sorted(keys))
            for key in keys:
                self._recorder.interrupt(*key)

    def carries(self, connection: ConnectionFeed) -> bool:
        """Whether a connection of the recorder is one of this link."""
        return any(session.connection is connection for session in self._sessions)

    def _streams(self, subscriptions: Sequence[Subscription]) -> set[tuple[str, str]]:
        return {(data_type, symbol) for channel, symbol in subscriptions for data_type in self._data_types[channel]}

    async def _serve(self) -> None:
        """Carry frames, over one session after the other, until there is none any more: always by an exception."""
        self._renew.clear()
        try:
            session = await self._open()
            self.connection = session.connection
            self._events.connected(self)
            while True:
                await self._until_due(session)
                session = await self._hand_over(session)
        finally:
            for session in list(self._sessions):
                session.connection.disconnected()
                session.mark(DISCONNECTED)
                await self._end(session)

    async def _open(self) -> Session:
        await self._turns.wait()
        url = await self._address() if self._asks_address else self.url
        socket = await open_socket(url, as_sent=self._raw is not None)
        raw = self._raw.connection(self.number, url) if self._raw is not None else None
        session = Session(self.exchange, socket, self._recorder, list(self.subscriptions), self._patience, raw)
        session.begin(self._lifetime())
        self._sessions.append(session)
        return session

    async def _end(self, session: Session) -> None:
        self._sessions.remove(session)
        await session.end()

    def _lifetime(self) -> float | None:
        lifetime = self._patience.lifetime or self.exchange.limits.connection_lifetime
        return lifetime * random.uniform(*_LIFETIME_USED) if lifetime else None

    async def _address(self) -> str:
        """Ask the venue where to connect to."""
        request = self.exchange.url_request
        assert request is not None
        url = self.exchange.rest.url + request.path
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                response = (await client.post(url)).raise_for_status()
            return request.parse(response.content)
        except (httpx.HTTPError, ValueError, LookupError) as error:
            raise DisconnectedError(f"{url} gives no address: {error}") from error

    async def _until_due(self, session: Session) -> None:
        """Wait until another session must take over: by age, by the venue's word, or by ours."""
        calls = [asyncio.ensure_future(event.wait()) for event in (session.leaving, self._renew)]
        awaited: list[asyncio.Future[Any]] = [session.task, *calls]
        try:
            await asyncio.wait(awaited, timeout=session.left(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for call in calls:
                call.cancel()
        if session.leaving.is_set() or self._renew.is_set():
            # A venue that announces its end on each new connection is not stormed.
            await asyncio.wait([session.task], timeout=max(0.0, self._patience.proven - session.age))
        if session.task.done():
            session.task.result()
        session.leaving.clear()
        self._renew.clear()

    async def _hand_over(self, old: Session) -> Session:
        """Let another session take over; if it does not come to deliver, the old one goes on."""
        try:
            new = await self._open()
        except TransientError as error:
            return self._stay(old, str(error))
        suspected, self._suspected = self._suspected, set()
        handover = Handover(self._recorder, old.connection, new.connection, suspected)
        new.mark(HANDOVER, sorted(suspected))
        await self._overlap(old, new, handover)
        lost = old.task.done()
        if lost or (handover.delivers and not new.task.done()):
            if lost:
                self._events.disconnected(self, "lost while another connection took over", 0.0)
            handover.finish(lost=lost)
            new.mark(FINISHED, lost)
            self.connection = new.connection
            await self._end(old)
            self._events.handed_over(self, None)
            return new
        reason = "was lost" if new.task.done() else "does not deliver what the old one does"
        handover.cancel()
        new.mark(GIVEN_UP)
        await self._end(new)
        return self._stay(old, f"the new connection {reason}")

    def _stay(self, session: Session, reason: str) -> Session:
        self._events.handed_over(self, reason)
        session.replace_in(_AGAIN_AFTER * self._patience.overlap)
        return session

    async def _overlap(self, old: Session, new: Session, handover: Handover) -> None:
        """Let both run side by side: until every stream has passed over, or long enough for those that are quiet.

        A stream in which only the old one delivers gets more time.
        """
        loop = asyncio.get_running_loop()
        subscribed: float | None = None
        settled = False
        while not (old.task.done() or new.task.done() or (settled and handover.done)):
            now = loop.time()
            if subscribed is None and new.is_subscribed:
                subscribed = now
            if subscribed is not None and not settled and now >= subscribed + self._patience.settle:
                settled = True
                handover.subscribed()
                new.mark(SUBSCRIBED)
            if settled and subscribed is not None:
                overlap = self._patience.overlap * (1 if handover.delivers else _MORE_TIME)
                if now >= subscribed + self._patience.settle + overlap:
                    return
            await asyncio.sleep(_LOOK_SECONDS)
