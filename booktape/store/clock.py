"""The wall clock, read in one place, so that the sandbox can run a market's clock faster than real time."""

import time


def now() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1_000


def reading() -> tuple[int, int]:
    """:func:`now`, and at the same moment a clock of the same pace that nobody sets and that stops in sleep (µs)."""
    return now(), time.monotonic_ns() // 1_000
