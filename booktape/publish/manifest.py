"""The manifest of a run: one small object for each finished step, written once and read without a lock.

``runs/{source}/{YYYY-MM-DD}/{run:04d}/{step}.json`` holds ``{"at": µs, "result": {…}}``. Writes are create-only: if two
workers do the same step, the first result is kept and both go on from it. Only ``failed.json`` is ever overwritten, or
deleted for another try; ``held.json`` is deleted once ``released.json`` says who released the run.

Names with a dot are notes beside the results: a step's broken attempts (``merge.attempt-1``), its query
(``merge.query-1``), its first try (``merge.began``), its last try after the deadline (``merge.last-try``).
"""

from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from msgspec import DecodeError, Struct, json

from booktape.model.errors import DataError, StateError
from booktape.publish.results import Attempt, Failed, HeldRun, Query, name_of
from booktape.store import clock
from booktape.store.layout import Run, manifest_key, parse_manifest_key
from booktape.store.objects import ObjectNotFoundError, Store

_FIRST_TRY: Final = "began"
_LAST_TRY: Final = "last-try"

T = TypeVar("T", bound=Struct)


class InvalidManifestError(DataError):
    """A manifest object does not hold what its name says."""


class OutOfOrderError(StateError):
    """A step needs the result of an earlier step, and there is none."""


class Entry(Struct, Generic[T], frozen=True):
    """A manifest object: the result, and when it was recorded (µs)."""

    at: int
    result: T


def read_entry(store: Store, run: Run, kind: type[T], name: str | None = None) -> Entry[T] | None:
    """The result of a type, with its time; None if there is none.

    :param name: the object's name, if it is not that of the result's type.

    Raises :class:`InvalidManifestError`.
    """
    try:
        found: Entry[T] = _read(store, manifest_key(run, name or name_of(kind)), Entry[kind])  # type: ignore[valid-type]  # made here
    except ObjectNotFoundError:
        return None
    return found


def read_result(store: Store, run: Run, kind: type[T]) -> T | None:
    """The result of a type; None if there is none. Raises :class:`InvalidManifestError`."""
    found = read_entry(store, run, kind)
    return found.result if found is not None else None


def require_result(store: Store, run: Run, kind: type[T]) -> T:
    """The result of a type. Raises :class:`OutOfOrderError` if there is none, or :class:`InvalidManifestError`."""
    found = read_result(store, run, kind)
    if found is None:
        raise OutOfOrderError(f"{run} has no result of {name_of(kind)} yet; the steps go in order")
    return found


def record_result(store: Store, run: Run, value: T) -> T:
    """Record a result unless there is one of its type; either way, return the recorded one."""
    if store.create(manifest_key(run, name_of(type(value))), _encode(value)):
        return value
    return require_result(store, run, type(value))


def record_failure(store: Store, run: Run, step: str, why: str) -> None:
    """Record that a run failed at a step, in place of an earlier failure."""
    store.replace(manifest_key(run, name_of(Failed)), _encode(Failed(step, why)))


def read_failure(store: Store, run: Run) -> Failed | None:
    """Where and why a run failed; None if it did not, or if the step has got a result since."""
    failed = read_result(store, run, Failed)
    return failed if failed is not None and not store.exists(manifest_key(run, failed.step)) else None


def clear_failure(store: Store, run: Run, failed: Failed) -> None:
    """Delete a failure, and the times of the step's first and last try. The failure goes last."""
    for name in (f"{failed.step}.{_FIRST_TRY}", f"{failed.step}.{_LAST_TRY}", name_of(Failed)):
        store.delete(manifest_key(run, name))


def clear_hold(store: Store, run: Run) -> None:
    """Delete the hold of a run."""
    store.delete(manifest_key(run, name_of(HeldRun)))


def read_attempts(store: Store, run: Run, step: str) -> list[Attempt]:
    """The attempts of a step that the service broke, oldest first."""
    found: list[Attempt] = []
    while (attempt := read_entry(store, run, Attempt, _attempt(step, len(found) + 1))) is not None:
        found.append(attempt.result)
    return found


def record_attempt(store: Store, run: Run, step: str, number: int, attempt: Attempt) -> None:
    """Record the ``number``-th broken attempt of a step, counted from 1, unless it is recorded."""
    store.create(manifest_key(run, _attempt(step, number)), _encode(attempt))


def read_query(store: Store, run: Run, step: str, number: int) -> str | None:
    """The id of the query that the ``number``-th attempt of a step started; None if it started none."""
    found = read_entry(store, run, Query, _query(step, number))
    return found.result.id if found is not None else None


def record_query(store: Store, run: Run, step: str, number: int, identifier: str) -> None:
    """Record the query that the ``number``-th attempt of a step started, unless one is recorded."""
    store.create(manifest_key(run, _query(step, number)), _encode(Query(identifier)))


def read_first_try(store: Store, run: Run, step: str) -> int | None:
    """When (µs) a step was first tried since the run was last reopened; None if that is not recorded."""
    with suppress(ObjectNotFoundError):
        recorded: _Recorded = _read(store, manifest_key(run, f"{step}.{_FIRST_TRY}"), _Recorded)
        return recorded.at
    return None


def record_first_try(store: Store, run: Run, step: str, at: int) -> int:
    """Record when (µs) a step was first tried, unless that is recorded; either way, return the recorded time."""
    store.create(manifest_key(run, f"{step}.{_FIRST_TRY}"), json.encode(_Recorded(at)))
    recorded = read_first_try(store, run, step)
    return recorded if recorded is not None else at


def take_last_try(store: Store, run: Run, step: str) -> bool:
    """Claim the one try that a step has after its deadline; False if it was claimed since the run was reopened."""
    return store.create(manifest_key(run, f"{step}.{_LAST_TRY}"), json.encode(_Recorded(clock.now())))


def recorded_times(store: Store, run: Run) -> dict[str, int]:
    """When (µs) each object of a run's manifest was recorded, by the object's name."""
    times: dict[str, int] = {}
    for found in store.objects(run.prefix):
        with suppress(ObjectNotFoundError):  # deleted since it was listed, because the run was reopened
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


def _attempt(step: str, number: int) -> str:
    return f"{step}.attempt-{number}"


def _query(step: str, number: int) -> str:
    return f"{step}.query-{number}"


def _encode(value: Struct) -> bytes:
    return json.format(json.encode(Entry(clock.now(), value))) + b"\n"
