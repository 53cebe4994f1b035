"""The run manifest: one small object per finished step, written once and read by anyone without a lock.

``runs/{source}/{YYYY-MM-DD}/{run:04d}/{step}.json`` holds ``{"at": µs, "result": {…}}``. Writes are create-only, so
of two workers that did the same step one result stands, and both go on from that one. ``failed.json`` alone may be
overwritten: it is outdated as soon as the step that it names has a result.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Generic, Literal, TypeVar

from msgspec import DecodeError, Struct, ValidationError, json

from booktape import clock
from booktape.errors import BooktapeError, Transient
from booktape.publish.results import Attempt, Check, Done, Published, Start, Stopped
from booktape.publish.sources import Run, runs_prefix
from booktape.storage import NoSuchObject, Store

START: Final = "start"
CHECK: Final = "check"
DONE: Final = "done"
HELD: Final = "held"
FAILED: Final = "failed"
_NOT_STEPS: Final = frozenset({START, DONE, HELD, FAILED})
_ATTEMPT: Final = ".attempt-"

T = TypeVar("T", bound=Struct)


class BadManifest(BooktapeError):
    """A manifest object does not hold what its name says."""


class OutOfOrder(BooktapeError):
    """A step was asked for before the step that it builds upon."""


class Superseded(BooktapeError):
    """A later run of the same day exists."""


class RunUnderWay(Transient):
    """An earlier run of the same day has not ended yet."""


class Entry(Struct, Generic[T], frozen=True):
    """A manifest object: the result, and when it was recorded (µs)."""

    at: int
    result: T


class _Recorded(Struct):
    at: int


def entry(store: Store, run: Run, name: str, kind: type[T]) -> Entry[T] | None:
    """What is recorded under a name; None if nothing is. Raises :class:`BadManifest`."""
    key = _key(run, name)
    try:
        return json.decode(store.read(key), type=Entry[kind])  # type: ignore[valid-type]
    except NoSuchObject:
        return None
    except (DecodeError, ValidationError) as error:
        raise BadManifest(f"{store.url}/{key} is not a result of {name}: {error}") from error


def result(store: Store, run: Run, name: str, kind: type[T]) -> T | None:
    """The result that is recorded under a name; None if none is."""
    found = entry(store, run, name, kind)
    return found.result if found is not None else None


def required(store: Store, run: Run, name: str, kind: type[T]) -> T:
    """The result that is recorded under a name. Raises :class:`OutOfOrder` if none is."""
    found = result(store, run, name, kind)
    if found is None:
        raise OutOfOrder(f"{run} has no result of {name} yet; the steps go in order")
    return found


def record(store: Store, run: Run, name: str, value: T) -> T:
    """Record a result unless there is one; either way, return the one that stands."""
    if store.create(_key(run, name), _encoded(value)):
        return value
    return required(store, run, name, type(value))


def record_failure(store: Store, run: Run, step: str, why: str) -> None:
    """Say that a run stopped at a step, over what was said before."""
    store.replace(_key(run, FAILED), _encoded(Stopped(step, why)))


def attempts(store: Store, run: Run, step: str) -> list[Attempt]:
    """The tries of a step that the service broke, oldest first."""
    found: list[Attempt] = []
    while (attempt := result(store, run, _attempt(step, len(found) + 1), Attempt)) is not None:
        found.append(attempt)
    return found


def record_attempt(store: Store, run: Run, step: str, number: int, attempt: Attempt) -> Attempt:
    """Record the ``number``-th broken try of a step, counted from 1; return the record that stands."""
    return record(store, run, _attempt(step, number), attempt)


def claim(store: Store, source: str, day: date, reason: Literal["nightly", "republish"], request: str) -> Run:
    """The run that a request is for, started if it is new.

    The nightly run of a day is its first one, whoever asks. A republication takes the first free number, once per
    request. Raises :class:`RunUnderWay` while an earlier run has not ended.
    """
    previous: Published | None = None
    number = 1
    while True:
        run = Run(source, day, number)
        mine = record(store, run, START, Start(reason, request, previous))
        if reason == "nightly" or mine.request == request:
            return run
        state = status(store, run)
        if state.state == "running":
            raise RunUnderWay(f"{run} is under way; a republication waits until it has ended")
        previous = published(store, run) or previous
        number += 1


def published(store: Store, run: Run) -> Published | None:
    """What a run published; None if it did not come to that."""
    if result(store, run, DONE, Done) is None:
        return None
    checked = required(store, run, CHECK, Check)
    return Published(run.number, checked.sha256, checked.rows)


def refuse_superseded(store: Store, run: Run) -> None:
    """Raise :class:`Superseded` if a later run of the day exists."""
    later = [number for number in _numbers(store, run.source, run.day) if number > run.number]
    if later:
        raise Superseded(f"{run} is superseded by run {later[-1]}")


@dataclass(frozen=True, slots=True)
class Status:
    """Where a run stands. ``step`` is the last one that finished, ``at`` (µs) when; ``detail`` why it stands there."""

    run: Run
    state: Literal["running", "held", "failed", "done"]
    reason: str
    step: str | None
    at: int
    detail: str

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state != "running"


def status(store: Store, run: Run) -> Status:
    """Where a run stands. Raises :class:`OutOfOrder` if it was never started."""
    names = {_name(found.key) for found in store.objects(run.prefix)}
    started = entry(store, run, START, Start)
    if started is None:
        raise OutOfOrder(f"{run} was never started")
    steps = {name: _recorded_at(store, run, name) for name in names - _NOT_STEPS if _ATTEMPT not in name}
    last = max(steps, key=lambda name: steps[name], default=None)
    at = steps[last] if last is not None else started.at
    reason = started.result.reason
    if DONE in names and (done := result(store, run, DONE, Done)):
        return Status(run, "done", reason, last, at, done.detail)
    if HELD in names and (held := result(store, run, HELD, Stopped)):
        return Status(run, "held", reason, last, at, held.why)
    if FAILED in names and (failed := result(store, run, FAILED, Stopped)) and failed.step not in steps:
        return Status(run, "failed", reason, last, at, f"{failed.step}: {failed.why}")
    return Status(run, "running", reason, last, at, "")


def runs(store: Store, source: str, *, since: date | None = None) -> Iterator[Run]:
    """A source's runs in order of day and number; those of ``since`` and later days only, if given."""
    for name in store.folders(runs_prefix(source)):
        day = date.fromisoformat(name)
        if since is None or day >= since:
            yield from (Run(source, day, number) for number in _numbers(store, source, day))


def _numbers(store: Store, source: str, day: date) -> list[int]:
    return sorted(int(name) for name in store.folders(runs_prefix(source, day)))


def _key(run: Run, name: str) -> str:
    return f"{run.prefix}{name}.json"


def _name(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".json")


def _attempt(step: str, number: int) -> str:
    return f"{step}{_ATTEMPT}{number}"


def _recorded_at(store: Store, run: Run, name: str) -> int:
    return json.decode(store.read(_key(run, name)), type=_Recorded).at


def _encoded(value: Struct) -> bytes:
    return json.format(json.encode(Entry(clock.now(), value))) + b"\n"
