"""The engine: lets the markets of one venue live in market time, and hands out what the venue then sends. Pure."""

import heapq
from random import Random

from sandbox.exchanges.clock import MarketClock
from sandbox.exchanges.market import Market
from sandbox.exchanges.venue import Message, Venue


class Engine:
    """Steps every market `rate` times a real second on average, at random moments, in the order of time.

    `until` (market time, µs) ends the stepping; None lets it go on. After `advance(elapsed)` everything up to `time`
    has happened and has been sent, so a book taken then stands exactly at `time`. Where the clock has an opening,
    nothing happens before it.
    """

    def __init__(self, venue: Venue, clock: MarketClock, rate: float, seed: int, until: int | None = None) -> None:
        first = max(0.0, clock.elapsed())
        self.time = _cut(clock.at(first), venue)
        self.finished = False
        self._venue = venue
        self._clock = clock
        self._rate = rate
        self._until = until
        self._random = Random(f"{seed}/pace")
        self._due: list[tuple[float, str]] = []
        self._is_open = False
        self._open(first)

    def advance(self, elapsed: float) -> list[Message]:
        """What was sent until `elapsed` real seconds after the clock's origin."""
        messages: list[Message] = []
        if not self._is_open:
            self._open(elapsed)
        while not self.finished and self._due and self._due[0][0] <= elapsed:
            due, name = self._due[0]
            if self._is_over(timestamp := self._time_at(due)):
                break
            heapq.heapreplace(self._due, (due + self._pause(), name))
            messages += self._step(self._venue.markets[name], timestamp)
        messages += self._move_to(self._time_at(elapsed))
        return messages

    def begin(self, name: str, elapsed: float | None = None) -> None:
        """Let a market live from now on, or from `elapsed` real seconds after the clock's origin."""
        if self._rate and self._is_open:
            first = max(0.0, self._clock.elapsed()) if elapsed is None else elapsed
            heapq.heappush(self._due, (first + self._pause(), name))

    def end(self, name: str) -> None:
        """Nothing more happens in a market; what is still collecting in windows is sent."""
        self._due = [due for due in self._due if due[1] != name]
        heapq.heapify(self._due)

    def finish(self) -> list[Message]:
        """End the stepping now; what is still collecting in windows is sent."""
        self.finished = True
        return self._venue.flush(FAR_FUTURE)

    def _open(self, elapsed: float) -> None:
        """Let all markets live, if the opening is not in the future."""
        opened = self._clock.opened()
        if opened is not None and opened <= elapsed:
            self._is_open = True
            for name in sorted(self._venue.markets):
                if self._venue.markets[name].trading:
                    self.begin(name, elapsed if self._clock.opening is None else opened)

    def _move_to(self, time: int) -> list[Message]:
        self.time = time
        if self._is_over(time) and not self.finished:
            return self.finish()
        return self._venue.flush(time)

    def _step(self, market: Market, timestamp: int) -> list[Message]:
        messages = self._venue.flush(timestamp)
        for event in market.step(timestamp):
            messages += self._venue.publish(event)
        self.time = timestamp
        return messages

    def _is_over(self, time: int) -> bool:
        return self._until is not None and time >= self._until

    def _time_at(self, elapsed: float) -> int:
        return max(self.time, _cut(self._clock.at(elapsed), self._venue))

    def _pause(self) -> float:
        return self._random.expovariate(self._rate)


# Past every window's end, and still a time that can be divided and compared.
FAR_FUTURE = 1 << 62


def _cut(timestamp: int, venue: Venue) -> int:
    return timestamp - timestamp % venue.time_resolution
