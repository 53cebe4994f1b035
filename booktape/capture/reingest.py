"""Raw frames through the recorder again, as they went through it when they came.

Each worker's run is played with its connections and what was done with them (the marks), so that it ends in the very
same objects, byte for byte. Where a record came more than ten seconds late, the live recorder may have closed its
minute by then and written another object with it: the records are the same, the cut is not.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

from msgspec import json

from booktape.capture.handover import Handover
from booktape.capture.ingest import Summary
from booktape.capture.pipeline import ConnectionFeed, Pipeline
from booktape.exchanges.spec import Exchange
from booktape.store.layout import RawKey
from booktape.store.objects import Store
from booktape.store.raw_frames import (
    DISCONNECTED,
    FINISHED,
    GIVEN_UP,
    HANDOVER,
    INTERRUPTED,
    SUBSCRIBED,
    RawLine,
    play,
    raw_runs,
)


def reingest(
    source: Store,
    exchange: Exchange,
    store: Store,
    *,
    first: date | None = None,
    last: date | None = None,
    on_progress: Callable[[int], None] = lambda frames: None,
) -> Summary:
    """Take what ``booktape record --raw`` kept through parse, sequence, batch and store.

    :param source: the store that holds the raw frames.
    :param first: the first day to take (by the collector's clock), ``last`` the last one.
    :raises NoRaw: there are none.
    """
    summary = Summary()
    put = summary.putting(exchange, store)
    for run in raw_runs(source, exchange.id, first, last):
        recorder = Pipeline(exchange, put, summary.gaps.append)
        player = _Player(recorder)
        try:
            for key, line in play(source, run.keys):
                player.take(key, line)
                if recorder.frames % 1_000 == 0:
                    on_progress(summary.frames + recorder.frames)
        finally:
            recorder.close()
        summary.add(recorder)
    return summary


class _Player:
    """Does with the connections of one recorder what the collector did."""

    def __init__(self, recorder: Pipeline) -> None:
        self._recorder = recorder
        self._connections: dict[str, ConnectionFeed] = {}
        self._of_link: dict[int, ConnectionFeed] = {}
        self._handovers: dict[str, Handover] = {}
        self._numbers: dict[str, int] = {}

    def take(self, key: RawKey, line: RawLine) -> None:
        """Take the next line of all."""
        connection = self._connection(key)
        self._look_for_loss(key, connection)
        received = (line.t or 0) // 1_000
        if line.kind == "mark":
            self._mark(key, connection, line.data)
        elif line.dir == "in":
            if line.kind == "http":
                connection.feed_rest(line.url, line.frame(), received, line.sent)
            else:
                connection.feed(line.frame(), received)

    def _look_for_loss(self, key: RawKey, connection: ConnectionFeed) -> None:
        """An object that was never stored: what it held is missing as if nobody had been connected."""
        if key.number > self._numbers.get(key.connection, key.number) + 1:
            for stream in connection.sinks.values():
                stream.disconnected()
        self._numbers[key.connection] = key.number

    def _connection(self, key: RawKey) -> ConnectionFeed:
        if key.connection not in self._connections:
            self._connections[key.connection] = self._recorder.connection()
            self._of_link.setdefault(key.link, self._connections[key.connection])
        return self._connections[key.connection]

    def _mark(self, key: RawKey, connection: ConnectionFeed, data: str) -> None:
        what, content = _read_mark(data)
        if what == HANDOVER:
            suspected = [tuple(stream) for stream in content]
            old = self._of_link[key.link]
            if old is not connection:  # else what the old one heard is not among the days that are read
                self._handovers[key.connection] = Handover(self._recorder, old, connection, suspected)
        elif what == SUBSCRIBED and key.connection in self._handovers:
            self._handovers[key.connection].subscribed()
        elif what == FINISHED and key.connection in self._handovers:
            self._handovers.pop(key.connection).finish(lost=content)
            self._of_link[key.link] = connection
        elif what == GIVEN_UP and key.connection in self._handovers:
            self._handovers.pop(key.connection).cancel()
        elif what == INTERRUPTED:
            for data_type, symbol in content:
                self._recorder.interrupt(data_type, symbol)
        elif what == DISCONNECTED:
            connection.disconnected()
            if self._of_link.get(key.link) is connection:
                del self._of_link[key.link]


def _read_mark(data: str) -> tuple[str, Any]:
    """What a mark says, and its content."""
    for what in (HANDOVER, SUBSCRIBED, FINISHED, GIVEN_UP, INTERRUPTED, DISCONNECTED):
        if data.startswith(what):
            rest = data.removeprefix(what)
            return what, json.decode(rest) if rest else None
    return data, None
