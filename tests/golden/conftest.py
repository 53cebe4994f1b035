"""The command line in this process, with a clock that stands still, and without Redis or a network."""

import getpass
import io
import itertools
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console, ConsoleDimensions

from tests.golden.entry import main

NOW = 1_723_464_000_000_000_000
"""2024-08-12 12:00 UTC, ns: when the clock begins, which goes on by a millisecond whenever it is read."""

Booktape = Callable[..., "Outcome"]

_UNSET = ("STORAGE", "REPLICA", "PUBLISH", "SOURCES", "VENUES", "ENGINE", "RESULTS", "SYSTEM", "RAW")


@dataclass(frozen=True)
class Outcome:
    """A command, and what it left: exit status and both outputs."""

    command: tuple[str, ...]
    status: int
    out: str
    err: str

    @property
    def structure(self) -> str:
        """What programs rely on."""
        out = self.out if self._is_for_programs else ""
        return f"$ booktape {' '.join(self.command)}\n--- exit status {self.status}\n{out}\n"

    @property
    def said(self) -> str:
        """What is for readers."""
        out = "" if self._is_for_programs else self.out
        return f"$ booktape {' '.join(self.command)}\n{out}{self.err}\n" if out or self.err else ""

    @property
    def _is_for_programs(self) -> bool:
        return self.command[0] == "replay" or not {"--json", "--csv"}.isdisjoint(self.command)


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    """What every command of a module runs in: the same settings, user, host and time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _UNSET:
            patch.delenv(f"BOOKTAPE_{name}", raising=False)
        patch.setattr(Console, "size", ConsoleDimensions(10_000, 25))  # whatever COLUMNS said when rich was imported
        patch.setenv("BOOKTAPE_HEAL", "false")
        patch.setenv("BOOKTAPE_POLL_SECONDS", "0.05")
        patch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
        ticks = itertools.count(NOW, 1_000_000)
        patch.setattr(time, "time_ns", lambda: next(ticks))
        patch.setattr(getpass, "getuser", lambda: "somebody")
        patch.setattr(socket, "gethostname", lambda: "somewhere")
        yield patch


@pytest.fixture(scope="module")
def booktape(environment: pytest.MonkeyPatch) -> Booktape:
    """``booktape("ingest", …)`` is what ``booktape ingest …`` is in a shell."""

    def run(*arguments: str | Path) -> Outcome:
        out, err = _Output(), _Output()
        status = 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["booktape", *map(str, arguments)])
            try:
                main()
            except SystemExit as exited:
                status = int(exited.code or 0)
            except Exception as error:  # a mistake in the program: what it does otherwise is still compared
                status = 1
                err.write(f"{type(error).__name__}: {error}\n")
        return Outcome(tuple(map(str, arguments)), status, out.text, err.text)

    return run


class _Output(io.TextIOWrapper):
    """What is printed, as text or as bytes."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding="utf-8", newline="", write_through=True)

    @property
    def text(self) -> str:
        self.flush()
        return self._bytes.getvalue().decode()
