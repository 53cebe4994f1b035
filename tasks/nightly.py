"""The nightly chain: one task per step, so that each is retried, limited and seen by itself."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from time import monotonic
from typing import Any, Final, NoReturn, TypeVar

import structlog
from celery import chain

from booktape.model.errors import BooktapeError, TransientError
from booktape.publish import manifest
from booktape.publish.active_runs import active_runs
from booktape.publish.aws_steps import require_revocable
from booktape.publish.days import past_day, yesterday
from booktape.publish.errors import GateFailedError
from booktape.publish.release import release_held_run as let_go
from booktape.publish.release import run_to_release
from booktape.publish.results import Certify, Check
from booktape.publish.sources import in_publication_order
from booktape.publish.steps import KINDS, perform, plan
from booktape.store.layout import Run
from config import metrics
from config.settings import require_primary
from tasks import locks
from tasks.application import BoundTask, task
from tasks.retries import GaveUpError, is_over, try_again
from tasks.runtime import context, redis, settings

T = TypeVar("T")

log = structlog.get_logger(__name__)


class NotStartedError(BooktapeError):
    """Some of several runs could not be taken up; the others were."""


@task("tasks.nightly.night")
def night(self: BoundTask, day: str | None = None, since: int | None = None) -> list[str]:
    """Publish a day (``YYYY-MM-DD``; yesterday, UTC, unless given) of every data source, side by side.

    A day that is done or held stays as it is; one that failed is tried again. A source's error stops no other source.
    """
    require_primary(settings())
    chosen = past_day(day) if day is not None else yesterday()
    store = context().store

    def take_up(source: str) -> Run | None:
        run = manifest.claim(store, source, chosen, "nightly", self.request.id)
        return run if manifest.can_go_on(store, run) and enqueue(run) else None

    try:
        return _take_up_each(in_publication_order(context().sources), take_up)
    except TransientError as error:
        keep = {} if day is not None else {"day": str(chosen)}
        try_again(self, error, settings().patience, since, keep=keep)


@task("tasks.nightly.republish")
def republish(self: BoundTask, source: str, day: str, since: int | None = None, *, revoke: bool = False) -> str:
    """Publish a source's day (``YYYY-MM-DD``) once more, as a run of its own: after healing, for instance.

    With ``revoke`` the earlier runs' revisions are revoked once the new one is final.
    """
    require_primary(settings())
    if revoke:
        require_revocable(context().source(source))
    try:
        name = context().source(source).name
        run = manifest.claim(context().store, name, past_day(day), "republish", self.request.id, revoke=revoke)
        enqueue(run)
    except TransientError as error:
        try_again(self, error, settings().patience, since)
    return str(run)


@task("tasks.nightly.release")
def release(self: BoundTask, source: str, day: str, number: int, who: str, why: str, since: int | None = None) -> str:
    """Let a run of a source's day go on that is held for its threshold, and only for that.

    The run is named by its number: none but the one that was looked at. By whom and why is recorded.
    """
    require_primary(settings())
    store = context().store
    try:
        run = run_to_release(store, context().source(source).name, past_day(day), number)
        let_go(store, run, who, why)
        enqueue(run)  # if somebody is still thought to look after it, the next look for abandoned runs takes it up
    except TransientError as error:
        try_again(self, error, settings().patience, since)
    log.warning("released", source=source, day=day, run=run.number, who=who, why=why)
    return str(run)


@task("tasks.nightly.resume")
def resume(self: BoundTask) -> list[str]:
    """Take up the runs that have not ended and that nobody looks after: their worker was killed."""
    store = context().store

    def take_up(run: Run) -> Run | None:
        return run if manifest.is_unfinished(store, run) and enqueue(run) else None

    resumed = _take_up_each(active_runs(store), take_up)
    log.info("resumed", runs=resumed)
    return resumed


def _take_up_each(candidates: Iterable[T], take_up: Callable[[T], Run | None]) -> list[str]:
    """Take up each of several runs, whatever becomes of the others.

    Raises afterwards: an error that may pass as it is, others as :class:`NotStartedError`.
    """
    taken: list[str] = []
    errors: list[BooktapeError] = []
    for candidate in candidates:
        try:
            run = take_up(candidate)
        except BooktapeError as error:
            log.error("not taken up", what=str(candidate), why=str(error))
            errors.append(error)
        else:
            taken.extend([str(run)] if run is not None else [])
    passing = [error for error in errors if isinstance(error, TransientError)]
    if passing:
        raise passing[0]
    if errors:
        raise NotStartedError(f"{len(errors)} not taken up, {len(taken)} taken up; the first: {errors[0]}") from errors[
            0
        ]
    return taken


def enqueue(run: Run) -> bool:
    """Queue the chain of a run's steps, unless somebody looks after the run already: then False."""
    steps = plan(context().source(run.source))
    if not locks.claim_heartbeat(redis(), run, settings().attended_seconds):
        return False
    manifest.reopen(context().store, run)
    chain(*(STEP_TASKS[step.name].si(run.source, str(run.day), run.number) for step in steps)).apply_async()
    return True


