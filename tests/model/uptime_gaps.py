"""Gaps as the uptime log keeps them: first, last, kind, when noticed, whether by receive times."""

from collections.abc import Iterable

from msgspec import structs

from booktape.model import uptime
from booktape.model.gap import Gap, GapCause, GapUnit

Stored = tuple[object, ...]


def logged(first: int, last: int, kind: str, at: int, *, received: bool = False) -> Gap:
    """A gap of which the uptime log would keep this."""
    match kind:
        case "ids":
            return Gap(GapUnit.ID, first, last, noticed=at)
        case "linked":
            return Gap(GapUnit.LINK, first, last, noticed=at)
        case "counter":
            return Gap(GapUnit.TIME, first, last, GapCause.FRAMES_LOST, noticed=at, by_receipt=True)
        case "time":
            return Gap(GapUnit.TIME, first, last, GapCause.INTERRUPTED, noticed=at, by_receipt=received)
    raise ValueError(kind)


def stored_gap(gap: Gap) -> Stored:
    """What the uptime log keeps of a gap."""
    return structs.astuple(uptime._stored_gap(gap))


def stored(gaps: Iterable[Gap]) -> list[Stored]:
    """What the uptime log keeps of some gaps."""
    return list(map(stored_gap, gaps))
