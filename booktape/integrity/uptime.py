"""When a market's stream was recorded soundly, according to the uptime logs.

A worker writes its log segment by segment, by its own clock. Some of it is written late: a connection that died shortly
before the end of a segment is logged there as connected, and the next segment says since when it was dead.
:func:`instance_uptime` combines the lines of one instance and translates them to the exchange's clock;
:func:`downtime` combines the instances of all systems.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from booktape.model.gap import GapUnit
from booktape.model.intervals import Interval, complement, intersection, union
from booktape.model.records import SECOND
from booktape.model.uptime import CONNECTED, DOWN, SILENT, UNNOTICED, StreamUptime

_EVER: Final = 1 << 62

_CLOCK_ERROR: Final = SECOND
"""By how much (µs) a clock of unknown offset may be wrong: interruptions are extended by it at both ends."""


@dataclass(frozen=True, slots=True)
class Downtime:
    """Parts of a day, as half-open intervals in µs.

    ``sound``: at least one instance of any system was connected and sound. Of the remaining time, ``silent``: at least
    one was connected, but the stream was quiet for longer than usual; ``down``: every instance that was responsible is
    known to have been cut off or to have missed something; ``unknown``: the log of an instance that was responsible
    says nothing. ``interruptions`` counts how often an instance missed frames or could not determine what it missed.
    ``by_exchange``: the times are the exchange's; False where an instance received no time of the exchange, so that
    its times are by its own clock; None without a log.
    """

    down: list[Interval] = field(default_factory=list)
    unknown: list[Interval] = field(default_factory=list)
    silent: list[Interval] = field(default_factory=list)
    sound: list[Interval] = field(default_factory=list)
    interruptions: int = 0
    by_exchange: bool | None = None


@dataclass(frozen=True, slots=True)
class InstanceUptime:
    """Times of one instance, as half-open intervals in µs.

    ``sound``: it was connected, and its rules saw nothing missing. ``silent``: it was connected, but the stream was
    quiet for longer than usual. ``logged``: its log says how it was. ``due``: it was responsible for the stream, and so
    its log should say that: from the first line on, or from before it where the worker continued, until a line says
    that the worker gave the stream up. ``interruptions``: each time that it missed frames, or could not determine what
    it missed. ``by_exchange``: the times are the exchange's, else the collector's.
    """

    sound: list[Interval]
    silent: list[Interval]
    logged: list[Interval]
    due: list[Interval]
    interruptions: list[Interval]
    by_exchange: bool


def downtime(instances: Iterable[Sequence[StreamUptime]], day: range) -> Downtime:
    """Combine the uptime logs of one stream.

    :param instances: the lines of each instance of each system, in any order. Lines of the hours around the day belong
        to them: they show how its last minute was, and that an instance was responsible. An instance without lines is
        one that recorded something and has no log.
    :param day: the day (µs).
    """
    within = (day.start, day.stop)
    found = [instance_uptime(lines) for lines in instances]
    sound = _clipped((one.sound for one in found), within)
    silent = intersection(_clipped((one.silent for one in found), within), complement(sound, within))
    bad = _clipped((_without_within(one.logged, [*one.sound, *one.silent], within) for one in found), within)
    not_logged = _clipped((_without_within(one.due, one.logged, within) for one in found), within)
    rest = complement([*sound, *silent], within)
    down = intersection(intersection(rest, bad), complement(not_logged, within))
    clocks = [one.by_exchange for one in found if one.logged]
    return Downtime(
        down,
        intersection(rest, complement(down, within)),
        silent,
        sound,
        sum(bool(intersection([lost], [within])) for one in found for lost in one.interruptions),
        all(clocks) if clocks else None,
    )


def instance_uptime(lines: Sequence[StreamUptime]) -> InstanceUptime:
    """Combine the lines of one instance about one stream. Without lines, it was always responsible and never logged."""
    timed = _by_exchange(lines)
    logged = sorted((line for line in timed or lines if line.start < line.end), key=lambda line: line.start)
    gaps = [gap for line in timed or lines for gap in line.gaps if gap.unit is GapUnit.TIME]
    interruptions = lost = [(gap.first, gap.last + 1) for gap in gaps]
    late = [(line.states[0].state, line.since, line.start) for line in logged if line.since is not None and line.states]
    dead = [(since, start) for state, since, start in late if state != SILENT]
    quiet = [(since, start) for state, since, start in late if state == SILENT]
    if timed is None:
        lost, dead = _extended(lost), _extended([*dead, *_in_state(logged, but=(CONNECTED, SILENT))])
    known = _without([(line.start, line.end) for line in logged], _unconfirmed(logged))
    whole = _without(known, [*lost, *dead])
    return InstanceUptime(
        intersection(_in_state(logged, CONNECTED), _without(whole, quiet)),
        intersection([*_in_state(logged, SILENT), *quiet], whole),
        known,
        _due(logged),
        interruptions,
        timed is not None,
    )


def _clipped(intervals: Iterable[list[Interval]], within: Interval) -> list[Interval]:
    return intersection(union(one for some in intervals for one in some), [within])


def _without_within(some: Iterable[Interval], others: Iterable[Interval], within: Interval) -> list[Interval]:
    return intersection(some, complement(others, within))


def _without(some: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    return intersection(some, complement(others, (-_EVER, _EVER)))


def _in_state(lines: Iterable[StreamUptime], *wanted: str, but: Sequence[str] = ()) -> list[Interval]:
    states = [state for line in lines for state in line.states]
    return [(start, end) for state, start, end in states if (state in wanted if wanted else state not in but)]


def _extended(intervals: Iterable[Interval]) -> list[Interval]:
    return [(start - _CLOCK_ERROR, end + _CLOCK_ERROR) for start, end in intervals]


def _unconfirmed(lines: Sequence[StreamUptime]) -> list[Interval]:
    """The last minute of each segment that none follows: only the next one would say that a connection was dead."""
    starts = {line.start for line in lines}
    return union(
        (max(line.end - UNNOTICED, line.states[-1].start), line.end)
        for line in lines
        if not line.over and line.end not in starts and line.states and line.states[-1].state in (CONNECTED, SILENT)
    )


def _due(lines: Sequence[StreamUptime]) -> list[Interval]:
    """The times in which the instance was responsible for the stream.

    A worker that starts is down at first: it was not responsible before. One whose first line says otherwise continued,
    and was. It is responsible until a line says that it gave the stream up, and again from its next line on.
    """
    if not lines:
        return [(-_EVER, _EVER)]
    first = lines[0]
    starts_here = first.since is None and all(state.state == DOWN for state in first.states[:1])
    starts = [line.start for line in lines]
    given_up = [
        (line.end, next((start for start in starts if start >= line.end), _EVER)) for line in lines if line.over
    ]
    return complement(given_up, (first.start if starts_here else -_EVER, _EVER))


def _by_exchange(lines: Sequence[StreamUptime]) -> list[StreamUptime] | None:
    """Translate lines to the exchange's clock; None where no line knows the offset of the collector's clock.

    A segment that received nothing is translated by the offset of the nearest segment that knows one. Where one segment
    follows another, both use the later one's offset for the moment between them, so that neither a gap nor an overlap
    results.
    """
    known = [(line.start, line.lag) for line in lines if line.lag is not None]
    if not known:
        return None
    lags = {line.start: _lag(line, known) for line in lines if line.start < line.end}
    return [_translated(line, lag := _lag(line, known), lags.get(line.end, lag)) for line in lines]


def _lag(line: StreamUptime, known: Sequence[tuple[int, int]]) -> int:
    return line.lag if line.lag is not None else min(known, key=lambda one: abs(one[0] - line.start))[1]


def _translated(line: StreamUptime, lag: int, at_end: int) -> StreamUptime:
    """Move a line's times (µs) back by ``lag``, and its end by ``at_end``."""

    def moved(time: int) -> int:
        return time - (at_end if time == line.end else lag)

    return StreamUptime(
        line.data_type,
        line.market,
        line.instance,
        moved(line.start),
        moved(line.end),
        [state._replace(start=moved(state.start), end=moved(state.end)) for state in line.states],
        [gap._replace(first=moved(gap.first), last=moved(gap.last)) if gap.by_receipt else gap for gap in line.gaps],
        [],
        None if line.since is None else line.since - lag,
        line.lag,
        line.over,
    )
