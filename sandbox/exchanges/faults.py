"""Misbehaviour on command: what a fault is, and which faults are in force.

A fault comes as a struct (in-process) or as its JSON (`POST /_sandbox/faults`): `{"fault": "refuse", "route":
"primary", "seconds": 5}`. Without a route it is meant for all of them. Durations are real seconds. What a fault
keeps from the clients stays in the ledger: the venue sent it, the network lost it.
"""

import time
from collections.abc import Callable, Iterable
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import Literal

import msgspec


class RouteFault(msgspec.Struct, tag_field="fault", forbid_unknown_fields=True, kw_only=True):
    """Anything that can go wrong on a route; None stands for every route."""

    route: str | None = None


class Drop(RouteFault, tag="drop"):
    """Cut all connections now, or so many of them: with this WebSocket close code, or without a word if it is None."""

    code: int | None = None
    connections: int | None = None


class Garbage(RouteFault, tag="garbage"):
    """Send nonsense to all connections now: text that is no JSON, JSON that nobody knows, or a binary frame."""

    kind: Literal["text", "json", "binary"] = "text"


class Refuse(RouteFault, tag="refuse"):
    """Answer 503 to every handshake and REST request for a while. Open connections stay."""

    seconds: float


class Stall(RouteFault, tag="stall"):
    """Send nothing for a while, the TCP connections staying open; what would have been sent is lost."""

    seconds: float


class Delay(RouteFault, tag="delay"):
    """Keep back all that is sent for a while; then it comes at once, in order, and nothing of it is lost."""

    seconds: float


class RestLimit(RouteFault, tag="rest_limit"):
    """Answer REST requests with 429 or 418 and `Retry-After` for a while."""

    seconds: float
    status: Literal[429, 418] = 429


class Withhold(RouteFault, tag="withhold"):
    """Lose the next `count` messages of the streams that match the pattern (`btcusdt@trade`, `level2:*`)."""

    stream: str = "*"
    count: int = 1


class Duplicate(RouteFault, tag="duplicate"):
    """Send the next `count` messages of the matching streams twice."""

    stream: str = "*"
    count: int = 1


class Reorder(RouteFault, tag="reorder"):
    """Let the next message of a matching stream change places with the one that follows it in that stream."""

    stream: str = "*"
    count: int = 1


class CorruptChecksum(RouteFault, tag="corrupt_checksum"):
    """Send the next `count` messages of the matching streams with a wrong checksum (Kraken books)."""

    stream: str = "book:*"
    count: int = 1


class Restamp(RouteFault, tag="restamp"):
    """Until cleared, Binance's `E` differs from connection to connection, as the real one's does."""


class Recut(RouteFault, tag="recut"):
    """Until cleared, Binance's depth windows are cut differently for each connection, as the real ones are."""


class MarketFault(msgspec.Struct, tag_field="fault", forbid_unknown_fields=True, kw_only=True):
    """Anything that the venue does to its own numbers, on all routes alike, in the markets that match the pattern.

    The ledger has a note of it (`"type": "skip"`, `"type": "reset"`).
    """

    markets: str = "*"


class SkipIds(MarketFault, tag="skip_ids"):
    """Use up the next trade ids and update ids for nothing: no message will ever have them."""

    trades: int = 3
    updates: int = 5


class ResetIds(MarketFault, tag="reset_ids"):
    """Begin trade ids and update ids anew, from one; past trades are forgotten. As after an exchange's restart."""


MomentaryFault = Drop | Garbage
VenueFault = SkipIds | ResetIds
CountedFault = Withhold | Duplicate | Reorder | CorruptChecksum
LastingFault = Refuse | Stall | Delay | RestLimit
Fault = MomentaryFault | VenueFault | LastingFault | CountedFault | Restamp | Recut


class Treatment(Enum):
    """What becomes of one message on one route."""

    SEND = auto()
    WITHHOLD = auto()
    DUPLICATE = auto()
    DELAY = auto()
    CORRUPT = auto()


TREATMENTS = {
    Withhold: Treatment.WITHHOLD,
    Duplicate: Treatment.DUPLICATE,
    Reorder: Treatment.DELAY,
    CorruptChecksum: Treatment.CORRUPT,
}


