"""Waiting for what must happen, on machines of any speed.

A test waits for an event: a condition, a line in a log, an object in a store. It fails by the clock only as a last
resort, after :data:`DEADLINE` seconds, when what it waits for does not happen at all. How fast something is belongs
into ``bench/``.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import httpx
from websockets.asyncio.client import connect

T = TypeVar("T")

DEADLINE: Final = 120.0
"""Seconds. Whatever a test waits for takes a moment on an idle machine, and much less than this on a busy one."""

FOR_EVER: Final = 86_400.0
"""Seconds: how long something lasts that a test ends by itself."""


def until(
    condition: Callable[[], T], what: Callable[[], str] = lambda: "did not happen in time", *, every: float = 0.02
) -> T:
    """Wait for the first truthy answer of a condition, and return it.

    :param what: describes what did not happen, for the failure after :data:`DEADLINE` seconds.
    :param every: pause between two looks (s).
    """
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, what()
        time.sleep(every)
    return found


async def soon(condition: Callable[[], T], *, every: float = 0.01) -> T:
    """As :func:`until`, in an event loop that goes on meanwhile."""
    async with asyncio.timeout(DEADLINE):
        while not (found := condition()):
            await asyncio.sleep(every)
    return found


class PatientLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock a busy machine does not outrun.

    Its time passes while it waits for a timer, and by at most ten milliseconds in each of its turns. When the machine
    lets the process stand still, no timer in it has missed anything: whatever else is due gets its turn first.
    """

    _MOST_IN_A_TURN: Final = 0.01

    def __init__(self) -> None:
        self._waits = _NotingSelector()
        self._turn = 0.0
        super().__init__(self._waits)

    def time(self) -> float:
        # Between two waits time stands still, but for the length of one turn.
        working = min(time.monotonic() - self._waits.woke, self._MOST_IN_A_TURN)
        self._turn = max(self._turn, self._waits.passed + working)
        return self._turn


class _NotingSelector(selectors.DefaultSelector):
    """Adds up how long it has waited, as far as that was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self.woke = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        began = time.monotonic()
        found = super().select(timeout)
        now = time.monotonic()
        waited = now - began
        self.passed += min(began - self.woke, PatientLoop._MOST_IN_A_TURN)
        self.passed += waited if timeout is None else min(waited, max(0.0, timeout))
        self.woke = now
        return found


def run(scene: Coroutine[Any, Any, T]) -> T:
    """:func:`asyncio.run` in a :class:`PatientLoop`."""
    with asyncio.Runner(loop_factory=PatientLoop) as runner:
        return runner.run(scene)


def let_libraries_wait() -> None:
    """Give the network libraries' own deadlines, of five to twenty seconds, the length of :data:`DEADLINE`.

    A busy machine needs more for a handshake or an answer now and then. Only calls that name no deadline of their own
    are meant: those of tests.
    """
    defaults: Any = httpx._config.DEFAULT_TIMEOUT_CONFIG
    for name in ("connect", "read", "write", "pool"):
        setattr(defaults, name, DEADLINE)
    options: Any = connect.__init__.__kwdefaults__
    options.update(open_timeout=DEADLINE, ping_timeout=DEADLINE)
