"""The run manifest: one small object per finished step, written once and read by anyone without a lock.

``runs/{source}/{YYYY-MM-DD}/{run:04d}/{step}.json`` holds ``{"at": µs, "result": {…}}``. Writes are create-only, so
of two workers that did the same step one result stands, and both go on from that one. Only ``failed.json`` is ever
overwritten, or taken away for another try; and ``held.json`` is taken away once ``released.json`` says who let the run
go on. Names with a dot are notes beside the results: a step's broken tries (``merge.attempt-1``), its query
(``merge.query-1``), when it was first tried (``merge.began``).

:mod:`booktape.publish.active_runs` tells which runs may be under way.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from typing import Any, Final, Generic, Literal, TypeVar

from msgspec import DecodeError, Struct, json

from booktape.model.errors import BooktapeError, TransientError
from booktape.publish.active_runs import active_runs, mark_active, mark_ended
from booktape.publish.results import Attempt, Check, Done, Failed, HeldRun, PublishedFile, Query, Start, name_of
from booktape.store import clock
from booktape.store.layout import Run, manifest_key, parse_manifest_key, runs_prefix
from booktape.store.objects import ObjectNotFoundError, Store

_BEGAN: Final = "began"
_LAST_TRY: Final = "last-try"

Reason = Literal["nightly", "republish"]
T = TypeVar("T", bound=Struct)


class InvalidManifestError(BooktapeError):
    """A manifest object does not hold what its name says."""


class OutOfOrderError(BooktapeError):
    """A step was asked for before the step that it builds upon."""


class SupersededError(BooktapeError):
    """A later run of the same day exists."""


class RunUnderWayError(TransientError):
    """An earlier run of the same day has not ended yet."""


class Entry(Struct, Generic[T], frozen=True):
    """A manifest object: the result, and when it was recorded (µs)."""

    at: int
    result: T


def entry(store: Store, run: Run, kind: type[T], name: str | None = None) -> Entry[T] | None:
    """A kind of result and when it was recorded; None if there is none yet. Raises :class:`InvalidManifestError`."""
    try:
        found: Entry[T] = _read(store, manifest_key(run, name or name_of(kind)), Entry[kind])  # type: ignore[valid-type]  # made here
    except ObjectNotFoundError:
        return None
    return found


def result(store: Store, run: Run, kind: type[T]) -> T | None:
    """A kind of result; None if there is none yet."""
    found = entry(store, run, kind)
    return found.result if found is not None else None


def required(store: Store, run: Run, kind: type[T]) -> T:
    """A kind of result. Raises :class:`OutOfOrderError` if there is none yet."""
    found = result(store, run, kind)
    if found is None:
        raise OutOfOrderError(f"{run} has no result of {name_of(kind)} yet; the steps go in order")
    return found


def record(store: Store, run: Run, value: T) -> T:
    """Record a result unless there is one of its kind; either way, return the one that stands."""
    if store.create(manifest_key(run, name_of(type(value))), _encoded(value)):
        return value
    return required(store, run, type(value))


def record_failure(store: Store, run: Run, step: str, why: str) -> None:
    """Say that a run stopped at a step, over what was said before."""
    store.replace(manifest_key(run, name_of(Failed)), _encoded(Failed(step, why)))


def attempts(store: Store, run: Run, step: str) -> list[Attempt]:
    """The tries of a step that the service broke, oldest first."""
    found: list[Attempt] = []
    while (attempt := entry(store, run, Attempt, _attempt(step, len(found) + 1))) is not None:
        found.append(attempt.result)
    return found


def record_attempt(store: Store, run: Run, step: str, number: int, attempt: Attempt) -> None:
    """Record the ``number``-th broken try of a step, counted from 1, unless it is recorded."""
    store.create(manifest_key(run, _attempt(step, number)), _encoded(attempt))


def merge_query(store: Store, run: Run, step: str, number: int) -> str | None:
    """The id of the query that the ``number``-th try of a step started; None if it started none."""
    found = entry(store, run, Query, _query(step, number))
    return found.result.id if found is not None else None


def record_merge_query(store: Store, run: Run, step: str, number: int, identifier: str) -> None:
    """Record the query that the ``number``-th try of a step started, unless one is recorded."""
    store.create(manifest_key(run, _query(step, number)), _encoded(Query(identifier)))


def first_tried(store: Store, run: Run, step: str) -> int:
    """When (µs) a step was first tried since the run was last reopened: now, if this is the first time."""
    key = manifest_key(run, f"{step}.{_BEGAN}")
    store.create(key, json.encode(_Recorded(clock.now())))
    recorded: _Recorded = _read(store, key, _Recorded)
    return recorded.at


def take_last_try(store: Store, run: Run, step: str) -> bool:
    """Whether a step whose deadline has passed may be tried once more: it may once, until the run is reopened."""
    return store.create(manifest_key(run, f"{step}.{_LAST_TRY}"), json.encode(_Recorded(clock.now())))


def claim(store: Store, source: str, day: date, reason: Reason, request: str, *, revoke: bool = False) -> Run:
    """The run that a request is for, started if it is new.

    The nightly run of a day is its last one, whoever asks: so a republication that failed or was killed is taken up. A
    republication takes the first free number, once per request; with ``revoke`` it revokes the earlier runs' revisions
    once its own is final. Raises :class:`RunUnderWayError` while an earlier run has not ended.
    """
    previous: PublishedFile | None = None
    number = max(_numbers(store, source, day), default=1) if reason == "nightly" else 1
    while True:
        run = Run(source, day, number)
        started = result(store, run, Start)
        if started is None:
            mark_active(store, run)
            started = record(store, run, Start(reason, request, previous, revoke))
        if reason == "nightly" or started.request == request:
            return run
        if not has_ended(store, run):
            raise RunUnderWayError(f"{run} is under way; a republication waits until it has ended")
        previous = published(store, run) or previous
        number += 1


def reopen(store: Store, run: Run) -> None:
    """Let a run that failed be under way again, for another try with all the time that a first one has."""
    failed = failure(store, run)
    if failed is None:
        return
    mark_active(store, run)  # first: who dies in between leaves a run that is found
    for name in (f"{failed.step}.{_BEGAN}", f"{failed.step}.{_LAST_TRY}", name_of(Failed)):
        store.delete(manifest_key(run, name))
    mark_active(store, run)  # and last: somebody may have tidied it away meanwhile


def take_back_hold(store: Store, run: Run) -> None:
    """Let a run that is held be under way again. Who does so has recorded why."""
    mark_active(store, run)  # first: who dies in between leaves a run that is found
    store.delete(manifest_key(run, name_of(HeldRun)))


def end(store: Store, run: Run, value: Done | HeldRun) -> None:
    """Record that a run is over. If this process dies in between, :func:`unfinished` tidies up after it."""
    record(store, run, value)
    mark_ended(store, run)


def unfinished(store: Store) -> list[Run]:
    """The started runs that have not ended, of all sources and days."""
    return [run for run in active_runs(store) if is_unfinished(store, run)]


def is_unfinished(store: Store, run: Run) -> bool:
    """Whether a run was started and has not ended. Tidies up after one that has."""
    if result(store, run, Start) is None:
        return False
    if not has_ended(store, run):
        return True
    mark_ended(store, run)
    if has_ended(store, run):
        return False
    mark_active(store, run)  # it was reopened meanwhile
    return True


def can_go_on(store: Store, run: Run) -> bool:
    """Whether a run is under way or failed, and no later run of its day exists."""
    over = any(result(store, run, kind) is not None for kind in (Done, HeldRun))
    return not over and run.number == max(_numbers(store, run.source, run.day), default=0)


def has_ended(store: Store, run: Run) -> bool:
    """Whether a run is done, held or failed: nothing more happens to it by itself."""
    return any(result(store, run, kind) is not None for kind in (Done, HeldRun)) or failure(store, run) is not None


def failure(store: Store, run: Run) -> Failed | None:
    """Where and why a run failed; None if it did not, or got over it since."""
    failed = result(store, run, Failed)
    return failed if failed is not None and not store.exists(manifest_key(run, failed.step)) else None


def published(store: Store, run: Run) -> PublishedFile | None:
    """What a run published; None if it did not come to that."""
    if result(store, run, Done) is None:
        return None
    checked = required(store, run, Check)
    return PublishedFile(run.number, checked.sha256, checked.rows)


def refuse_superseded(store: Store, run: Run) -> None:
    """Raise :class:`SupersededError` if a later run of the day exists: the days' files must not go back in time."""
    last = max(_numbers(store, run.source, run.day), default=0)
    if last > run.number:
        raise SupersededError(f"{run} is superseded by run {last}")


