"""What the server asks of an archive."""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import Any, Literal, Protocol

from booktape.archive.errors import NotRecordedError, UnknownMarketError
from booktape.model.errors import BooktapeError
from booktape.model.gap import Missing
from booktape.model.records import BookSnapshot, Record

Gaps = Literal["raise", "mark"]


class MarketEvent(Protocol):
    """One thing that happened in a market. ``time`` in µs."""

    @property
    def exchange(self) -> str: ...
    @property
    def market(self) -> str: ...
    @property
    def time(self) -> int: ...
    @property
    def record(self) -> Record | Missing: ...


class EventSource(Protocol):
    """:class:`booktape.archive.Archive`, as far as it is needed here. All of it blocks."""

    def replay(
        self, markets: Sequence[str], start: Any, end: Any, *, data_types: Sequence[str] = ..., gaps: Gaps = ...
    ) -> Iterator[MarketEvent]:
        """What happened in some markets (``exchange:MARKET``), in the order of its times."""

    def book(self, exchange: str, market: str, at: Any, *, gaps: Gaps = ...) -> Any:
        """A market's book at an instant."""

    def coverage(self, exchange: str, market: str, start: Any, end: Any, *, data_type: str = ...) -> Any:
        """What of a stretch of time is recorded."""

    def markets(self, exchange: str | None = None, data_type: str | None = None) -> Iterable[Any]:
        """What markets there are."""


def is_beginning(event: MarketEvent) -> bool:
    """Whether it is the book that a reading begins with."""
    return isinstance(event.record, BookSnapshot) and event.record.origin == "derived"


def market_events(
    source: EventSource, name: str, start: int, end: int, data_types: Sequence[str], recorded: set[str]
) -> Iterator[MarketEvent]:
    """What happened in one market (``exchange:MARKET``), of those data types that are there at all. Times in µs.

    Of equal times, in the order of the data types; those of them that are there are added to ``recorded``.
    Raises a BooktapeError where none is there.
    """
    readings: list[Iterator[MarketEvent]] = []
    refused: list[BooktapeError] = []
    for data_type in data_types:
        try:
            readings.append(source.replay([name], start, end, data_types=(data_type,), gaps="mark"))
        except (UnknownMarketError, NotRecordedError) as error:
            refused.append(error)
        else:
            recorded.add(data_type)
    if not readings:
        raise BooktapeError("; ".join(map(str, refused)))
    return _merged(readings)


def _merged(readings: Sequence[Iterator[MarketEvent]]) -> Iterator[MarketEvent]:
    try:
        yield from merge(*readings, key=lambda event: event.time)
    finally:
        for reading in readings:
            close = getattr(reading, "close", None)
            if close is not None:
                close()
