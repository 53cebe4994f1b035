"""One connection, kept alive for as long as the worker lives."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from booktape import clock
from booktape.errors import Transient
from booktape.exchanges.spec import Exchange, Subscription
from booktape.feed.socket import Disconnected, Socket, check_address, open_socket
from booktape.recorder import Connection, Recorder

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_FRAMES_AT_A_TIME: Final = 256


class Events(Protocol):
    """What a link tells of itself."""

    def connected(self, link: "Link") -> None:
        """The link is connected, before its first frame."""

    def disconnected(self, link: "Link", reason: str, pause: float) -> None:
        """The connection was lost or could not be made; it is tried again after ``pause`` seconds."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a link waits, in seconds.

    ``idle``: for any frame, before it takes the connection for dead. ``proven``: how long a connection must have lived
    for the next pause to be short again, so that a venue which lets us in and throws us out is not stormed.
    """

    idle: float = 30.0
    proven: float = 10.0
    first_pause: float = _FIRST_PAUSE
    longest_pause: float = _LONGEST_PAUSE


class Pauses:
    """How long to wait before the next attempt (s): doubling, capped, and jittered so that instances scatter."""

    def __init__(self, patience: Patience, random_share: Callable[[], float] = random.random) -> None:
        self._patience = patience
        self._random_share = random_share
        self._attempts = 0

    def next(self) -> float:
        """The next pause: between a half and the whole of a limit that doubles."""
        limit = min(self._patience.longest_pause, self._patience.first_pause * 2.0**self._attempts)
        self._attempts = min(self._attempts + 1, 16)
        return limit * (0.5 + self._random_share() / 2)

    def reset(self) -> None:
        """Begin with the shortest pause again: the last connection was a good one."""
        self._attempts = 0


class Link:
    """Connects, subscribes, feeds frames to the recorder, and does so again for ever.

    :param number: which of the worker's connections this is, from 0.
    """

    def __init__(
        self,
        exchange: Exchange,
        url: str,
        subscriptions: Sequence[Subscription],
        recorder: Recorder,
        events: Events,
        *,
        number: int = 0,
        patience: Patience = Patience(),
    ) -> None:
        self.exchange = exchange
        self.url = url
        self.subscriptions = list(subscriptions)
        self.number = number
        self.connection: Connection = recorder.connection()
        self.frames = 0
        self._data_types = {channel.name: channel.data_types for channel in exchange.channels}
        self._recorder = recorder
        self._events = events
        self._patience = patience
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._connected = False
        self._received = 0
        check_address(url)

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        waits = Pauses(self._patience)
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._session()
            except Transient as error:
                reason = str(error)
            except Exception as error:  # whatever goes wrong with one connection, the others go on
                reason = f"{type(error).__name__}: {error}"
            self.connection.disconnected()
            if loop.time() - began > self._patience.proven:
                waits.reset()
            pause = waits.next()
            self._events.disconnected(self, reason, pause)
            await asyncio.sleep(pause)

    def resubscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Ask for streams anew, so that the venue sends their snapshots again. Nothing happens while disconnected.

        What the venue sends in between is missed, so the streams are told that they were interrupted.
        """
        if self._connected:
            for message in (*self.exchange.unsubscribe(subscriptions), *self.exchange.subscribe(subscriptions)):
                self._outbox.put_nowait(message)
            for channel, symbol in subscriptions:
                for data_type in self._data_types[channel]:
                    if (stream := self.connection.heard.get((data_type, symbol))) is not None:
                        stream.disconnected()

    async def _session(self) -> None:
        async with open_socket(self.url) as socket:
            self.connection = self._recorder.connection()
            self._outbox = self._subscriptions()
            self._connected = True
            self._events.connected(self)
            duties = [
                asyncio.ensure_future(duty)
                for duty in (self._read(socket), self._write(socket), self._ping(), self._watch())
            ]
            try:
                done, _ = await asyncio.wait(duties, return_when=asyncio.FIRST_COMPLETED)
                for duty in done:
                    duty.result()
            finally:
                self._connected = False
                for duty in duties:
                    duty.cancel()
                await asyncio.gather(*duties, return_exceptions=True)

    def _subscriptions(self) -> asyncio.Queue[bytes]:
        outbox: asyncio.Queue[bytes] = asyncio.Queue()
        symbols = dict.fromkeys(subscription.symbol for subscription in self.subscriptions)
        own = [Subscription(channel, symbol) for channel in self.exchange.connection_channels for symbol in symbols]
        for message in self.exchange.subscribe([*self.subscriptions, *own]):
            outbox.put_nowait(message)
        return outbox

    async def _read(self, socket: Socket) -> None:
        feed, receive, now = self.connection.feed, socket.receive, clock.now
        while True:
            for _ in range(_FRAMES_AT_A_TIME):
                frame = await receive()
                self._received = received = max(now(), self._received + 1)
                feed(frame, received)
                self.frames += 1
            # Frames that have queued up are received without giving the loop a turn.
            await asyncio.sleep(0)

    async def _write(self, socket: Socket) -> None:
        pause = 1 / self.exchange.limits.messages_per_second
        while True:
            await socket.send(await self._outbox.get())
            await asyncio.sleep(pause)

    async def _ping(self) -> None:
        ping = self.exchange.ping
        while ping is not None:
            await asyncio.sleep(ping.seconds)
            self._outbox.put_nowait(ping.message)
        await asyncio.Event().wait()

    async def _watch(self) -> None:
        while True:
            before = self.frames
            await asyncio.sleep(self._patience.idle)
            if self.frames == before:
                raise Disconnected(f"no frame for {self._patience.idle:g} s")
