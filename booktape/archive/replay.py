"""Several markets' records as one sequence, in the order of their published times."""

from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Any, NamedTuple

from msgspec import Raw, json

from booktape.analytics.book_view import BookView
from booktape.model.csv import PublishedRecord
from booktape.model.gap import Gap
from booktape.model.records import BookSnapshot, record_time


class ReplayEvent(NamedTuple):
    """Something that happened in a market, or that is missing there. ``time`` in µs."""

    exchange: str
    market: str
    time: int
    record: PublishedRecord | Gap


def events(exchange: str, market: str, items: Iterable[Any], start: int) -> Iterator[ReplayEvent]:
    """A stream's records as events. What is missing stands at its beginning, but never before what was told already."""
    time = start
    for item in items:
        time = max(time, item.start if isinstance(item, Gap) else record_time(item))
        yield ReplayEvent(exchange, market, time, item)


def merged(streams: Iterable[Iterator[ReplayEvent]]) -> Iterator[ReplayEvent]:
    """All streams' events by time; of equal ones the earlier stream's first."""
    return merge(*streams, key=lambda event: event.time)


def beginning(view: BookView, start: int) -> BookSnapshot | Gap:
    """What a book's stream begins with at an instant: the book before it, or what is missing of it."""
    if not view.sound:
        assert view.missing is not None, "a book that is not sound lacks something"
        return view.missing
    return BookSnapshot(
        last_id=view.last_id,
        timestamp=start,
        bids=Raw(json.encode(view.bids)),
        asks=Raw(json.encode(view.asks)),
        origin="derived",
        local_timestamp=start,
    )
