"""How long a connection waits, how long it pauses between attempts, and how often a worker may connect."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a connection waits, in seconds.

    ``idle``: without any frame for so long, the connection counts as dead. ``idle_without_heartbeat``: the same where
    the venue sends nothing of its own on a quiet connection (the library's pings still detect one that is cut).

    ``stable``: how long a connection must have lived before the next pause is short again, and before it is replaced.
    So a venue that accepts connections and drops them at once is not flooded.

    ``first_pause`` and ``longest_pause``: the bounds of the pause before the next attempt, see :class:`Backoff`.

    ``settle``: how long the venue may take to act on the last subscription. ``overlap``: how long two connections then
    run side by side in a handover.

    ``lifetime``: after how long a connection is replaced; None for what the venue declares.
    """

    idle: float = 30.0
    idle_without_heartbeat: float = 300.0
    stable: float = 10.0
    settle: float = 2.0
    first_pause: float = 0.5
    longest_pause: float = 30.0
    overlap: float = 20.0
    lifetime: float | None = None


class Backoff:
    """The pauses (s) between attempts: doubling, limited, and random so that instances do not retry together."""

    def __init__(self, timeouts: Timeouts, random_share: Callable[[], float] = random.random) -> None:
        self._timeouts = timeouts
        self._random_share = random_share
        self._attempts = 0

    def next(self) -> float:
        """The next pause: between half of a limit and the whole limit, which doubles with each attempt."""
        limit = min(self._timeouts.longest_pause, self._timeouts.first_pause * 2.0**self._attempts)
        self._attempts = min(self._attempts + 1, 16)
        return limit * (0.5 + self._random_share() / 2)

    def reset(self) -> None:
        """Start with the shortest pause again, after a connection that was stable."""
        self._attempts = 0


class ConnectRateLimiter:
    """Spaces connection attempts, because venues limit how often an address may connect.

    :param seconds: the least time between two attempts.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    async def wait(self) -> None:
        """Wait until the next attempt is allowed. Callers proceed in the order in which they called."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        turn = max(now, self._next)
        self._next = turn + self._seconds
        await asyncio.sleep(turn - now)
