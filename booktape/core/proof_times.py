"""When nobody listened: the ledgers of all instances of all systems, for one market's day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from booktape.core.ledger import Interval, Line, complement, intersection, union
from booktape.core.listening import listening


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


def downtime(instances: Iterable[Sequence[Line]], day: range) -> Downtime:
    """What the ledgers say of one stream's day (µs): the lines of each instance of each system.

    Those of the hours around it are welcome: they tell of the day's last minute, and that somebody was to listen. An
    instance without lines is one that recorded something, and of which no ledger tells.
    """
    within = (day.start, day.stop)
    found = [listening(lines) for lines in instances]
    sound = _clipped((one.sound for one in found), within)
    silent = intersection(_clipped((one.silent for one in found), within), complement(sound, within))
    bad = _clipped((_without(one.told, [*one.sound, *one.silent], within) for one in found), within)
    untold = _clipped((_without(one.due, one.told, within) for one in found), within)
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


def _without(some: Iterable[Interval], others: Iterable[Interval], within: Interval) -> list[Interval]:
    return intersection(some, complement(others, within))
