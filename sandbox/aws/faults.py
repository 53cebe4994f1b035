"""Faults on order: the next calls, or the calls of the next seconds, fail in a chosen way."""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

# How the JSON of a fault names the thing whose outcome it decides, by service.
_OUTCOME_KEYS = ("job", "change_set", "query")


@dataclass
class Fault:
    """One fault.

    Either ``status`` is set, and a call answers that HTTP status (``after``: only once its effect has happened), or
    ``outcome`` is, and the next job, change set or query ends in that state. It stands for ``times`` matches, until
    ``expires`` (seconds of the monotonic clock), or, with neither, until it is cleared.
    """

    service: str
    operation: str | None = None
    status: int | None = None
    code: str | None = None
    after: bool = False
    outcome: str | None = None
    times: int | None = None
    expires: float | None = None


class Faults:
    """The faults that stand now. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, description: dict[str, Any]) -> None:
        """Add a fault from its JSON form.

        Keys: ``service``; ``status`` with optional ``operation``, ``code`` and ``after``, or one of ``job``,
        ``change_set`` and ``query``; ``times`` or ``seconds``. Raises ValueError for anything else.
        """
        rest = dict(description)
        outcomes = [rest.pop(key) for key in _OUTCOME_KEYS if key in rest]
        seconds = rest.pop("seconds", None)
        try:
            fault = Fault(**rest, outcome=outcomes[0] if outcomes else None)
        except TypeError as error:
            raise ValueError(f"not a fault: {error}") from error
        if len(outcomes) + (fault.status is not None) != 1:
            raise ValueError("a fault has a status, or one of " + ", ".join(_OUTCOME_KEYS))
        if seconds is not None:
            fault.expires = self._clock() + float(seconds)
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._faults.clear()

    def take_status(self, service: str, operation: str) -> Fault | None:
        """Return the fault that this call meets, if any, and count it as used once."""
        return self._take(
            lambda fault: fault.status is not None and fault.service == service and fault.operation in {None, operation}
        )

    def take_outcome(self, service: str) -> str | None:
        """Return the state in which the job, change set or query that starts now must end, if a fault says so."""
        fault = self._take(lambda fault: fault.outcome is not None and fault.service == service)
        return fault.outcome if fault else None

    def describe(self) -> list[dict[str, Any]]:
        """List the standing faults as JSON values."""
        with self._lock:
            self._forget_spent()
            return [asdict(fault) for fault in self._faults]

    def _take(self, matches: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            self._forget_spent()
            fault = next(filter(matches, self._faults), None)
            if fault and fault.times is not None:
                fault.times -= 1
            return fault

    def _forget_spent(self) -> None:
        now = self._clock()
        self._faults = [
            fault
            for fault in self._faults
            if (fault.times is None or fault.times > 0) and (fault.expires is None or fault.expires > now)
        ]
