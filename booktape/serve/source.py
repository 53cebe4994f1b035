"""The interface through which the server reads an archive, so that it can serve any other source as well."""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import Any, Literal, Protocol

from booktape.archive.errors import NotRecordedError, UnknownMarketError
from booktape.model.errors import BooktapeError
from booktape.model.gap import Gap
from booktape.model.records import BookSnapshot, Record

Gaps = Literal["raise", "mark"]


class MarketEvent(Protocol):
    """A record of a market, or a gap in its records. ``time`` in µs."""

    @property
    def exchange(self) -> str: ...
    @property
    def market(self) -> str: ...
    @property
    def time(self) -> int: ...
    @property
    def record(self) -> Record | Gap: ...


class EventSource(Protocol):
    """The methods of :class:`booktape.archive.Archive` that the server calls. All of them block."""

    def replay(
        self, markets: Sequence[str], start: Any, end: Any, *, data_types: Sequence[str] = ..., gaps: Gaps = ...
    ) -> Iterator[MarketEvent]:
        """The events of some markets (``exchange:MARKET``) in the order of their times."""

    def book(self, exchange: str, market: str, at: Any, *, gaps: Gaps = ...) -> Any:
        """A market's book at an instant."""

    def coverage(self, exchange: str, market: str, start: Any, end: Any, *, data_type: str = ...) -> Any:
        """How much of a range of time is recorded."""

    def markets(self, exchange: str | None = None, data_type: str | None = None) -> Iterable[Any]:
        """The recorded markets."""


def is_initial_book(event: MarketEvent) -> bool:
    """Whether an event is the book with which a replay starts."""
    return isinstance(event.record, BookSnapshot) and event.record.origin == "derived"


def market_events(
    source: EventSource, name: str, start: int, end: int, data_types: Sequence[str], recorded: set[str]
) -> Iterator[MarketEvent]:
    """The events of one market in the order of their times; those of equal times in the order of the data types.

    :param name: the market as ``exchange:MARKET``.
    :param start: the inclusive start (µs).
    :param end: the exclusive end (µs).
    :param data_types: the data types to read; those that were not recorded are left out.
    :param recorded: receives the data types that were recorded.
    :raises BooktapeError: none of the data types was recorded.
    """
    streams: list[Iterator[MarketEvent]] = []
    errors: list[BooktapeError] = []
    for data_type in data_types:
        try:
            streams.append(source.replay([name], start, end, data_types=(data_type,), gaps="mark"))
        except (UnknownMarketError, NotRecordedError) as error:
            errors.append(error)
        else:
            recorded.add(data_type)
    if not streams:
        raise BooktapeError("; ".join(map(str, errors)))
    return _merge_by_time(streams)


def _merge_by_time(streams: Sequence[Iterator[MarketEvent]]) -> Iterator[MarketEvent]:
    try:
        yield from merge(*streams, key=lambda event: event.time)
    finally:
        for stream in streams:
            close = getattr(stream, "close", None)
            if close is not None:
                close()
