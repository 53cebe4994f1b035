"""Market time: a virtual clock, and the texts in which venues write times.

Market time runs `speed` times as fast as real time, so that a simulated day passes in minutes. All times are integer
microseconds since the epoch, UTC, unless a name says otherwise.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

SECOND = 1_000_000
MILLISECOND = 1_000


class Opening:
    """The moment at which a market opens, in a file that all processes of a simulation share.

    Nobody knows that moment in advance: it is set once everybody is connected. It is a reading of the monotonic clock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._moment: float | None = None

    def set(self, moment: float) -> None:
        """Let the market open at `moment`, which must be in the future for all processes to agree about it."""
        written = self.path.with_name(f"{self.path.name}.new")
        written.write_text(repr(moment))
        written.replace(self.path)

    @property
    def moment(self) -> float | None:
        """When the market opens; None while that is not decided."""
        if self._moment is None:
            try:
                self._moment = float(self.path.read_text())
            except FileNotFoundError:
                return None
        return self._moment


@dataclass(frozen=True, slots=True)
class MarketClock:
    """Market time = `start` + (real seconds since `origin`) * `speed`.

    `origin` is a reading of the monotonic clock. That clock is the same for every process of a machine, so processes
    that are given the same `start`, `speed` and `origin` agree about market time without talking. With an `opening`,
    market time stands still at `start` until then.
    """

    start: int
    speed: float
    origin: float
    monotonic: Callable[[], float] = time.monotonic
    opening: Opening | None = None

    def elapsed(self) -> float:
        """Real seconds since the origin."""
        return self.monotonic() - self.origin

    def opened(self) -> float | None:
        """Real seconds from the origin to the market's opening; None while nobody knows when that is."""
        if self.opening is None:
            return 0.0
        moment = self.opening.moment
        return None if moment is None else moment - self.origin

    def at(self, elapsed: float) -> int:
        """Market time after `elapsed` real seconds."""
        if self.opening is None:
            return self.start + int(elapsed * self.speed * SECOND)
        opened = self.opened()
        return self.start if opened is None else self.start + int(max(0.0, elapsed - opened) * self.speed * SECOND)

    def now(self) -> int:
        """Market time now."""
        return self.at(self.elapsed())


def parse_time(text: str) -> int:
    """Microseconds of an ISO 8601 time; without an offset it is read as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND + moment.microsecond


def iso_micros(timestamp: int) -> str:
    """RFC 3339 with exactly six decimals, as Kraken writes it: `2026-08-26T15:16:16.637831Z`."""
    seconds, micros = divmod(timestamp, SECOND)
    return f"{_date_and_time(seconds)}.{micros:06d}Z"


def iso_trimmed(nanoseconds: int) -> str:
    """RFC 3339 with trailing zeros dropped, as Go and so Coinbase writes it: `2026-08-09T21:05:44.25045Z`."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    decimals = f".{fraction:09d}".rstrip("0").rstrip(".")
    return f"{_date_and_time(seconds)}{decimals}Z"


def http_date(timestamp: int) -> str:
    """The value of an HTTP `Date` header (RFC 9110, whole seconds)."""
    return format_datetime(datetime.fromtimestamp(timestamp // SECOND, UTC), usegmt=True)


def _date_and_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
