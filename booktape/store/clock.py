"""The wall clock, read in one place so that the sandbox can run a market's clock faster than real time."""

import time


def now() -> int:
    """The time of this machine's clock in µs since the epoch, UTC."""
    return time.time_ns() // 1_000


def reading() -> tuple[int, int]:
    """Read :func:`now` and the monotonic clock (µs) at the same moment.

    The monotonic clock is never set, and it stops while the machine sleeps. Where the two
    drift apart, one of these happened.
    """
    return now(), time.monotonic_ns() // 1_000
