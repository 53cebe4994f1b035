"""One connection to a venue, kept up as long as the worker runs and replaced before the venue ends it."""

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

_LIFETIME_SHARE: Final = (0.6, 0.9)
"""The share of its lifetime that a connection lives, at random, so that not all of them are replaced at once."""

_POLL_SECONDS: Final = 0.05

_LONGER_OVERLAP: Final = 3
"""The overlap is this many times longer while the new connection does not deliver what the old one does."""

_RETRY_OVERLAPS: Final = 3
"""After a failed handover, the next one begins this many times the longest overlap later."""


class ConnectionEvents(Protocol):
    """Receives what happens to a connection."""

    def connected(self, connection: "Connection") -> None:
        """The connection is up; it has received no frame yet."""

    def subscribed(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscriptions were added to a connection that is up."""

    def disconnected(self, connection: "Connection", reason: str, pause: float) -> None:
        """The connection was lost or could not be made; the next attempt is after ``pause`` seconds."""

    def handed_over(self, connection: "Connection", reason: str | None) -> None:
        """Another session has taken over (``reason`` None), or could not, and the old one goes on."""


class Connection:
    """Connects, subscribes and feeds frames to the pipeline, and reconnects until it is cancelled.

    Its sockets follow one another as :class:`~booktape.capture.session.Session` objects; during a handover there are
    two. ``feed`` is that of the current session.

    :param base: the venue's WebSocket URL, to which the route's path is appended.
    :param number: the number of the connection within the worker, from 0.
    :param rate_limiter: spaces the connection attempts of the worker.
    :param raw: stores every frame.
    """

    def __init__(
        self,
        exchange: Exchange,
        base: str,
        route: Route,
        pipeline: Pipeline,
        events: ConnectionEvents,
        rate_limiter: ConnectRateLimiter,
        *,
        number: int = 0,
        timeouts: Timeouts,
        raw: RawFrames | None = None,
    ) -> None:
        self.exchange = exchange
        self.url = base + route.path
        self.path = route.path
        self.number = number
        self.subscriptions = dict.fromkeys(route.subscriptions)
        self.feed: ConnectionFeed = pipeline.new_feed()
        self._pipeline = pipeline
        self._events = events
        self._rate_limiter = rate_limiter
        self._timeouts = timeouts
        self._raw = raw
        self._requests_url = exchange.url_request is not None and base == exchange.websocket_url
        self._data_types = {channel.name: channel.data_types for channel in exchange.channels}
        self._sessions: list[Session] = []
        self._renew = asyncio.Event()
        self._suspected: set[tuple[str, str]] = set()
        check_address(self.url)

    @property
    def frames(self) -> int:
        """The number of frames that the current sessions have received."""
        return sum(session.frames for session in self._sessions)

    @property
    def is_subscribed(self) -> bool:
        """Whether the connection is up and has sent all its subscriptions."""
        return bool(self._sessions) and self._sessions[-1].is_subscribed

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        backoff = Backoff(self._timeouts)
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._serve()
            except TransientError as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001  # whatever goes wrong with one connection, the others go on
                reason = f"{type(error).__name__}: {error}"
            if loop.time() - began > self._timeouts.stable:
                backoff.reset()
            pause = backoff.next()
            self._events.disconnected(self, reason, pause)
            await asyncio.sleep(pause)

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscribe to more streams, now and after every reconnect.

        Where the venue cannot change the subscriptions of a connection, another session takes over.
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
        """Unsubscribe from streams. Where the venue offers no way to do so, they end with the session."""
        for subscription in subscriptions:
            self.subscriptions.pop(subscription, None)
        streams = self._streams(subscriptions)
        for session in self._sessions[:1]:
            session.mark(INTERRUPTED, sorted(streams))
        for stream in streams:
            self._pipeline.interrupt(*stream)
            for session in self._sessions:
                session.feed.sinks.pop(stream, None)
        if self.exchange.unsubscribe is not None:
            for session in self._sessions:
                session.send(self.exchange.unsubscribe(subscriptions))

    def resubscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscribe to streams again, so that the venue sends their snapshots again. Does nothing while disconnected.

        What the venue sends in between is lost, so the streams are interrupted. Where the venue cannot change the
        subscriptions of a connection, another session takes over.
        """
        streams = self._streams(subscriptions)
        if self.exchange.unsubscribe is None:
            self._suspected |= streams
            self._renew.set()
            return
        for session in self._sessions[:1]:
            session.send([*self.exchange.unsubscribe(subscriptions), *self.exchange.subscribe(subscriptions)])
            session.mark(INTERRUPTED, sorted(streams))
            for stream in streams:
                self._pipeline.interrupt(*stream)

    def carries(self, feed: ConnectionFeed) -> bool:
        """Whether a feed belongs to one of the current sessions."""
        return any(session.feed is feed for session in self._sessions)

    def _streams(self, subscriptions: Sequence[Subscription]) -> set[tuple[str, str]]:
        return {(data_type, symbol) for channel, symbol in subscriptions for data_type in self._data_types[channel]}

    async def _serve(self) -> None:
        """Run one session after the other until one is lost. Always ends by an exception."""
        self._renew.clear()
        try:
            session = await self._open()
            self.feed = session.feed
            self._events.connected(self)
            while True:
                await self._until_due(session)
                session = await self._hand_over(session)
        finally:
            for session in list(self._sessions):
                session.feed.disconnected()
                session.mark(DISCONNECTED)
                await self._end(session)

    async def _open(self) -> Session:
        await self._rate_limiter.wait()
        url = await self._request_url() if self._requests_url else self.url
        socket = await open_socket(url, as_sent=self._raw is not None)
        raw = self._raw.connection(self.number, url) if self._raw is not None else None
        session = Session(self.exchange, socket, self._pipeline, list(self.subscriptions), self._timeouts, raw)
        session.start(self._lifetime())
        self._sessions.append(session)
        return session

    async def _end(self, session: Session) -> None:
        self._sessions.remove(session)
        await session.end()

    def _lifetime(self) -> float | None:
        lifetime = self._timeouts.lifetime or self.exchange.limits.connection_lifetime
        return lifetime * random.uniform(*_LIFETIME_SHARE) if lifetime else None  # noqa: S311  # no secret

    async def _request_url(self) -> str:
        """Request the URL to connect to from the venue."""
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
        """Wait until another session must take over: by age, because the venue announces an end, or on our request."""
        waits = [asyncio.ensure_future(event.wait()) for event in (session.leaving, self._renew)]
        awaited: list[asyncio.Future[Any]] = [session.task, *waits]
        try:
            await asyncio.wait(awaited, timeout=session.seconds_left(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if session.leaving.is_set() or self._renew.is_set():
            # Do not flood a venue that announces its end on each new connection.
            await asyncio.wait([session.task], timeout=max(0.0, self._timeouts.stable - session.age))
        if session.task.done():
            session.task.result()
        session.leaving.clear()
        self._renew.clear()

    async def _hand_over(self, old: Session) -> Session:
        """Let another session take over. If it cannot connect or does not deliver, the old one goes on."""
        try:
            new = await self._open()
        except TransientError as error:
            return self._keep(old, str(error))
        suspected, self._suspected = self._suspected, set()
        handover = Handover(self._pipeline, old.feed, new.feed, suspected)
        new.mark(HANDOVER, sorted(suspected))
        await self._overlap(old, new, handover)
        lost = old.task.done()
        if lost or (handover.delivers and not new.task.done()):
            if lost:
                self._events.disconnected(self, "lost while another connection took over", 0.0)
            handover.finish(lost=lost)
            new.mark(FINISHED, lost)
            self.feed = new.feed
            await self._end(old)
            self._events.handed_over(self, None)
            return new
        reason = "was lost" if new.task.done() else "does not deliver what the old one does"
        handover.cancel()
        new.mark(GIVEN_UP)
        await self._end(new)
        return self._keep(old, f"the new connection {reason}")

    def _keep(self, session: Session, reason: str) -> Session:
        self._events.handed_over(self, reason)
        session.replace_in(_RETRY_OVERLAPS * self._timeouts.overlap)
        return session

    async def _overlap(self, old: Session, new: Session, handover: Handover) -> None:
        """Run both sessions until every stream has switched, or for the longest overlap where some are quiet.

        The overlap is longer while there are streams in which only the old session delivers.
        """
        loop = asyncio.get_running_loop()
        subscribed: float | None = None
        settled = False
        while not (old.task.done() or new.task.done() or (settled and handover.done)):
            now = loop.time()
            if subscribed is None and new.is_subscribed:
                subscribed = now
            if subscribed is not None and not settled and now >= subscribed + self._timeouts.settle:
                settled = True
                handover.subscribed()
                new.mark(SUBSCRIBED)
            if settled and subscribed is not None:
                overlap = self._timeouts.overlap * (1 if handover.delivers else _LONGER_OVERLAP)
                if now >= subscribed + self._timeouts.settle + overlap:
                    return
            await asyncio.sleep(_POLL_SECONDS)
