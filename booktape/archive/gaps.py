"""What is missing of a stream in a range of time.

Where the records' own ids show their losses, the ids decide (:class:`TradeIds`, :class:`UpdateIds`). Otherwise it is
what the collectors' uptime shows (:class:`Outages`): by the certificate of a published day, by the uptime logs until
there is one. :class:`GapFinder` joins both, day by day.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple, Protocol

from msgspec import structs

from booktape.archive.catalog import Catalog, StreamKey
from booktape.archive.day_files import MARGIN, DayFiles, MarketDay, OpenedDay, RowSource, Window, clip
from booktape.archive.queries import BOOK_COLUMNS_WITHOUT_LEVELS, record_maker
from booktape.exchanges import exchanges
from booktape.exchanges.spec import Channel
from booktape.integrity.certificate import DayEdge, MarketCertificate
from booktape.integrity.uptime import downtime
from booktape.integrity.uptime_log import readable_lines
from booktape.model import sequence
from booktape.model.book_replay import BookReplayer
from booktape.model.gap import Gap, GapCause, GapUnit, time_gap
from booktape.model.id_sets import Range
from booktape.model.intervals import Interval, complement, intersection, total_length, union
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DAY, TRADES, record_time
from booktape.model.resets import CERTAINLY_LATER
from booktape.model.timestamps import day_of, midnight
from booktape.model.uptime import StreamUptime
from booktape.store.layout import Run, uptime_log_prefix

_MOST_DAYS: Final = 1024
"""For how many streams' days the outages are kept in memory."""


# Coverage


class Coverage(NamedTuple):
    """How much of one stream is there in a range. Times in µs; the half-open intervals together cover the range.

    :ivar recorded: everything is there, as far as can be known.
    :ivar missing: something is missing; ``losses`` has the gaps.
    :ivar unknown: nothing is known of this time.
    """

    exchange: str
    market: str
    data_type: str
    start: int
    end: int
    recorded: list[Interval]
    missing: list[Interval]
    unknown: list[Interval]
    losses: list[Gap]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing or unknown."""
        return not self.losses

    @property
    def share(self) -> float:
        """The share of the time (0 to 1) that is recorded whole."""
        return total_length(self.recorded) / (self.end - self.start)


def coverage_of(stream: StreamKey, window: Window, gaps: list[Gap]) -> Coverage:
    """The coverage of a window with these gaps."""
    start, end = window
    missing = intersection(((gap.start, max(gap.end, gap.start + 1)) for gap in gaps if not gap.is_unknown), [window])
    unknown = intersection(((gap.start, gap.end) for gap in gaps if gap.is_unknown), [window])
    unknown = intersection(unknown, complement(missing, window))
    recorded = complement(union([*missing, *unknown]), window)
    return Coverage(*stream, start, end, recorded, missing, unknown, gaps)


# The day-by-day search


class GapFinder:
    """Finds the gaps of a window day by day. The days must come in order.

    Where ids prove that nothing is missing between two records, outages between them are no gaps.
    """

    def __init__(self, files: DayFiles, outages: "Outages", stream: StreamKey, window: Window) -> None:
        self._files = files
        self._outages = outages
        self._stream = stream
        self._window = window
        self._ids = id_tracker(stream) if is_numbered(stream) else None
        self._last: OpenedDay | None = None
        self._pending: list[Gap] = []
        self._seen_until: int | None = None

    def day(self, opened: OpenedDay) -> list[Gap]:
        """The gaps of a day. Outages after its last record stay pending: the next day's ids may disprove them."""
        run = opened.day.run if opened.day is not None else None
        outages = self._outages.of(self._stream, day_of(opened.start), run)
        if self._ids is None:
            return inside(outages, self._window)
        if self._last is None:
            self._look_before(opened)
        self._last = opened
        window = clip((self._window[0] - MARGIN, self._window[1] + MARGIN), opened.start)
        seen = self._ids.take(opened.source, window) if opened.source is not None else None
        if seen is None:
            self._pending += outside(outages, (opened.start, self._seen_until or opened.start))
            return inside(self._certified_gaps(opened), self._window)
        return inside(self._gaps(opened, seen, outages), self._window)

    def end(self) -> list[Gap]:
        """The gaps after the last record of all days."""
        opened = self._last
        if self._ids is None or opened is None:
            return []
        missing, next_midnight = self._pending, opened.start + DAY
        if self._window[1] + MARGIN < next_midnight:
            return inside(missing, self._window)
        if opened.day is not None and opened.day.run is not None:
            edge = self._edge(opened.day, "end")
            if edge is not None and self._seen_until is not None:
                missing = _gaps_at_edge(self._stream, edge, (self._seen_until, next_midnight))
        else:
            seen = self._look_at(next_midnight, (next_midnight, self._window[1] + MARGIN))
            missing = seen.gaps if seen is not None else missing
        return inside(missing, self._window)

    def _gaps(self, opened: OpenedDay, seen: "IdsSeen", outages: list[Gap]) -> list[Gap]:
        """The gaps of a day with records."""
        gaps = list(seen.gaps)
        if self._seen_until is None:  # no record before the day was seen: only a certificate can tell
            reaches = self._window[0] - MARGIN <= opened.start
            edge = self._edge(opened.day, "start") if reaches else None
            if edge is None:
                gaps += self._pending + outside(outages, (seen.first, opened.start + DAY))
            else:
                gaps += [*self._pending, *_gaps_at_edge(self._stream, edge, (opened.start, seen.first))]
        self._seen_until = seen.last
        self._pending = outside(outages, (opened.start, seen.last))
        return gaps

    def _certified_gaps(self, opened: OpenedDay) -> list[Gap]:
        """The gaps of a day without records, as its certificate has them between the days around it."""
        edges = [self._edge(opened.day, "start"), self._edge(opened.day, "end")]
        whole = opened.start, opened.start + DAY
        return list(
            dict.fromkeys(gap for edge in edges if edge is not None for gap in _gaps_at_edge(self._stream, edge, whole))
        )

    def _look_before(self, opened: OpenedDay) -> None:
        """Look at the day before one that has no certificate, which would tell how the two days join."""
        start = max(self._window[0] - MARGIN, 0)
        if start < opened.start and (opened.day is None or opened.day.run is None):
            seen = self._look_at(opened.start - DAY, (start, opened.start))
            self._seen_until = seen.last if seen is not None else None

    def _look_at(self, start: int, window: Window) -> "IdsSeen | None":
        assert self._ids is not None
        with self._files.open_at(self._stream, start, window) as opened:
            return self._ids.take(opened.source, window) if opened.source is not None else None

    def _edge(self, day: MarketDay | None, name: Literal["start", "end"]) -> DayEdge | None:
        """What a certificate has of the place between two days; None where it has nothing."""
        if day is None or day.run is None:
            return None
        edges = self._files.certified(day).edges
        return edges.start if name == "start" else edges.end


