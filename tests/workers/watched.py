"""A worker's watch over one market, with a clock that the test sets."""

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Raw

from booktape.capture.pipeline import Pipeline
from booktape.capture.subscriptions import subscriptions
from booktape.exchanges import exchange
from booktape.exchanges.spec import Subscription
from booktape.model.gap import Gap
from booktape.model.records import BOOK_SNAPSHOTS, SECOND, TRADES, BookSnapshot, Trade
from booktape.model.uptime import StreamUptime
from workers.stream_state import StreamState
from workers.uptime_writer import UptimeWriter

NOON = int(datetime(2024, 8, 8, 12, tzinfo=UTC).timestamp()) * SECOND
Told = list[tuple[str, int]]


class World:
    """A worker's watch over one exchange, by clocks that a test sets: ``now`` in seconds after noon.

    ``asleep``: for how many seconds of them the machine slept, or by how many its clock was set.
    """

    def __init__(self, venue: str, symbol: str) -> None:
        self.now = 0.0
        self.asleep = 0.0
        self.exchange = exchange(venue)
        self.symbol = symbol
        self.market = self.exchange.market(symbol)
        self.gaps: list[Gap] = []
        self.pipeline = Pipeline(self.exchange, lambda batch: None, self.gaps.append)
        self.uptime = UptimeWriter("a", NOON)
        self.states = StreamState(self.exchange, self.pipeline, self.uptime)
        self.subscriptions = subscriptions(self.exchange, [symbol])
        self.states.added(self.subscriptions)

    @property
    def book(self) -> Subscription:
        assert self.exchange.book is not None
        return Subscription(self.exchange.book.name, self.symbol)

    def at(self, now: float, do: Callable[..., object], *arguments: object) -> None:
        self.now = now
        do(*arguments)

    def trade(self, now: float) -> None:
        trade = Trade(int(10 * now), NOON, "buy", "1", "1", self.time(now))
        self.pipeline.batcher(TRADES, self.symbol).append(trade, NOON)

    def snapshot(self, now: float) -> None:
        book = BookSnapshot(bids=Raw(b"[]"), asks=Raw(b"[]"), origin="stream", local_timestamp=self.time(now))
        self.pipeline.batcher(BOOK_SNAPSHOTS, self.symbol).append_unchecked(book, NOON)

    def time(self, now: float) -> int:
        return NOON + int(now * SECOND)

    def reading(self) -> tuple[int, int]:
        return self.time(self.now), self.time(self.now - self.asleep)

    def lines(self, end: float) -> dict[tuple[str, str], StreamUptime]:
        (segment,) = self.uptime.close(self.time(end))
        return {(line.data_type, line.market): line for line in segment.lines}

    def told(self, end: float) -> dict[str, Told]:
        """Each data type's states, with the seconds after noon at which they began."""
        return {
            data_type: [(state, (start - NOON) // SECOND) for state, start, _ in line.states]
            for (data_type, _), line in self.lines(end).items()
        }
