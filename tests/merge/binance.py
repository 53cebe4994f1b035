"""Binance frames for tests, and collectors that take them as real ones do, each with a clock of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import json

from booktape.capture.pipeline import Pipeline
from booktape.exchanges import exchange
from booktape.model.book import Book
from booktape.store.objects import Store
from tests.merge.systems import put_batch

Levels = Sequence[tuple[str, str]]


class Trade(NamedTuple):
    """A trade as the venue made it; ``time`` in ms."""

    id: int
    time: int

    def frame(self, shift: int) -> bytes:
        """The frame of a connection whose ``E`` lies so many ms behind."""
        return _frame(
            {
                "e": "trade", "E": self.time + shift, "s": "BTCUSDT", "t": self.id, "p": f"{self.id % 9}.10",
                "q": "0.5", "T": self.time, "m": self.id % 2 == 0,
            }
        )  # fmt: skip


class Depth(NamedTuple):
    """A window of book updates; ``time`` in ms."""

    first: int
    last: int
    time: int
    bids: Levels
    asks: Levels

    def frame(self, shift: int) -> bytes:
        """The frame of a connection whose ``E`` lies so many ms behind."""
        return _frame(
            {
                "e": "depthUpdate", "E": self.time + shift, "s": "BTCUSDT", "U": self.first, "u": self.last,
                "b": self.bids, "a": self.asks,
            }
        )  # fmt: skip


Event = Trade | Depth


def _frame(data: dict[str, object]) -> bytes:
    return json.encode({"stream": "x", "data": data})


@dataclass(frozen=True)
class Collector:
    """One process that records into a store. ``shift`` (ms) is how far its connections' ``E`` lies behind."""

    store: Store
    shift: int = 0

    def record(self, frames: Iterable[tuple[int, Event]], received: int) -> None:
        """From a start to a stop: frames of its connections 0 and 1, the first at ``received``, then one each µs."""
        recorder = self._recorder()
        connections = recorder.new_feed(), recorder.new_feed()
        for offset, (number, event) in enumerate(frames):
            connections[number].feed(event.frame(self.shift), received + offset)
        recorder.close()

    def record_snapshot(self, last: int, book: Book, received: int) -> None:
        """Take a REST book, whose answer tells no time of the venue."""
        body = json.encode({"lastUpdateId": last, "bids": book.bids.top(), "asks": book.asks.top()})
        recorder = self._recorder()
        url = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT"
        recorder.new_feed().feed_rest(url, body, received, received // 1_000 * 1_000)
        recorder.close()

    def _recorder(self) -> Pipeline:
        return Pipeline(exchange("binance"), lambda batch: put_batch(self.store, "binance", batch), lambda gap: None)
