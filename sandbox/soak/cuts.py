"""Disconnects one instance at a time, at random moments. The other one must have everything."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from sandbox.soak.plan import INSTANCES, Plan
from sandbox.soak.world import World

_REFUSED_SECONDS: Final = 3.0
_KINDS: Final = {"connection": 6, "route": 3, "outage": 1}
"""One connection, all of an instance, or all while the exchange refuses connections for some seconds; with weights."""


@dataclass
class Cuts:
    """Disconnects. ``made`` lists (kind, instance); ``last`` is the time of the last one, see :meth:`look`."""

    plan: Plan
    world: World
    made: list[tuple[str, str]] = field(default_factory=list)
    last: float = 0.0
    _due: float = 0.0

    def __post_init__(self) -> None:
        self._dice = Random(self.plan.seed)
        self._due = self._pause()

    def look(self, passed: float) -> None:
        """Disconnect if it is due, ``passed`` seconds after the beginning, and both instances are fully connected."""
        calm = passed > self.plan.seconds - self.plan.calm and len(self.made) >= self.plan.least_cuts
        if not self.plan.cuts or passed < self._due or calm:
            return
        if self.world.is_whole():
            self._cut()
            self.last = passed
            self._due = passed + self._pause()

    def _pause(self) -> float:
        return self.plan.cuts * self._dice.uniform(0.5, 1.5)

    def _cut(self) -> None:
        kind = self._dice.choices(list(_KINDS), list(_KINDS.values()))[0]
        instance = self._dice.choice(INSTANCES)
        self.made.append((kind, instance))
        if kind == "outage":
            self.world.misbehave(fault="refuse", route=instance, seconds=_REFUSED_SECONDS)
        self.world.misbehave(fault="drop", route=instance, connections=1 if kind == "connection" else None)
