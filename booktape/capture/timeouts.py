"""How long to wait for what, and how long to pause between attempts."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a link waits, in seconds.

    ``idle``: for any frame, before it takes the connection for dead; ``unheard``: the same where the venue sends
    nothing of its own on a quiet connection (the library's pings still find one that is cut).
    ``proven``: how long a connection must have lived for the next pause to be short again, and before it is replaced,
    so that a venue which lets us in and throws us out is not stormed.
    ``settle``: how long the venue may take to act on the last subscription. ``overlap``: how long two connections then
    run side by side when one takes over from the other.
    ``lifetime``: after how long a connection is replaced; None: by what the venue declares.
    """

    idle: float = 30.0
    unheard: float = 300.0
    proven: float = 10.0
    settle: float = 2.0
    first_pause: float = 0.5
    longest_pause: float = 30.0
    overlap: float = 20.0
    lifetime: float | None = None


class Backoff:
    """How long to wait before the next attempt (s): doubling, capped, and jittered so that instances scatter."""

    def __init__(self, patience: Timeouts, random_share: Callable[[], float] = random.random) -> None:
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


class ConnectRateLimiter:
    """Lets one pass at a time, so many seconds apart: venues limit how often an address may connect."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    async def wait(self) -> None:
        """Wait for one's turn."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        turn = max(now, self._next)
        self._next = turn + self._seconds
        await asyncio.sleep(turn - now)
