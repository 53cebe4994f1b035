"""One open socket until its end: subscribes, feeds frames to the pipeline, answers and pings."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, Final

from booktape.capture.pipeline import Pipeline
from booktape.capture.raw_writer import RawConnection
from booktape.capture.socket import DisconnectedError, Socket
from booktape.capture.timeouts import Timeouts
from booktape.exchanges.spec import Exchange, Leaving, Reply, Subscription
from booktape.store import clock

_FRAMES_AT_A_TIME: Final = 256

_MISSED_PINGS: Final = 2.5

_URGENT: Final = 0
_NORMAL: Final = 1
"""Keep-alives overtake subscriptions, which may take minutes to send."""


class Session:
    """Passes the frames of a connected socket to a feed of the pipeline. Needs a running event loop.

    ``leaving`` is set when the venue announces that it will end the connection. ``frames`` counts received frames.

    :param subscriptions: the streams to subscribe to.
    :param raw: stores every frame.
    """

    def __init__(
        self,
        exchange: Exchange,
        socket: Socket,
        pipeline: Pipeline,
        subscriptions: Sequence[Subscription],
        timeouts: Timeouts,
        raw: RawConnection | None = None,
    ) -> None:
        self.feed = pipeline.new_feed(self._handle_signal)
        self.leaving = asyncio.Event()
        self.frames = 0
        self.task: asyncio.Future[None]
        self._due: float | None = None
        self._exchange = exchange
        self._socket = socket
        self._raw = raw
        self._idle = _idle_seconds(exchange, timeouts)
        self._began = asyncio.get_running_loop().time()
        self._received = 0
        self._outbox: asyncio.PriorityQueue[tuple[int, int, bytes]] = asyncio.PriorityQueue()
        self._number = count()
        symbols = dict.fromkeys(subscription.symbol for subscription in subscriptions)
        own = [Subscription(channel, symbol) for channel in exchange.connection_channels for symbol in symbols]
        self.send(exchange.subscribe([*own, *subscriptions]))

    def send(self, messages: Iterable[bytes]) -> None:
        """Queue messages to send, as fast as the venue allows."""
        for message in messages:
            self._put(_NORMAL, message)

    @property
    def is_subscribed(self) -> bool:
        """Whether every subscription has been sent."""
        return self._outbox.empty()

    def start(self, lifetime: float | None) -> None:
        """Start to receive frames. ``task`` ends with the connection, always by an exception.

        :param lifetime: the seconds after which another session should take over; see :meth:`seconds_left`.
        """
        self.task = asyncio.ensure_future(self._run())
        if lifetime is not None:
            self.replace_in(lifetime)

    @property
    def age(self) -> float:
        """Seconds since the session was created."""
        return asyncio.get_running_loop().time() - self._began

    def replace_in(self, seconds: float) -> None:
        """Set the time at which another session should take over: ``seconds`` from now."""
        self._due = asyncio.get_running_loop().time() + seconds

    def seconds_left(self) -> float | None:
        """The seconds left until another session should take over; None where the lifetime is not limited."""
        return None if self._due is None else max(0.0, self._due - asyncio.get_running_loop().time())

    async def end(self) -> None:
        """Stop and close the socket."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        if self._raw is not None:
            self._raw.close()

    def mark(self, what: str, content: Any = None) -> None:
        """Store an event of the connection beside its frames, where raw frames are stored."""
        if self._raw is not None:
            self._raw.mark(what, clock.now(), content)

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for task in (self._read(), self._write(), self._ping(), self._detect_idle()):
                    tasks.create_task(task)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the one that ended the others
        finally:
            await self._socket.close()

    def _handle_signal(self, signal: Reply | Leaving) -> None:
        if isinstance(signal, Reply):
            self._put(_URGENT, signal.frame)
        else:
            self.leaving.set()

    def _put(self, urgency: int, message: bytes) -> None:
        self._outbox.put_nowait((urgency, next(self._number), message))

    async def _read(self) -> None:
        if self._raw is not None:
            await self._read_and_store(self._raw)
        feed, receive, now = self.feed.feed, self._socket.receive, clock.now
        while True:
            for _ in range(_FRAMES_AT_A_TIME):
                frame = await receive()
                self._received = received = max(now(), self._received + 1)
                feed(frame, received)
                self.frames += 1
            # Receiving frames that are already queued does not yield to the event loop.
            await asyncio.sleep(0)

    async def _read_and_store(self, raw: RawConnection) -> None:
        feed, receive, now = self.feed.feed, self._socket.receive_as_sent, clock.now
        while True:
            for _ in range(_FRAMES_AT_A_TIME):
                frame = await receive()
                self._received = received = max(now(), self._received + 1)
                feed(raw.received(frame, received), received)
                self.frames += 1
            await asyncio.sleep(0)

    async def _write(self) -> None:
        pause = 1 / self._exchange.limits.messages_per_second
        while True:
            _, _, message = await self._outbox.get()
            stamped = self._exchange.add_send_time(message, clock.now())
            await self._socket.send(stamped)
            if self._raw is not None:
                self._raw.sent(stamped, clock.now())
            await asyncio.sleep(pause)

    async def _ping(self) -> None:
        ping = self._exchange.ping
        while ping is not None:
            await asyncio.sleep(ping.seconds)
            self._put(_URGENT, ping.message)
        await asyncio.Event().wait()

    async def _detect_idle(self) -> None:
        while True:
            before = self.frames
            await asyncio.sleep(self._idle)
            if self.frames == before:
                raise DisconnectedError(f"no frame for {self._idle:g} s")


def _idle_seconds(exchange: Exchange, timeouts: Timeouts) -> float:
    """The seconds without any frame after which the connection counts as dead."""
    if exchange.ping is not None:
        return max(timeouts.idle, _MISSED_PINGS * exchange.ping.seconds)
    return timeouts.idle if exchange.connection_channels else timeouts.idle_without_heartbeat
