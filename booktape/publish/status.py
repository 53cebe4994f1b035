"""Where the runs stand, read from their manifests alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from booktape.publish import manifest
from booktape.publish.results import Done, Failed, HeldRun, Start, name_of
from booktape.store.layout import Run
from booktape.store.objects import Store

State = Literal["running", "held", "failed", "done"]
_NOT_STEPS: Final = frozenset(name_of(kind) for kind in (Start, Done, HeldRun, Failed))


@dataclass(frozen=True, slots=True)
class Status:
    """Where a run stands.

    ``step`` is the last one that finished and ``at`` (µs) when; ``detail`` says what was reached, or why it stopped.
    ``steps`` are all finished steps, in the order in which they finished.
    """

    run: Run
    state: State
    reason: manifest.Reason
    step: str | None
    at: int
    detail: str
    steps: tuple[str, ...]


def status(store: Store, run: Run) -> Status:
    """Where a run stands. Raises :class:`~booktape.publish.manifest.OutOfOrderError` if it was never started."""
    started = manifest.required(store, run, Start)
    times = manifest.recorded(store, run)
    steps = sorted(times.keys() - _NOT_STEPS, key=lambda name: (times[name], name))
    finished = tuple(step for step in steps if "." not in step)
    last = finished[-1] if finished else None
    state, detail = _state(store, run)
    return Status(run, state, started.reason, last, times[last or name_of(Start)], detail, finished)


def _state(store: Store, run: Run) -> tuple[State, str]:
    if (done := manifest.result(store, run, Done)) is not None:
        return "done", done.detail
    if (held := manifest.result(store, run, HeldRun)) is not None:
        return "held", f"{held.step}: {held.why}"
    if (failed := manifest.failure(store, run)) is not None:
        return "failed", f"{failed.step}: {failed.why}"
    return "running", ""


def statuses(store: Store, source: str, *, since: date | None = None) -> Iterator[Status]:
    """Where each of a source's runs stands, in order of day and number.

    A run whose folder is there and whose first object is not was not started yet: a directory is made before its files.
    """
    for run in manifest.runs(store, source, since=since):
        try:
            found = status(store, run)
        except manifest.OutOfOrderError:
            continue
        yield found