def inside(gaps: Iterable[Gap], window: Window) -> list[Gap]:
    """The gaps that may lie in a window. A record that is missing by its id may be as late as the record after it."""
    start, end = window
    return [gap for gap in gaps if gap.start < end and (gap.end >= start if gap.numbered else gap.end > start)]


def outside(outages: Iterable[Gap], proven: Window) -> list[Gap]:
    """The outages without the time in which ids prove that nothing is missing."""
    start, end = proven
    left = []
    for outage in outages:
        if outage.start < min(outage.end, start):
            left.append(outage._replace(last=min(outage.end, start)))
        if max(outage.start, end) < outage.end:
            left.append(outage._replace(first=max(outage.start, end)))
    return left


def _gaps_at_edge(stream: StreamKey, edge: DayEdge, between: Window) -> list[Gap]:
    start, end = between
    ranges = [(GapUnit.ID, first, last) for first, last in edge.missing_ids]
    ranges += [(GapUnit.LINK, before + 1, after - 1) for before, after in edge.broken_links]
    return [Gap(*one, GapCause.LOST, stream.data_type, stream.market, start, end) for one in ranges]


# Gaps by ids


class IdsSeen(NamedTuple):
    """The gaps between the ids of a window, and the times (µs) of its first and last record with an id."""

    gaps: list[Gap]
    first: int
    last: int


class IdTracker(Protocol):
    """Looks at the ids of a stream, window by window."""

    def take(self, source: RowSource, window: Window) -> IdsSeen | None:
        """Look at the next window. A gap before its first id belongs to it. None where it has no id."""
        ...


