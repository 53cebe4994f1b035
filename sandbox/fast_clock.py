"""Run a program of Booktape by a market's clock instead of the wall clock.

``python -m sandbox.fast_clock START SPEED ORIGIN OPENING module argument…`` where START is the market's time at ORIGIN
(µs since the epoch), SPEED how many market seconds pass in a real one, and ORIGIN a reading of the monotonic clock,
which all processes of a machine share. OPENING is empty, or a file that names the moment until which the clock stands.
"""

import runpy
import sys
from pathlib import Path

from booktape.store import clock
from sandbox.exchanges.clock import MarketClock, Opening


def main() -> None:
    """Replace the functions of :mod:`booktape.store.clock` and run the module as ``python -m`` would."""
    start, speed, origin, opening, module, *arguments = sys.argv[1:]
    shared = Opening(Path(opening)) if opening else None
    market = MarketClock(int(start), float(speed), float(origin), opening=shared)
    clock.now = market.now
    clock.reading = lambda: _twice(market.now())
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _twice(time: int) -> tuple[int, int]:
    """Nobody sets a market's clock."""
    return time, time


if __name__ == "__main__":
    main()
