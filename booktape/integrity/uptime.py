"""When one instance listened to one stream: all that its ledger says of it, put together and by the exchange's clock.

The worker tells by its own clock, segment by segment, and some of it too late: a connection that died shortly before
the end of a segment stands there as connected, and the segment after it says since when it was dead.

When nobody listened: the ledgers of all instances of all systems, for one market's day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from booktape.model.gap import GapUnit
from booktape.model.intervals import Interval, complement, intersection, union
from booktape.model.records import SECOND
from booktape.model.uptime import CONNECTED, DOWN, SILENT, UNNOTICED, StreamUptime

_EVER: Final = 1 << 62

_ASTRAY: Final = SECOND
"""By how much (µs) a clock may be wrong of which nothing is known: what is lost is made longer by it at both ends."""


@dataclass(frozen=True, slots=True)
class InstanceUptime:
    """Times of one instance (µs, from the first up to the second).

    ``sound``: it was connected, and nothing was missing as far as its rules could tell. ``silent``: connected, but the
    stream was quiet beyond its habit. ``told``: its ledger says how it fared. ``due``: it should have; as long as no
    line says that the worker let the stream go. ``breaks``: each time that it missed frames, or could not tell what it
    missed. ``by_exchange``: the times are the exchange's, else the collector's.
    """

    sound: list[Interval]
    silent: list[Interval]
    told: list[Interval]
    due: list[Interval]
    breaks: list[Interval]
    by_exchange: bool


def instance_uptime(lines: Sequence[StreamUptime]) -> InstanceUptime:
    """What an instance's lines about one stream say. Without any, it is somebody of whom nothing is known."""
    timed = _by_exchange(lines)
    told = sorted((line for line in timed or lines if line.start < line.end), key=lambda line: line.start)
    gaps = [gap for line in timed or lines for gap in line.gaps if gap.unit is GapUnit.TIME]
    breaks = lost = [(gap.first, gap.last + 1) for gap in gaps]
    late = [(line.states[0].state, line.since, line.start) for line in told if line.since is not None and line.states]
    dead = [(since, start) for state, since, start in late if state != SILENT]
    quiet = [(since, start) for state, since, start in late if state == SILENT]
    if timed is None:
        lost, dead = _wider(lost), _wider([*dead, *_in_state(told, but=(CONNECTED, SILENT))])
    unproven = _unproven(told)
    known = _without([(line.start, line.end) for line in told], unproven)
    whole = _without(known, [*lost, *dead])
    return InstanceUptime(
        intersection(_in_state(told, CONNECTED), _without(whole, quiet)),
        intersection([*_in_state(told, SILENT), *quiet], whole),
        known,
        _due(told),
        breaks,
        timed is not None,
    )


def _in_state(lines: Iterable[StreamUptime], *wanted: str, but: Sequence[str] = ()) -> list[Interval]:
    states = [state for line in lines for state in line.states]
    return [(start, end) for state, start, end in states if (state in wanted if wanted else state not in but)]


def _without(some: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    return intersection(some, complement(others, (-_EVER, _EVER)))


def _wider(intervals: Iterable[Interval]) -> list[Interval]:
    return [(start - _ASTRAY, end + _ASTRAY) for start, end in intervals]


def _unproven(lines: Sequence[StreamUptime]) -> list[Interval]:
    """The last minute of segments that none follows: a connection that was dead by then would be told in the next."""
    begun = {line.start for line in lines}
    found = []
    for line in lines:
        if not line.over and line.end not in begun and line.states and line.states[-1].state in (CONNECTED, SILENT):
            found.append((max(line.end - UNNOTICED, line.states[-1].start), line.end))
    return union(found)


def _due(lines: Sequence[StreamUptime]) -> list[Interval]:
    """From where the worker began, but from where it let the stream go until it took it up again.

    A worker that begins is down at first. One that goes on in the first line was to listen before it.
    """
    if not lines:
        return [(-_EVER, _EVER)]
    first = lines[0]
    begins = first.since is None and all(state.state == DOWN for state in first.states[:1])
    begun = [line.start for line in lines]
    let_go = [(line.end, next((start for start in begun if start >= line.end), _EVER)) for line in lines if line.over]
    return complement(let_go, (first.start if begins else -_EVER, _EVER))


def _by_exchange(lines: Sequence[StreamUptime]) -> list[StreamUptime] | None:
    """The lines by the exchange's clock; None where no line tells how wrong the collector's was.

    A segment in which nothing was heard goes by the nearest one that knows. Where one segment follows another, both
    take the later one's word for the moment between them, so that neither a hole nor an overlap comes of it.
    """
    known = [(line.start, line.lag) for line in lines if line.lag is not None]
    if not known:
        return None
    lags = {line.start: _lag(line, known) for line in lines if line.start < line.end}
    return [_moved(line, lag := _lag(line, known), lags.get(line.end, lag)) for line in lines]


def _lag(line: StreamUptime, known: Sequence[tuple[int, int]]) -> int:
    return line.lag if line.lag is not None else min(known, key=lambda one: abs(one[0] - line.start))[1]


def _moved(line: StreamUptime, lag: int, at_end: int) -> StreamUptime:
    """A line by another clock."""

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


@dataclass(frozen=True, slots=True)
class Downtime:
    """Times of a day (µs, from the first up to the second).

    ``sound``: at least one instance of any system was connected and sound. ``silent``: else, at least one was
    connected, but the stream was quiet beyond its habit. ``down``: else, every instance that was to listen is known to
    have been cut off, or to have missed something. ``unknown``: else; some ledger does not tell. ``breaks`` counts how
    often an instance missed frames, or could not tell what it missed. ``by_exchange``: the times are the exchange's;
    else at least one instance heard no time of the exchange's, and its times are by its own clock. None without any
    ledger.
    """

    down: list[Interval] = field(default_factory=list)
    unknown: list[Interval] = field(default_factory=list)
    silent: list[Interval] = field(default_factory=list)
    sound: list[Interval] = field(default_factory=list)
    breaks: int = 0
    by_exchange: bool | None = None


def downtime(instances: Iterable[Sequence[StreamUptime]], day: range) -> Downtime:
    """What the ledgers say of one stream's day (µs): the lines of each instance of each system.

    Those of the hours around it are welcome: they tell of the day's last minute, and that somebody was to listen. An
    instance without lines is one that recorded something, and of which no ledger tells.
    """
    within = (day.start, day.stop)
    found = [instance_uptime(lines) for lines in instances]
    sound = _clipped((one.sound for one in found), within)
    silent = intersection(_clipped((one.silent for one in found), within), complement(sound, within))
    bad = _clipped((_without_within(one.told, [*one.sound, *one.silent], within) for one in found), within)
    untold = _clipped((_without_within(one.due, one.told, within) for one in found), within)
    rest = complement([*sound, *silent], within)
    down = intersection(intersection(rest, bad), complement(untold, within))
    heard = [one.by_exchange for one in found if one.told]
    return Downtime(
        down,
        intersection(rest, complement(down, within)),
        silent,
        sound,
        sum(bool(intersection([lost], [within])) for one in found for lost in one.breaks),
        all(heard) if heard else None,
    )


def _clipped(intervals: Iterable[list[Interval]], within: Interval) -> list[Interval]:
    return intersection(union(one for some in intervals for one in some), [within])


def _without_within(some: Iterable[Interval], others: Iterable[Interval], within: Interval) -> list[Interval]:
    return intersection(some, complement(others, within))