def id_tracker(stream: StreamKey) -> IdTracker:
    """The tracker of a stream that :func:`is_numbered`."""
    channel = channel_of(stream)
    rule = sequence.NONE if channel is None else channel.rule
    return TradeIds(rule, stream.market) if stream.data_type == TRADES else UpdateIds(rule, stream.market)


_PAIRS_SQL: Final = """
WITH numbered AS (
    SELECT {number} AS number, timestamp AS time
    FROM {{table}}
    WHERE timestamp >= {start} AND timestamp < {end} AND {number} IS NOT NULL
), numbers AS (
    SELECT number, min(time) AS time, max(time) AS latest FROM numbered GROUP BY number
), pairs AS (
    SELECT number, time, latest, lag(number) OVER in_order AS before, lag(time) OVER in_order AS before_time
    FROM numbers
    WINDOW in_order AS (ORDER BY number)
)
"""
_ENDS_SQL: Final = "SELECT min((time, number)), max((time, number)) FROM numbered"
_HOLES_SQL: Final = """
SELECT before, number, before_time, time FROM pairs WHERE number > before + 1 AND time >= before_time - {slack}
"""
_COUNT_GOING_BACK_SQL: Final = """
SELECT count(*) FROM pairs WHERE time < before_time - {slack} OR latest > time + {slack}
"""
_RESET_SQL: Final = """
, seen AS (
    SELECT
        time, number,
        lag(time) OVER (ORDER BY time, number) AS before,
        max(number) OVER (ORDER BY time RANGE BETWEEN UNBOUNDED PRECEDING AND {slack} PRECEDING) AS highest
    FROM numbered
)
SELECT before, time FROM seen WHERE number <= highest ORDER BY time LIMIT 1
"""


class TradeIds:
    """Trades whose ids rise by one.

    A higher id with a clearly earlier time is from before a reset of the exchange's ids, so there is no hole between
    the two. Nothing shows what was lost around a reset.
    """

    def __init__(self, rule: str, market: str) -> None:
        self._market = market
        self._number = "sequence" if rule == sequence.SEQUENCED else "TRY_CAST(id AS BIGINT)"
        self._last: tuple[int, int] | None = None

    def take(self, source: RowSource, window: Window) -> IdsSeen | None:
        """See :class:`IdTracker`."""
        names = {"number": self._number, "start": window[0], "end": window[1], "slack": CERTAINLY_LATER}

        def query(sql: str) -> list[tuple[Any, ...]]:
            return source.query((_PAIRS_SQL + sql).format(**names))

        ((first, last),) = query(_ENDS_SQL)
        if first is None:
            return None
        (first_time, first_number), (last_time, last_number) = first, last
        pairs = query(_HOLES_SQL)
        ((going_back,),) = query(_COUNT_GOING_BACK_SQL)
        resets = query(_RESET_SQL) if going_back else []
        if self._last is not None:
            before_time, before = self._last
            if first_number > before + 1 and first_time >= before_time - CERTAINLY_LATER:
                pairs.append((before, first_number, before_time, first_time))
        self._last = last_time, last_number
        gaps = [gap for pair in sorted(pairs) for gap in self._gaps(pair, source.burned)]
        gaps += [time_gap(TRADES, self._market, since, until, GapCause.RESET) for since, until in resets]
        return IdsSeen(gaps, first_time, last_time)

    def _gaps(self, pair: tuple[int, int, int, int], burned: list[Range]) -> Iterator[Gap]:
        """The gaps between two ids, without the burned ids between them."""
        before, after, start, end = pair
        first = before + 1
        for low, high in sorted(burned):
            if high < first or low >= after:
                continue
            if first < low:
                yield self._gap(first, low - 1, start, end)
            first = max(first, high + 1)
        if first < after:
            yield self._gap(first, after - 1, start, end)

    def _gap(self, first: int, last: int, start: int, end: int) -> Gap:
        return Gap(GapUnit.ID, first, last, GapCause.LOST, TRADES, self._market, start, end)


