"""Collecting windows: venues gather what happens in 100 or 250 ms and send it as one message."""

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Windows(Generic[Item]):
    """Items by key, in windows of `length` µs that are aligned to the epoch: [k * length, (k + 1) * length).

    Pure and driven by market time alone, so that the same events are always cut in the same places. Call `flush` with
    an event's time before adding the event.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.pending: dict[str, list[Item]] = {}
        self._end = 0

    def add(self, key: str, timestamp: int, item: Item) -> None:
        """Put an item into the window that `timestamp` (µs) falls into."""
        if not self.pending:
            self._end = (timestamp // self.length + 1) * self.length
        self.pending.setdefault(key, []).append(item)

    def flush(self, now: int) -> list[tuple[str, int, list[Item]]]:
        """(key, end of the window in µs, items) of the windows that ended at or before `now`."""
        if not self.pending or self._end > now:
            return []
        ended = [(key, self._end, items) for key, items in self.pending.items()]
        self.pending = {}
        return ended
