"""The market clock: recorded time that passes from a start to an end at some speed."""

import asyncio

from booktape.model.records import SECOND


class MarketClock:
    """A clock that stands at ``start`` until :meth:`begin`, then runs to ``end``.

    :param start: when the clock starts (µs).
    :param end: when it stops (µs).
    :param speed: market seconds per real second. With 0 the clock does not wait: its time is that of the last event
        given to :meth:`reach`.
    """

    def __init__(self, start: int, end: int, speed: float) -> None:
        self.start = start
        self.end = end
        self.speed = speed
        self._time = start
        self._began: float | None = None

    def begin(self) -> None:
        """Let the clock run. Further calls have no effect. Needs a running event loop."""
        if self._began is None:
            self._began = asyncio.get_running_loop().time()

    @property
    def is_running(self) -> bool:
        """Whether :meth:`begin` was called."""
        return self._began is not None

    def now(self) -> int:
        """The market's time (µs). It never goes back."""
        if self._began is not None and self.speed:
            passed = (asyncio.get_running_loop().time() - self._began) * self.speed
            self._time = max(self._time, min(self.end, self.start + int(passed * SECOND)))
        return self._time

    def remaining(self, time: int) -> float:
        """Real seconds until a market time (µs); 0 where it is reached, or the clock does not wait."""
        return max(0, time - self.now()) / SECOND / self.speed if self.speed else 0.0

    def reach(self, time: int) -> None:
        """Set a clock that does not wait to the time (µs) of an event; a clock with a speed ignores the call."""
        if not self.speed:
            self._time = max(self._time, min(time, self.end))

    async def until(self, time: int) -> None:
        """Wait until a market time (µs). The clock must run."""
        while (left := self.remaining(time)) > 0:  # noqa: ASYNC110  # only time ends this
            await asyncio.sleep(left)
        self.reach(time)
