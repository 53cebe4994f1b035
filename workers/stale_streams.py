"""Detects streams that have been quiet for too long, each by its own limit. Pure."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

_MAX_FACTOR: Final = 64
_LONGEST_SILENCES: Final = 4

StreamT = TypeVar("StreamT", bound=Hashable)


class Activity(NamedTuple):
    """The number of records that a stream has had, and the seconds without a record after which it counts as stale."""

    records: int
    stale_after: int


@dataclass
class _State:
    records: int
    since: float
    reported: float
    longest: float = 0.0
    factor: int = 1


class StaleStreamDetector(Generic[StreamT]):
    """Reports each stream whose subscription may have died alone, so that it can be subscribed to again.

    The limit of a stream is the declared one, or four times its longest silence so far, whichever is longer. While the
    stream stays quiet, the limit doubles with each report, up to 64 times. So a dead stream is repaired fast, and a
    quiet market costs less and less.
    """

    def __init__(self) -> None:
        self._states: dict[StreamT, _State] = {}

    def check(self, now: float, streams: Mapping[StreamT, Activity]) -> list[StreamT]:
        """The streams that have just become stale.

        :param now: seconds of a monotonic clock.
        """
        return [stream for stream, activity in streams.items() if self._is_stale(now, stream, activity)]

    def _is_stale(self, now: float, stream: StreamT, activity: Activity) -> bool:
        state = self._states.get(stream)
        if state is None:
            self._states[stream] = _State(activity.records, now, now)
            return False
        if activity.records != state.records:
            longest = max(state.longest, now - state.since)
            self._states[stream] = _State(activity.records, now, now, longest)
            return False
        if now - state.reported < max(activity.stale_after, _LONGEST_SILENCES * state.longest) * state.factor:
            return False
        state.reported = now
        state.factor = min(state.factor * 2, _MAX_FACTOR)
        return True
