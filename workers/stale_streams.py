"""Streams that have gone quiet, each by its own limit. Pure."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

_LONGEST_FACTOR: Final = 64
_HABIT: Final = 4


StreamT = TypeVar("StreamT", bound=Hashable)


class Heard(NamedTuple):
    """How many records a stream has had, and after how many seconds of silence it is suspicious."""

    records: int
    quiet: int


@dataclass
class _State:
    records: int
    since: float
    asked: float
    longest: float = 0.0
    factor: int = 1


class StaleStreamDetector(Generic[StreamT]):
    """Says of each stream, once per silence, that it has been quiet for too long.

    The limit is what is declared, or four times the longest silence after which the stream went on by itself or not,
    whichever is longer; and it doubles each time that asking anew did not help, up to 64 times. So a dead stream is
    mended fast, and a quiet market costs ever less.
    """

    def __init__(self) -> None:
        self._states: dict[StreamT, _State] = {}

    def check(self, now: float, streams: Mapping[StreamT, Heard]) -> list[StreamT]:
        """The streams that have just become silent. ``now`` in seconds of a clock that never goes back."""
        return [stream for stream, heard in streams.items() if self._is_silent(now, stream, heard)]

    def _is_silent(self, now: float, stream: StreamT, heard: Heard) -> bool:
        state = self._states.get(stream)
        if state is None:
            self._states[stream] = _State(heard.records, now, now)
            return False
        if heard.records != state.records:
            longest = max(state.longest, now - state.since)
            self._states[stream] = _State(heard.records, now, now, longest)
            return False
        if now - state.asked < max(heard.quiet, _HABIT * state.longest) * state.factor:
            return False
        state.asked = now
        state.factor = min(state.factor * 2, _LONGEST_FACTOR)
        return True
