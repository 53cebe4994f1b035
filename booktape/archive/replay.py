"""The records of several markets as one sequence of events, in the order of their published times."""

from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Any, NamedTuple

from msgspec import Raw, json

from booktape.analytics.book_view import BookView
from booktape.model.csv import PublishedRecord
from booktape.model.gap import Gap
from booktape.model.records import BookSnapshot, record_time


class ReplayEvent(NamedTuple):
    """A record of a market, or a gap in its records. ``time`` in µs."""

    exchange: str
    market: str
    time: int
    record: PublishedRecord | Gap


def stream_events(exchange: str, market: str, items: Iterable[Any], start: int) -> Iterator[ReplayEvent]:
    """The records and gaps of a stream as events. A gap has the time of its start, or of the event before it if later.

    :param start: the earliest time of an event (µs).
    """
    time = start
    for item in items:
        time = max(time, item.start if isinstance(item, Gap) else record_time(item))
        yield ReplayEvent(exchange, market, time, item)


def merge_events(streams: Iterable[Iterator[ReplayEvent]]) -> Iterator[ReplayEvent]:
    """The events of all streams by time; of equal times, the earlier stream's come first."""
    return merge(*streams, key=lambda event: event.time)


def initial_book(view: BookView, start: int) -> BookSnapshot | Gap:
    """The record that a book's stream starts with: the book before ``start`` (µs), or the gap in it."""
    if not view.sound:
        assert view.missing is not None, "a book that is not sound has a gap"
        return view.missing
    return BookSnapshot(
        last_id=view.last_id,
        timestamp=start,
        bids=Raw(json.encode(view.bids)),
        asks=Raw(json.encode(view.asks)),
        origin="derived",
        local_timestamp=start,
    )