class UpdateIds:
    """Book messages that cover ranges of ids, or name the message before them."""

    def __init__(self, rule: str, market: str) -> None:
        self._book = BookReplayer(rule, market=market)

    def take(self, source: RowSource, window: Window) -> IdsSeen | None:
        """See :class:`IdTracker`."""
        make = record_maker(BOOK_UPDATES)
        gaps: list[Gap] = []
        first = last = None
        for row in source.select(BOOK_COLUMNS_WITHOUT_LEVELS, f"timestamp >= {window[0]} AND timestamp < {window[1]}"):
            message = make(row)
            self._book.apply(message)
            if self._book.gap is not None:
                gaps.append(self._book.gap)
            last = record_time(message)
            first = last if first is None else first
        return None if first is None or last is None else IdsSeen(gaps, first, last)


# Gaps by uptime


class Outages:
    """When no collector was connected to a market, or nothing is known of that. Thread-safe."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._logged = lru_cache(_MOST_DAYS)(self._by_uptime_logs)

    def of(self, stream: StreamKey, day: date, run: Run | None) -> list[Gap]:
        """The outages of a stream on a day, in order.

        :param run: the run that published the day; None for a day that is not published.
        """
        if run is None:
            return self._logged(stream, day, self._log_state(stream.exchange, day))
        certified = self._catalog.certificate(run).markets.get(stream.market)
        if certified is None:
            return [
                time_gap(stream.data_type, stream.market, midnight(day), midnight(day) + DAY, GapCause.NOT_RECORDED)
            ]
        return certified_outages(certified, stream)

    def _log_state(self, exchange: str, day: date) -> str:
        """A digest of the keys in the uptime logs around a day: while it stays the same, so do the day's outages."""
        around = (day - timedelta(days=1), day, day + timedelta(days=1))
        keys = sorted(
            f"{system} {item.key}"
            for system, store in self._catalog.systems.items()
            if store is not None
            for one in around
            for item in store.objects(uptime_log_prefix(exchange, one))
        )
        return sha256("\n".join(keys).encode()).hexdigest()

    def _by_uptime_logs(self, stream: StreamKey, day: date, state: str) -> list[Gap]:
        """The outages by the uptime logs. ``state`` distinguishes cached results only."""
        channel = channel_of(stream)
        data_type = stream.data_type
        if data_type == BOOK_UPDATES and channel is not None and BOOK_UPDATES not in channel.data_types:
            data_type = BOOK_SNAPSHOTS
        instances: defaultdict[tuple[str, str], list[StreamUptime]] = defaultdict(list)
        for system, store in self._catalog.systems.items():
            for line in readable_lines(store, stream.exchange, day) if store is not None else ():
                if line.data_type == data_type and line.market in (stream.market, "*"):
                    instances[system, line.instance].append(structs.replace(line, batches=[]))
        found = downtime(instances.values(), range(midnight(day), midnight(day) + DAY))
        return _outages(stream, found.down, found.unknown)


def certified_outages(certified: MarketCertificate, stream: StreamKey) -> list[Gap]:
    """The outages of a market's day, in order.

    :param certified: the market's entry in the day's certificate.
    """
    return _outages(stream, certified.downtime.down, certified.downtime.unknown)


def _outages(stream: StreamKey, down: list[Interval], unknown: list[Interval]) -> list[Gap]:
    of = stream.data_type, stream.market
    outages = [time_gap(*of, start, end, GapCause.DOWN) for start, end in down]
    outages += [time_gap(*of, start, end, GapCause.UNKNOWN) for start, end in unknown]
    return sorted(outages, key=lambda outage: outage.start)


# What a stream's exchange declares


def channel_of(stream: StreamKey) -> Channel | None:
    """The channel of a stream's records; None where the exchange declares none."""
    exchange = exchanges().get(stream.exchange)
    if exchange is None:
        return None
    if stream.data_type == BOOK_UPDATES:
        return exchange.book
    try:
        return exchange.channel(stream.data_type)
    except KeyError:
        return None


def is_numbered(stream: StreamKey) -> bool:
    """Whether the records' own ids show what is missing between them, whichever collectors were connected."""
    channel = channel_of(stream)
    if channel is None or channel.rule not in sequence.SPANS_CONNECTIONS:
        return False
    return sequence.rule(channel.rule, stream.data_type) is not None


def receipt_time(record: Any) -> int:
    """The later of a book message's own time and its receive time (µs), to be compared with outages.

    Outages are known by either clock. By this time a snapshot never precedes the outage that it ends, and an outage
    never follows the messages that it spoils.
    """
    received: int = record.local_timestamp
    return max(record_time(record), received)
