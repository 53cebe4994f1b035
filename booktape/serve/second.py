"""What slow depth streams tell: a second's updates at once."""

from booktape.core.records import SECOND, BookUpdate
from booktape.serve.wire_binance import sent, united


class Second:
    """The depth updates of the second that goes on, which the slow streams tell at once."""

    def __init__(self) -> None:
        self.updates: list[BookUpdate] = []

    def past(self, time: int) -> BookUpdate | None:
        """What the last second held, if it is over at ``time`` (µs)."""
        if not self.updates or sent(self.updates[0]) // SECOND == time // SECOND:
            return None
        return self.cut()

    def goes_on_with(self, update: BookUpdate) -> bool:
        """Whether nothing is missing before an update: across a loss, one message would hide it."""
        if not self.updates:
            return True
        last = self.updates[-1].last_id or 0
        return (update.first_id or 0) <= last + 1 and (update.last_id or 0) > last

    def cut(self) -> BookUpdate | None:
        """What it holds, as one update."""
        updates, self.updates = self.updates, []
        return united(updates) if updates else None
