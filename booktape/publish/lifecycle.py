"""The life of a run, read from manifests alone: claimed, active, held, released, failed, reopened, done.

``unfinished/{source}/{YYYY-MM-DD}/{run:04d}`` is an empty object, written before a run starts and deleted some time
after it has ended. It marks an active run: listing these few keys finds abandoned runs, however old their days are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from booktape.model.errors import StateError, TransientError
from booktape.publish import manifest
from booktape.publish.results import Certify, Check, Done, Failed, HeldRun, PreviousFile, Released, Start, name_of
from booktape.publish.retries import GateFailedError
from booktape.store.layout import (
    InvalidKeyError,
    Run,
    active_run_key,
    active_runs_prefix,
    parse_active_run_key,
    runs_prefix,
)
from booktape.store.objects import StorageDeniedError, Store

Reason = Literal["nightly", "republish"]
State = Literal["running", "held", "failed", "done"]

_NOT_STEPS: Final = frozenset(name_of(kind) for kind in (Start, Done, HeldRun, Failed))


class SupersededError(StateError):
    """A later run of the same day exists."""


class RunUnderWayError(TransientError):
    """An earlier run of the same day has not ended yet."""


class NotReleasableError(StateError):
    """The run is not held, or not for its source's threshold alone; or no reason was given."""


def claim_run(store: Store, source: str, day: date, reason: Reason, request: str, *, revoke: bool = False) -> Run:
    """The run that a request is for, started if it is new.

    A nightly request gets the day's last run, so that a republication that failed or was killed is taken up. A
    republication gets the first free number; the same request always gets the same run.

    :param request: identifies the request.
    :param revoke: whether the run revokes the revisions of earlier runs once its own is final.

    Raises :class:`RunUnderWayError` while an earlier run has not ended.
    """
    previous: PreviousFile | None = None
    number = _last_number(store, source, day) or 1 if reason == "nightly" else 1
    while True:
        run = Run(source, day, number)
        started = manifest.read_result(store, run, Start)
        if started is None:
            mark_active(store, run)
            started = manifest.record_result(store, run, Start(reason, request, previous, revoke))
        if reason == "nightly" or started.request == request:
            return run
        if not has_ended(store, run):
            raise RunUnderWayError(f"{run} is under way; a republication waits until it has ended")
        previous = published_by(store, run) or previous
        number += 1


def reopen_run(store: Store, run: Run) -> None:
    """Make a run that failed active again. Its step gets the whole deadline once more."""
    failed = manifest.read_failure(store, run)
    if failed is None:
        return
    mark_active(store, run)  # before the change: if this process is killed in between, the run is found
    manifest.clear_failure(store, run, failed)
    mark_active(store, run)  # and after it: another process may have deleted the mark meanwhile


def end_run(store: Store, run: Run, value: Done | HeldRun) -> None:
    """Record that a run is done or held. If this process is killed in between, :func:`is_unfinished` cleans up."""
    manifest.record_result(store, run, value)
    mark_inactive(store, run)


def has_ended(store: Store, run: Run) -> bool:
    """Whether a run is done, held or failed."""
    return _is_over(store, run) or manifest.read_failure(store, run) is not None


def _is_over(store: Store, run: Run) -> bool:
    return any(manifest.read_result(store, run, kind) is not None for kind in (Done, HeldRun))


def can_go_on(store: Store, run: Run) -> bool:
    """Whether a run is active or failed, and no later run of its day exists."""
    return not _is_over(store, run) and run.number == _last_number(store, run.source, run.day)


def refuse_superseded(store: Store, run: Run) -> None:
    """Raise :class:`SupersededError` if a later run of the day exists: an older run must not publish after it."""
    last = _last_number(store, run.source, run.day)
    if last > run.number:
        raise SupersededError(f"{run} is superseded by run {last}")


def published_by(store: Store, run: Run) -> PreviousFile | None:
    """The file that a run published; None if the run is not done."""
    if manifest.read_result(store, run, Done) is None:
        return None
    checked = manifest.require_result(store, run, Check)
    return PreviousFile(run.number, checked.sha256, checked.rows)


def mark_active(store: Store, run: Run) -> None:
    """Mark a run as active."""
    store.create(active_run_key(run), b"")


def mark_inactive(store: Store, run: Run) -> None:
    """Delete the mark of a run that has ended. If that is denied, the mark stays and costs a few reads now and then."""
    try:
        store.delete(active_run_key(run))
    except StorageDeniedError as error:
        _warn("the mark of a run that has ended stays", run=str(run), why=str(error))


def active_runs(store: Store) -> list[Run]:
    """The runs marked as active, of all sources and days. Some may have ended: see :func:`is_unfinished`."""
    runs = (_marked_run(item.key) for item in store.objects(active_runs_prefix()))
    return sorted((run for run in runs if run is not None), key=str)


def is_unfinished(store: Store, run: Run) -> bool:
    """Whether a run was started and has not ended. Deletes the mark of a run that has."""
    if manifest.read_result(store, run, Start) is None:
        return False
    if not has_ended(store, run):
        return True
    mark_inactive(store, run)
    if has_ended(store, run):
        return False
    mark_active(store, run)  # it was reopened meanwhile
    return True


def _marked_run(key: str) -> Run | None:
    try:
        return parse_active_run_key(key)
    except InvalidKeyError:
        _warn("the key names no run", key=key)
        return None


