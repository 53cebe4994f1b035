"""What is missing of a stream: by the records' own numbers where they tell, else by when nobody listened."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Protocol

from booktape.archive.market_days import RowSource, StreamKey, Window
from booktape.archive.outages import channel_of
from booktape.archive.queries import SKINNY, record_of
from booktape.model.book_replay import BookReplayer
from booktape.model.gap import Gap, GapCause, GapUnit, time_gap
from booktape.model.id_sets import Range
from booktape.model.records import BOOK_UPDATES, TRADES, record_time
from booktape.model.resets import CERTAINLY_LATER
from booktape.model.sequence import NONE, SEQUENCED

_PAIRS: Final = """
WITH found AS (
    SELECT {number} AS number, timestamp AS time
    FROM {{table}}
    WHERE timestamp >= {start} AND timestamp < {end} AND {number} IS NOT NULL
), numbers AS (
    SELECT number, min(time) AS time, max(time) AS latest FROM found GROUP BY number
), pairs AS (
    SELECT number, time, latest, lag(number) OVER in_order AS before, lag(time) OVER in_order AS before_time
    FROM numbers
    WINDOW in_order AS (ORDER BY number)
)
"""
_ENDS: Final = "SELECT min((time, number)), max((time, number)) FROM found"
_HOLES: Final = """
SELECT before, number, before_time, time FROM pairs WHERE number > before + 1 AND time >= before_time - {slack}
"""
_GOES_BACK: Final = """
SELECT count(*) FROM pairs WHERE time < before_time - {slack} OR latest > time + {slack}
"""
_ANEW: Final = """
, seen AS (
    SELECT
        time, number,
        lag(time) OVER (ORDER BY time, number) AS before,
        max(number) OVER (ORDER BY time RANGE BETWEEN UNBOUNDED PRECEDING AND {slack} PRECEDING) AS highest
    FROM found
)
SELECT before, time FROM seen WHERE number <= highest ORDER BY time LIMIT 1
"""


class GapsSeen(NamedTuple):
    """What was found in a stretch: what is missing in it, and the times (µs) of its first and last numbered record."""

    missing: list[Gap]
    first: int
    last: int


class IdTracker(Protocol):
    """Reads stretches of a stream one after the other."""

    def take(self, source: RowSource, window: Window) -> GapsSeen | None:
        """Look at the next stretch; what is missing before it counts for it. None where it has no number."""
        ...


class TradeNumbers:
    """Trades whose numbers rise by one. A higher number that is older is of before the venue began anew: no hole.

    Where it did so, nobody can tell what was lost.
    """

    def __init__(self, rule: str, market: str) -> None:
        self._market = market
        self._number = "sequence" if rule == SEQUENCED else "TRY_CAST(id AS BIGINT)"
        self._last: tuple[int, int] | None = None

    def take(self, source: RowSource, window: Window) -> GapsSeen | None:
        """See :class:`IdTracker`."""
        names = {"number": self._number, "start": window[0], "end": window[1], "slack": CERTAINLY_LATER}

        def ask(sql: str) -> list[tuple[Any, ...]]:
            return source.query((_PAIRS + sql).format(**names))

        ((first, last),) = ask(_ENDS)
        if first is None:
            return None
        (first_time, first_number), (last_time, last_number) = first, last
        pairs = ask(_HOLES)
        ((goes_back,),) = ask(_GOES_BACK)
        anew = ask(_ANEW) if goes_back else []
        if self._last is not None:
            before_time, before = self._last
            if first_number > before + 1 and first_time >= before_time - CERTAINLY_LATER:
                pairs.append((before, first_number, before_time, first_time))
        self._last = last_time, last_number
        missing = [hole for pair in sorted(pairs) for hole in self._holes(pair, source.void)]
        missing += [time_gap(TRADES, self._market, since, until, GapCause.RESET) for since, until in anew]
        return GapsSeen(missing, first_time, last_time)

    def _holes(self, pair: tuple[int, int, int, int], void: list[Range]) -> Iterable[Gap]:
        before, after, start, end = pair
        first = before + 1
        for low, high in sorted(void):
            if high < first or low >= after:
                continue
            if first < low:
                yield self._hole(first, low - 1, start, end)
            first = max(first, high + 1)
        if first < after:
            yield self._hole(first, after - 1, start, end)

    def _hole(self, first: int, last: int, start: int, end: int) -> Gap:
        return Gap(GapUnit.ID, first, last, GapCause.LOST, TRADES, self._market, start, end)


class UpdateNumbers:
    """Book messages that cover ids, or name the message before."""

    def __init__(self, rule: str, market: str) -> None:
        self._book = BookReplayer(rule, market=market)

    def take(self, source: RowSource, window: Window) -> GapsSeen | None:
        """See :class:`IdTracker`."""
        make = record_of(BOOK_UPDATES)
        missing: list[Gap] = []
        first = last = None
        for row in source.select(SKINNY, f"timestamp >= {window[0]} AND timestamp < {window[1]}"):
            message = make(row)
            self._book.apply(message)
            if self._book.gap is not None:
                missing.append(self._book.gap)
            last = record_time(message)
            first = last if first is None else first
        return None if first is None or last is None else GapsSeen(missing, first, last)


def numbers_of(asked: StreamKey) -> IdTracker:
    """What looks at the numbers of a stream that has some."""
    channel = channel_of(asked)
    rule = NONE if channel is None else channel.rule
    return TradeNumbers(rule, asked.market) if asked.data_type == TRADES else UpdateNumbers(rule, asked.market)


def inside(missing: Iterable[Gap], window: Window) -> list[Gap]:
    """What may lie in a stretch. A record known by its number may be as late as the one after it."""
    start, end = window
    return [one for one in missing if one.start < end and (one.end >= start if one.numbered else one.end > start)]


def outside(lapses: Iterable[Gap], proven: Window) -> list[Gap]:
    """Lapses without the time of which numbers prove that nothing is missing."""
    start, end = proven
    left = []
    for lapse in lapses:
        if lapse.start < min(lapse.end, start):
            left.append(lapse._replace(last=min(lapse.end, start)))
        if max(lapse.start, end) < lapse.end:
            left.append(lapse._replace(first=max(lapse.start, end)))
    return left
