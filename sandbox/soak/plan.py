"""How large a soak is, and how long it lasts."""

from dataclasses import dataclass
from typing import Final

INSTANCES: Final = ("a", "b")
"""Each has a route of its own to the exchange, so that one can be cut and the other not.

And a storage of its own, so that what it lacks can be told. Elsewhere both write to one storage, where the second copy
of a batch is a no-op.
"""

SHARDS: Final = ("1/2", "2/2")
CHANNELS: Final = 3
"""Trades, book updates and quotes of each market."""

_CALM_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Plan:
    """``streams`` are those of one instance. ``rate`` is in events per market and real second; times are in seconds.

    ``speed`` is in market seconds per real second, ``lifetime`` that of a connection until another takes over,
    ``cuts`` the mean time between two cuts; 0 leaves them out. ``levels`` is the depth of a book's side.
    ``least_cuts`` and ``least_handovers``: it goes on until there were so many, however busy the machine is.
    """

    streams: int = 5000
    minutes: float = 10
    speed: float = 1
    rate: float = 0.5
    seed: int = 1
    cuts: float = 20
    lifetime: float = 60
    levels: int = 20
    least_cuts: int = 0
    least_handovers: int = 0

    @property
    def seconds(self) -> float:
        """How long it takes, from all connections being up to the market's close."""
        return self.minutes * 60 / self.speed

    @property
    def calm(self) -> float:
        """How long before the close nothing is cut any more, so that every stream goes on."""
        return min(_CALM_SECONDS, self.seconds / 3)

    @property
    def markets(self) -> list[str]:
        """As many markets as make so many streams."""
        return [f"M{number:04}-USDT" for number in range(max(1, round(self.streams / CHANNELS)))]

    @property
    def subscribed(self) -> dict[str, int]:
        """How many streams each route carries when every connection is up."""
        return dict.fromkeys(INSTANCES, len(self.markets) * CHANNELS)
