"""When nobody listened: the ledgers of all instances of all systems, for one market's day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from booktape.core.ledger import CONNECTED, COUNTER, TIME, Interval, Line, complement, intersection, union


@dataclass(frozen=True, slots=True)
class Downtime:
    """Times of a day (µs, from the first up to the second), by the collectors' clocks.

    ``down``: no instance of any system was connected and sound. ``unknown``: no ledger tells. ``sound``: at least one
    was. ``breaks`` counts how often an instance missed frames, or could not tell what it missed.
    """

    down: list[Interval] = field(default_factory=list)
    unknown: list[Interval] = field(default_factory=list)
    sound: list[Interval] = field(default_factory=list)
    breaks: int = 0


def downtime(instances: Iterable[Sequence[Line]], day: range) -> Downtime:
    """What the ledgers say of one stream's day (µs): the lines of each instance of each system."""
    within = (day.start, day.stop)
    covered: list[Interval] = []
    sound: list[Interval] = []
    breaks = 0
    for lines in instances:
        breaks += sum(gap.kind in (TIME, COUNTER) for line in lines for gap in line.gaps)
        covered += [(line.start, line.end) for line in lines]
        sound += _sound(lines, within)
    known, good = intersection(covered, [within]), union(sound)
    return Downtime(intersection(complement(good, within), known), complement(known, within), good, breaks)


def _sound(lines: Sequence[Line], within: Interval) -> list[Interval]:
    """When one instance was connected, and nothing of what it heard was missing as far as the rule could tell."""
    connected = [(start, end) for line in lines for state, start, end in line.states if state == CONNECTED]
    lost = [(gap.first, gap.last + 1) for line in lines for gap in line.gaps if gap.kind in (TIME, COUNTER)]
    return intersection(connected, complement(lost, within))
