"""Runs the ``booktape`` command in this process, as the shell would."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from booktape.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit status and both outputs."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What was printed on standard output."""
        return self.out.splitlines()


@pytest.fixture
def booktape(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """``booktape("ingest", …)`` is what ``booktape ingest …`` is in a shell."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("BOOKTAPE_HEAL", "false")  # no test asks a real venue

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["booktape", *arguments])
        status = 0
        try:
            main()
        except SystemExit as exited:
            status = int(exited.code or 0)
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run