def _warn(event: str, **values: str) -> None:
    import structlog  # here, because readers of manifests need not have it

    structlog.get_logger(__name__).warning(event, **values)


def refuse_held(store: Store, run: Run, certified: Certify) -> None:
    """Raise :class:`~booktape.publish.retries.GateFailedError` if the certificate holds a run that is not released."""
    if certified.held is not None and manifest.read_result(store, run, Released) is None:
        raise GateFailedError(certified.held)


def release_held_run(store: Store, run: Run, who: str, why: str) -> Released:
    """Release a run that is held for its source's threshold alone, and record by whom and why.

    A run that was released before keeps its first release.

    Raises :class:`NotReleasableError`, or :class:`SupersededError` if a later run of the day exists.
    """
    held = require_releasable(store, run, who, why)
    if held is not None:
        manifest.record_result(store, run, Released(who, why, held.why))
        remove_hold(store, run)
    return manifest.require_result(store, run, Released)


def require_releasable(store: Store, run: Run, who: str, why: str) -> HeldRun | None:
    """The hold of a run; None if it was released before.

    Raises what :func:`release_held_run` raises, and changes nothing.
    """
    if not who.strip() or not why.strip():
        raise NotReleasableError(f"say who releases {run}, and why: it stands in the manifest for good")
    refuse_superseded(store, run)
    held = manifest.read_result(store, run, HeldRun)
    if held is None:
        if manifest.read_result(store, run, Released) is None:
            raise NotReleasableError(f"{run} is not held: booktape status --source {run.source} --day {run.day}")
        return None
    certified = manifest.read_result(store, run, Certify)
    if certified is None or held.step != name_of(Certify) or not certified.releasable:
        raise NotReleasableError(
            f"{run} is held at {held.step}: {held.why}; only a run below its source's threshold can be released"
        )
    return held


def remove_hold(store: Store, run: Run) -> None:
    """Make a held run active again. The caller has recorded why."""
    mark_active(store, run)  # before the change: if this process is killed in between, the run is found
    manifest.clear_hold(store, run)


def run_to_release(store: Store, source: str, day: date, number: int | None = None) -> Run:
    """The run to release: the one of that number, else the day's newest that is held or was released.

    Raises :class:`NotReleasableError` if there is none.
    """
    runs = [
        run
        for run in runs_of_day(store, source, day)
        if (run.number == number if number is not None else _was_held(store, run))
    ]
    if runs:
        return runs[-1]
    wanted = f"run {number}" if number is not None else "run that is held"
    raise NotReleasableError(
        f"there is no {wanted} of {source} on {day}: booktape status --source {source} --day {day}"
    )


def _was_held(store: Store, run: Run) -> bool:
    return any(manifest.read_result(store, run, kind) is not None for kind in (HeldRun, Released))


def runs_of_source(store: Store, source: str, *, since: date | None = None) -> Iterator[Run]:
    """A source's runs in order of day and number, from day ``since`` on."""
    for name in store.folders(runs_prefix(source)):
        day = date.fromisoformat(name)
        if since is None or day >= since:
            yield from runs_of_day(store, source, day)


def runs_of_day(store: Store, source: str, day: date) -> list[Run]:
    """A source's runs of a day, in order of number."""
    return [Run(source, day, number) for number in sorted(map(int, store.folders(runs_prefix(source, day))))]


def last_run(store: Store, source: str, day: date) -> Run | None:
    """A source's last run of a day; None if there is none."""
    return next(reversed(runs_of_day(store, source, day)), None)


def _last_number(store: Store, source: str, day: date) -> int:
    last = last_run(store, source, day)
    return last.number if last is not None else 0


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The state of a run.

    :param step: the last step that has a result; None if no step has.
    :param at: when that result was recorded, or else when the run was started, in µs.
    :param detail: what a run that is done achieved, or why a run is held or failed.
    :param steps: all steps that have a result, in the order in which their results were recorded.
    """

    run: Run
    state: State
    reason: Reason
    step: str | None
    at: int
    detail: str
    steps: tuple[str, ...]


def run_status(store: Store, run: Run) -> RunStatus:
    """The state of a run. Raises :class:`~booktape.publish.manifest.OutOfOrderError` if it was never started."""
    started = manifest.require_result(store, run, Start)
    times = manifest.recorded_times(store, run)
    steps = sorted(times.keys() - _NOT_STEPS, key=lambda name: (times[name], name))
    finished = tuple(step for step in steps if "." not in step)
    last = finished[-1] if finished else None
    state, detail = _state(store, run)
    return RunStatus(run, state, started.reason, last, times[last or name_of(Start)], detail, finished)


def _state(store: Store, run: Run) -> tuple[State, str]:
    if (done := manifest.read_result(store, run, Done)) is not None:
        return "done", done.detail
    if (held := manifest.read_result(store, run, HeldRun)) is not None:
        return "held", f"{held.step}: {held.why}"
    if (failed := manifest.read_failure(store, run)) is not None:
        return "failed", f"{failed.step}: {failed.why}"
    return "running", ""


def source_statuses(store: Store, source: str, *, since: date | None = None) -> Iterator[RunStatus]:
    """The state of each of a source's runs in order of day and number, from day ``since`` on.

    A run without a start is left out: in a directory, a run's folder exists a moment before its first object.
    """
    for run in runs_of_source(store, source, since=since):
        try:
            found = run_status(store, run)
        except manifest.OutOfOrderError:
            continue
        yield found