def _step_task(name: str) -> Any:
    def step(self: BoundTask, source: str, day: str, number: int, since: int | None = None) -> None:
        structlog.contextvars.bind_contextvars(source=source, day=day, run=number)
        _attempt(self, name, Run(source, date.fromisoformat(day), number), since)

    step.__doc__ = f"The step {name} of a run."
    return task(f"tasks.nightly.{name}")(step)


def _attempt(self: BoundTask, name: str, run: Run, since: int | None) -> None:
    """Do a step under the run's lock. Whatever stops it for good is recorded: the run must not seem to go on."""
    try:
        with locks.holding(redis(), run, settings().lock_seconds):
            _refuse_endless(name, run)
            _do(name, run)
        locks.heartbeat(redis(), run, settings().attended_seconds)
    except GateFailedError as error:
        log.warning("held", step=name, why=str(error))
        _count_end(run, held=1)
        raise
    except TransientError as error:
        _later(self, name, run, error, since)
    except Exception as error:  # recorded and raised: a run must not seem to go on
        _fail(name, run, error)
        raise


def _refuse_endless(name: str, run: Run) -> None:
    """Raise :class:`GaveUpError` for a step whose deadline and last chance have passed: each try of it was killed."""
    store, patience = context().store, settings().patience
    if manifest.result(store, run, KINDS[name]) is not None or not is_over(
        patience, manifest.first_tried(store, run, name)
    ):
        return
    if not manifest.take_last_try(store, run, name):
        why = "its tries were killed; does it need more than BOOKTAPE_TASK_SECONDS, or more memory?"
        raise GaveUpError(f"gave up after {patience.deadline:.0f} s: {why}")


def _do(name: str, run: Run) -> None:
    began = monotonic()
    again = manifest.result(context().store, run, KINDS[name]) is not None
    result = perform(context(), run, name)
    if again:
        return
    log.info("step done", step=name)
    metrics.emit({"Source": run.source, "Step": name}, {"StepSeconds": monotonic() - began}, day=str(run.day))
    if isinstance(result, Check):
        metrics.emit({"Source": run.source}, {"PublishedRows": result.rows}, day=str(run.day), run=run.number)
    if isinstance(result, Certify):
        missing = (result.expected or 0) - result.seen if result.expected is not None else 0
        metrics.emit({"Source": run.source}, {"MissingRecords": missing}, day=str(run.day), run=run.number)
    if name == plan(context().source(run.source))[-1].name:
        _count_end(run, done=1)


def _count_end(run: Run, *, done: int = 0, held: int = 0, failed: int = 0) -> None:
    """Each run ends as one of three; the zeros let an alarm tell health from silence."""
    ends = {"RunsDone": done, "RunsHeld": held, "RunsFailed": failed}
    metrics.emit({"Source": run.source}, ends, day=str(run.day), run=run.number)


def _later(self: BoundTask, name: str, run: Run, error: TransientError, since: int | None) -> NoReturn:
    with suppress(TransientError):  # if the store does not answer either, what the message says must do
        since = manifest.first_tried(context().store, run, name)

    def attend(pause: float) -> None:
        locks.heartbeat(redis(), run, pause + settings().attended_seconds)

    try:
        try_again(self, error, settings().patience, since, before=attend)
    except GaveUpError as over:
        _fail(name, run, over)
        raise


def _fail(name: str, run: Run, error: Exception) -> None:
    why = str(error) if isinstance(error, BooktapeError) else f"{type(error).__name__}: {error}"
    manifest.record_failure(context().store, run, name, why)
    log.error("failed", step=name, why=why, exc_info=error)
    _count_end(run, failed=1)


STEP_TASKS: Final[dict[str, Any]] = {name: _step_task(name) for name in KINDS}
"""The task of each step: ``tasks.nightly.merge``, ``tasks.nightly.check``, …"""
