"""The market's time: replayed from a beginning to an end, at some speed."""

import asyncio

from booktape.model.records import SECOND


class MarketClock:
    """Stands at ``start`` until :meth:`begin`, then runs to ``end``; both in µs.

    :param speed: market seconds per real second; 0 is as fast as the events are taken: then the time is that of the
        last event that :meth:`reach` was told of.
    """

    def __init__(self, start: int, end: int, speed: float) -> None:
        self.start = start
        self.end = end
        self.speed = speed
        self._time = start
        self._began: float | None = None

    def begin(self) -> None:
        """Run from now on; a second call does nothing. Needs a running event loop."""
        if self._began is None:
            self._began = asyncio.get_running_loop().time()

    @property
    def is_running(self) -> bool:
        """Whether it has begun."""
        return self._began is not None

    def now(self) -> int:
        """The market's time (µs), which never goes back."""
        if self._began is not None and self.speed:
            passed = (asyncio.get_running_loop().time() - self._began) * self.speed
            self._time = max(self._time, min(self.end, self.start + int(passed * SECOND)))
        return self._time

    def left(self, time: int) -> float:
        """How many real seconds are left until that time (µs); 0 where it is reached, or nobody waits for it."""
        return max(0, time - self.now()) / SECOND / self.speed if self.speed else 0.0

    def reach(self, time: int) -> None:
        """Something of that time (µs) happens now: where no time is waited for, it is that time."""
        if not self.speed:
            self._time = max(self._time, min(time, self.end))

    async def until(self, time: int) -> None:
        """Wait until it is that time (µs). The clock must run."""
        while (left := self.left(time)) > 0:
            await asyncio.sleep(left)
        self.reach(time)
