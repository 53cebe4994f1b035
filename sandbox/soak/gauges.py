"""The memory and processor time of a process, as Linux reports them."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Final

from sandbox.demo.processes import Process

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_USER_TIME: Final = 11
_SYSTEM_TIME: Final = 12
"""Positions in ``/proc/<pid>/stat`` after the name, which is in parentheses."""


@dataclass
class Gauge:
    """One process's memory over time (resident, in MiB) and its processor time (s)."""

    process: Process
    samples: list[float] = field(default_factory=list)
    peak: float = 0.0
    processor: float = 0.0
    _before: float | None = None

    def sample(self) -> None:
        """Take a sample. The process must be running."""
        memory = _memory(self.process.popen.pid)
        self.samples.append(memory["VmRSS"])
        self.peak = memory["VmHWM"]
        used = _processor(self.process.popen.pid)
        self._before = used if self._before is None else self._before
        self.processor = used - self._before

    def quarter(self, number: int) -> float:
        """The mean of one of the four quarters (from 1) of all samples."""
        size = max(1, len(self.samples) // 4)
        start = (number - 1) * size
        return fmean(self.samples[start : start + size] or self.samples[-1:])

    @property
    def growth(self) -> float:
        """The growth from the second quarter to the last. Memory still fills during the first one."""
        return self.quarter(4) - self.quarter(2)


def _memory(pid: int) -> dict[str, float]:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) / 1024 for words in lines if words and words[-1] == "kB"}


def _processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])) / _TICKS
