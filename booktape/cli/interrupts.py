"""What Ctrl-C does: it ends the process quietly until a command runs, and is an exception inside the command.

Python reports an interrupt during an import with a traceback. While nothing is open that a command would have to close,
the process can simply end.
"""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Final

INTERRUPTED: Final = 130
"""The exit status: what shells report for a program that SIGINT ended."""


def end_on_interrupt() -> None:
    """Let SIGINT end this process. An ignored SIGINT stays ignored, as in a shell's background job."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_on_interrupt() -> None:
    """Let SIGINT raise KeyboardInterrupt again, so that a command can close what it has opened."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    with suppress(Exception):  # the interrupt may have come while standard output is written
        sys.stdout.flush()
    os._exit(INTERRUPTED)