def runs(store: Store, source: str, *, since: date | None = None) -> Iterator[Run]:
    """A source's runs in order of day and number; those of ``since`` and later days only, if given."""
    for name in store.folders(runs_prefix(source)):
        day = date.fromisoformat(name)
        if since is None or day >= since:
            yield from runs_of_day(store, source, day)


def runs_of_day(store: Store, source: str, day: date) -> list[Run]:
    """The runs of a day, in their order."""
    return [Run(source, day, number) for number in _numbers(store, source, day)]


def last(store: Store, source: str, day: date) -> Run | None:
    """The last run of a day; None if there is none."""
    return next(reversed(runs_of_day(store, source, day)), None)


def recorded(store: Store, run: Run) -> dict[str, int]:
    """When (µs) each object of a run's manifest was recorded, by its name."""
    times: dict[str, int] = {}
    for found in store.objects(run.prefix):
        with suppress(ObjectNotFoundError):  # a failed attempt's mark, taken away since it was listed
            times[parse_manifest_key(found.key).name] = _read(store, found.key, _Recorded).at
    return times


class _Recorded(Struct):
    at: int


def _read(store: Store, key: str, kind: Any) -> Any:
    content = store.read(key)
    try:
        return json.decode(content, type=kind)
    except DecodeError as error:
        raise InvalidManifestError(f"{store.url}/{key} does not hold what its name says: {error}") from error


def _numbers(store: Store, source: str, day: date) -> list[int]:
    return sorted(int(name) for name in store.folders(runs_prefix(source, day)))


def _attempt(step: str, number: int) -> str:
    return f"{step}.attempt-{number}"


def _query(step: str, number: int) -> str:
    return f"{step}.query-{number}"


def _encoded(value: Struct) -> bytes:
    return json.format(json.encode(Entry(clock.now(), value))) + b"\n"
