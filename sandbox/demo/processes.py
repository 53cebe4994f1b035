"""The demo's processes: each in a group of its own, with a log file, and gone when the demo is."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from booktape.model.errors import BooktapeError

_ROOT: Final = str(Path(__file__).parents[2])
LAST_RESORT_SECONDS: Final = 300.0
"""After so long without what must happen, nothing will: a machine that is busy is only slow."""


class ProcessFailedError(BooktapeError):
    """A process of the demo ended by itself, or did not come up."""


@dataclass(frozen=True, slots=True)
class Process:
    """One running program and its log."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines of its log; other lines are passed over, and so is one that is being written."""
        found = []
        for line in self.log.read_bytes().splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
        return found

    def wait_for_line(self, key: str) -> dict[str, Any]:
        """The first JSON line with a key. Raises :class:`ProcessFailedError`."""
        deadline = time.monotonic() + LAST_RESORT_SECONDS
        while time.monotonic() < deadline:
            for line in self.lines():
                if key in line:
                    return line
            self.check()
            time.sleep(0.05)
        raise ProcessFailedError(f"{self.name} did not come up within {LAST_RESORT_SECONDS:g} s; see {self.log}")

    def check(self) -> None:
        """Raise :class:`ProcessFailedError` if it has ended."""
        if self.popen.poll() is not None:
            raise ProcessFailedError(f"{self.name} ended with status {self.popen.returncode}; see {self.log}")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the whole group; that it is gone is no error."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)


class Processes:
    """All programs that the demo has started."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self.environment = dict(environment)
        self.running: list[Process] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, module: str, *arguments: str) -> Process:
        """Run ``python -m module``; standard output and error go to ``<logs>/<name>.log``, appended.

        It runs in the directory of the logs: a module of the user's directory could have the name of one of ours.
        """
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._logs,
                env=os.environ | self.environment | {"PYTHONPATH": _ROOT},
                start_new_session=True,
            )
        process = Process(name, popen, log)
        self.running.append(process)
        return process

    def run(self, name: str, module: str, *arguments: str) -> None:
        """Run a program to its end. Raises :class:`ProcessFailedError` if it fails."""
        process = self.start(name, module, *arguments)
        if process.popen.wait() != 0:
            process.check()
        self.running.remove(process)

    def stop(self, processes: Sequence[Process]) -> None:
        """Ask programs to end, all at once, and wait; those that do not end at all are killed at last."""
        for process in processes:
            process.kill(signal.SIGTERM)
        deadline = time.monotonic() + LAST_RESORT_SECONDS
        for process in processes:
            try:
                process.popen.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.popen.wait()
        self.running = [process for process in self.running if process not in processes]


@contextmanager
def processes(logs: Path, environment: Mapping[str, str]) -> Iterator[Processes]:
    """Programs that live no longer than the context."""
    started = Processes(logs, environment)
    try:
        yield started
    finally:
        started.stop(list(reversed(started.running)))
