"""The size and the duration of a soak."""

from dataclasses import dataclass
from typing import Final

INSTANCES: Final = ("a", "b")
"""Each has a route of its own to the exchange, so that one can be disconnected and the other not.

Each also has a storage of its own, so that the soak can see what one instance misses. In production both write to one
storage, where the second copy of a batch is a no-op.
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
        """The duration from the moment when all connections are up to the close of the market."""
        return self.minutes * 60 / self.speed

    @property
    def calm(self) -> float:
        """The time before the close without any disconnects, so that every stream continues."""
        return min(_CALM_SECONDS, self.seconds / 3)

    @property
    def markets(self) -> list[str]:
        """The markets that make up ``streams``."""
        return [f"M{number:04}-USDT" for number in range(max(1, round(self.streams / CHANNELS)))]

    @property
    def subscribed(self) -> dict[str, int]:
        """The number of streams that each route carries when every connection is up."""
        return dict.fromkeys(INSTANCES, len(self.markets) * CHANNELS)
