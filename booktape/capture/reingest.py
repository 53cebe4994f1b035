"""Ingests raw frames again, as they were processed when they were received.

The frames of each run of a worker are replayed with its connections and their events (the marks), so that the result is
the same objects, byte for byte. Where a record arrived more than ten seconds late, the worker may have closed its
minute already and written the record to another object: then the records are the same, but not the objects.
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
    """Ingest what ``booktape record --raw`` has stored: parse, check the sequence, batch and store.

    :param source: the store that holds the raw frames.
    :param first: the first day to ingest, by the local clock of the worker; None for all.
    :param last: the last day to ingest, included; None for all.
    :param on_progress: receives the number of frames so far.
    :raises NoRawFramesError: there are none of these days.
    """
    summary = Summary()
    write = summary.batch_writer(exchange, store)
    for run in raw_runs(source, exchange.id, first, last):
        pipeline = Pipeline(exchange, write, summary.gaps.append)
        player = _Player(pipeline)
        try:
            for key, line in play(source, run.keys):
                player.process(key, line)
                if pipeline.frames % 1_000 == 0:
                    on_progress(summary.frames + pipeline.frames)
        finally:
            pipeline.close()
        summary.add(pipeline)
    return summary


class _Player:
    """Repeats on one pipeline what the worker did with its connections."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._feeds: dict[str, ConnectionFeed] = {}
        self._current: dict[int, ConnectionFeed] = {}  # by the number of the connection
        self._handovers: dict[str, Handover] = {}
        self._numbers: dict[str, int] = {}

    def process(self, key: RawKey, line: RawLine) -> None:
        """Process the next line, in the order of time over all sessions."""
        feed = self._feed(key)
        self._interrupt_where_lost(key, feed)
        received = (line.t or 0) // 1_000
        if line.kind == "mark":
            self._mark(key, feed, line.data)
        elif line.dir == "in":
            if line.kind == "http":
                feed.feed_rest(line.url, line.frame(), received, line.sent)
            else:
                feed.feed(line.frame(), received)

    def _interrupt_where_lost(self, key: RawKey, feed: ConnectionFeed) -> None:
        """Interrupt the streams where an object is missing, as if there had been no connection."""
        if key.number > self._numbers.get(key.connection, key.number) + 1:
            for sink in feed.sinks.values():
                sink.interrupt()
        self._numbers[key.connection] = key.number

    def _feed(self, key: RawKey) -> ConnectionFeed:
        if key.connection not in self._feeds:
            self._feeds[key.connection] = self._pipeline.new_feed()
            self._current.setdefault(key.link, self._feeds[key.connection])
        return self._feeds[key.connection]

    def _mark(self, key: RawKey, feed: ConnectionFeed, data: str) -> None:
        event, content = _parse_mark(data)
        if event == HANDOVER:
            suspected = [tuple(stream) for stream in content]
            old = self._current[key.link]
            if old is not feed:  # else the frames of the old session are not of the days that are read
                self._handovers[key.connection] = Handover(self._pipeline, old, feed, suspected)
        elif event == SUBSCRIBED and key.connection in self._handovers:
            self._handovers[key.connection].subscribed()
        elif event == FINISHED and key.connection in self._handovers:
            self._handovers.pop(key.connection).finish(lost=content)
            self._current[key.link] = feed
        elif event == GIVEN_UP and key.connection in self._handovers:
            self._handovers.pop(key.connection).cancel()
        elif event == INTERRUPTED:
            for data_type, symbol in content:
                self._pipeline.interrupt(data_type, symbol)
        elif event == DISCONNECTED:
            feed.disconnected()
            if self._current.get(key.link) is feed:
                del self._current[key.link]


def _parse_mark(data: str) -> tuple[str, Any]:
    """The event of a mark, and its content."""
    for event in (HANDOVER, SUBSCRIBED, FINISHED, GIVEN_UP, INTERRUPTED, DISCONNECTED):
        if data.startswith(event):
            rest = data.removeprefix(event)
            return event, json.decode(rest) if rest else None
    return data, None