class _Entry:
    """A fault in force on one route, until a moment or for a number of messages."""

    def __init__(self, fault: LastingFault | CountedFault | Restamp | Recut, route: str, now: float) -> None:
        self.fault = fault
        self.route = route
        self.ends = now + fault.seconds if isinstance(fault, LastingFault) else None
        self.remaining = fault.count if isinstance(fault, CountedFault) else None

    def is_over(self, now: float) -> bool:
        return (self.ends is not None and now >= self.ends) or self.remaining == 0


class Faults:
    """The faults in force. Asking is cheap while there are none."""

    def __init__(self, routes: Iterable[str], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._routes = tuple(routes)
        self._monotonic = monotonic
        self._entries: list[_Entry] = []
        self.strike: Callable[[MomentaryFault, str], None] = lambda fault, route: None
        """Called for a fault that happens at once, for every route that it is meant for."""
        self.befall: Callable[[VenueFault], None] = lambda fault: None
        """Called for a fault of the venue itself, once."""

    def inject(self, fault: Fault) -> None:
        """Put a fault in force, or let it happen. Raises ValueError for an unknown route."""
        if isinstance(fault, VenueFault):
            self.befall(fault)
            return
        if fault.route is not None and fault.route not in self._routes:
            raise ValueError(f"no route {fault.route!r}; there are {', '.join(self._routes)}")
        for route in self._routes if fault.route is None else (fault.route,):
            if isinstance(fault, MomentaryFault):
                self.strike(fault, route)
            else:
                self._entries.append(_Entry(fault, route, self._monotonic()))

    def clear(self, route: str | None = None) -> None:
        """End all faults of a route, or all of them."""
        self._entries = [entry for entry in self._entries if route not in (None, entry.route)]

    def in_force(self) -> list[dict[str, object]]:
        """The faults in force, each with its route and what is left of it."""
        self._forget()
        now = self._monotonic()
        return [
            {
                **msgspec.to_builtins(entry.fault),
                "route": entry.route,
                "remaining_seconds": None if entry.ends is None else entry.ends - now,
                "remaining_count": entry.remaining,
            }
            for entry in self._entries
        ]

    def refuses(self, route: str) -> bool:
        """Whether handshakes and requests are turned away."""
        return self._find(Refuse, route) is not None

    def stalls(self, route: str) -> bool:
        """Whether nothing may be sent."""
        return self._find(Stall, route) is not None

    def delays(self, route: str) -> bool:
        """Whether all that is sent must wait."""
        return self._find(Delay, route) is not None

    def restamps(self, route: str) -> bool:
        """Whether sending times differ by connection."""
        return self._find(Restamp, route) is not None

    def recuts(self, route: str) -> bool:
        """Whether book windows differ by connection."""
        return self._find(Recut, route) is not None

    def rest_limit(self, route: str) -> tuple[int, int] | None:
        """The status and the seconds for `Retry-After`, if REST requests are being limited."""
        entry = self._find(RestLimit, route)
        if entry is None or not isinstance(entry.fault, RestLimit) or entry.ends is None:
            return None
        return entry.fault.status, max(1, int(entry.ends - self._monotonic() + 0.999))

    def treatment(self, route: str, stream: str) -> Treatment:
        """What becomes of a message that is about to be sent. Counts, so call it once per message and route."""
        if not self._entries:
            return Treatment.SEND
        self._forget()
        for entry in self._entries:
            fault = entry.fault
            if isinstance(fault, CountedFault) and entry.route == route and fnmatchcase(stream, fault.stream):
                entry.remaining = (entry.remaining or 0) - 1
                return TREATMENTS[type(fault)]
        return Treatment.SEND

    def _find(self, kind: type[Fault], route: str) -> _Entry | None:
        if not self._entries:
            return None
        self._forget()
        return next((entry for entry in self._entries if entry.route == route and isinstance(entry.fault, kind)), None)

    def _forget(self) -> None:
        now = self._monotonic()
        self._entries = [entry for entry in self._entries if not entry.is_over(now)]
