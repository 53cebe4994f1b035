"""One socket, from its connecting to its end: it subscribes, feeds frames to the recorder, answers and pings."""

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

_PINGS_MISSED: Final = 2.5

_AT_ONCE: Final = 0
_IN_TURN: Final = 1
"""Keep-alives overtake subscriptions, of which there may be minutes' worth."""


class Session:
    """Carries frames from a connected socket to a connection of the recorder.

    ``leaving`` is set when the venue has announced that it will end the connection; ``frames`` counts what came.

    Sessions begin in a running event loop.

    :param raw: keeps every frame.
    """

    def __init__(
        self,
        exchange: Exchange,
        socket: Socket,
        recorder: Pipeline,
        wanted: Sequence[Subscription],
        patience: Timeouts,
        raw: RawConnection | None = None,
    ) -> None:
        self.connection = recorder.connection(self._control)
        self.leaving = asyncio.Event()
        self.frames = 0
        self.task: asyncio.Future[None]
        self._due: float | None = None
        self._exchange = exchange
        self._socket = socket
        self._raw = raw
        self._idle = _idle(exchange, patience)
        self._began = asyncio.get_running_loop().time()
        self._received = 0
        self._outbox: asyncio.PriorityQueue[tuple[int, int, bytes]] = asyncio.PriorityQueue()
        self._number = count()
        symbols = dict.fromkeys(subscription.symbol for subscription in wanted)
        own = [Subscription(channel, symbol) for channel in exchange.connection_channels for symbol in symbols]
        self.send(exchange.subscribe([*own, *wanted]))

    def send(self, messages: Iterable[bytes]) -> None:
        """Send messages, as fast as the venue allows."""
        for message in messages:
            self._put(_IN_TURN, message)

    @property
    def is_subscribed(self) -> bool:
        """Whether every subscription has been sent."""
        return self._outbox.empty()

    def begin(self, lifetime: float | None) -> None:
        """Start to carry frames. ``task`` ends with the connection, always by an exception.

        :param lifetime: after how many seconds another session should take over (:meth:`left`).
        """
        self.task = asyncio.ensure_future(self._run())
        if lifetime is not None:
            self.replace_in(lifetime)

    @property
    def age(self) -> float:
        """Seconds since it was made."""
        return asyncio.get_running_loop().time() - self._began

    def replace_in(self, seconds: float) -> None:
        """Another session should take over after so many seconds."""
        self._due = asyncio.get_running_loop().time() + seconds

    def left(self) -> float | None:
        """How many seconds are left until another session should take over; None: it may live for ever."""
        return None if self._due is None else max(0.0, self._due - asyncio.get_running_loop().time())

    async def end(self) -> None:
        """Stop, and close the socket."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        if self._raw is not None:
            self._raw.close()

    def mark(self, what: str, content: Any = None) -> None:
        """Keep what was done with the connection beside its frames, where these are kept."""
        if self._raw is not None:
            self._raw.mark(what, clock.now(), content)

    async def _run(self) -> None:
        duties = [asyncio.ensure_future(duty) for duty in (self._read(), self._write(), self._ping(), self._watch())]
        try:
            done, _ = await asyncio.wait(duties, return_when=asyncio.FIRST_COMPLETED)
            for duty in done:
                duty.result()
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            await self._socket.close()

    def _control(self, signal: Reply | Leaving) -> None:
        if isinstance(signal, Reply):
            self._put(_AT_ONCE, signal.frame)
        else:
            self.leaving.set()

    def _put(self, urgency: int, message: bytes) -> None:
        self._outbox.put_nowait((urgency, next(self._number), message))

    async def _read(self) -> None:
        if self._raw is not None:
            await self._read_and_keep(self._raw)
        feed, receive, now = self.connection.feed, self._socket.receive, clock.now
        while True:
            for _ in range(_FRAMES_AT_A_TIME):
                frame = await receive()
                self._received = received = max(now(), self._received + 1)
                feed(frame, received)
                self.frames += 1
            # Frames that have queued up are received without giving the loop a turn.
            await asyncio.sleep(0)

    async def _read_and_keep(self, raw: RawConnection) -> None:
        feed, receive, now = self.connection.feed, self._socket.receive_as_sent, clock.now
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
            self._put(_AT_ONCE, ping.message)
        await asyncio.Event().wait()

    async def _watch(self) -> None:
        while True:
            before = self.frames
            await asyncio.sleep(self._idle)
            if self.frames == before:
                raise DisconnectedError(f"no frame for {self._idle:g} s")


def _idle(exchange: Exchange, patience: Timeouts) -> float:
    """How many seconds without any frame mean that the connection is dead."""
    if exchange.ping is not None:
        return max(patience.idle, _PINGS_MISSED * exchange.ping.seconds)
    return patience.idle if exchange.connection_channels else patience.unheard
