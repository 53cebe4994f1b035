"""The nightly chain: one task for each step, so that each is retried, limited and monitored on its own."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, Final, TypeVar

import structlog
from celery import chain

from booktape.model.errors import BooktapeError, FailedError, TransientError
from booktape.publish import lifecycle
from booktape.publish.aws_steps import require_revocable
from booktape.publish.days import past_day, yesterday
from booktape.publish.executor import RunObserver, try_step
from booktape.publish.results import Certify, Check, StepResult
from booktape.publish.retries import Fail, GateFailedError, Retry
from booktape.publish.sources import in_publication_order
from booktape.publish.steps import STEP_NAMES, plan
from booktape.store.layout import Run
from config import metrics
from config.settings import require_primary
from tasks import locks
from tasks.application import BoundTask, task
from tasks.resources import context, redis, settings
from tasks.retries import requeue, retry_or_give_up

T = TypeVar("T")

log = structlog.get_logger(__name__)


class NotStartedError(FailedError):
    """Some of several runs could not be started; the others were."""


@task("tasks.nightly.night")
def night(self: BoundTask, day: str | None = None, since: int | None = None) -> list[str]:
    """Publish a day (``YYYY-MM-DD``; default: yesterday, UTC) of every data source, side by side.

    A day that is done or held stays as it is; one that failed is tried again. A source's error stops no other source.
    """
    require_primary(settings())
    chosen = past_day(day) if day is not None else yesterday()
    store = context().store

    def start(source: str) -> Run | None:
        run = lifecycle.claim_run(store, source, chosen, "nightly", self.request.id)
        return run if lifecycle.can_go_on(store, run) and enqueue_run(run) else None

    try:
        return _start_each(in_publication_order(context().sources), start)
    except TransientError as error:
        keep = {} if day is not None else {"day": str(chosen)}
        retry_or_give_up(self, error, settings().retry_policy, since, keep=keep)


@task("tasks.nightly.republish")
def start_republication(
    self: BoundTask, source: str, day: str, since: int | None = None, *, revoke: bool = False
) -> str:
    """Publish a source's day (``YYYY-MM-DD``) once more, as a new run.

    :param revoke: whether the earlier runs' revisions are revoked once the new one is final.
    """
    require_primary(settings())
    if revoke:
        require_revocable(context().source(source))
    try:
        name = context().source(source).name
        run = lifecycle.claim_run(context().store, name, past_day(day), "republish", self.request.id, revoke=revoke)
        enqueue_run(run)
    except TransientError as error:
        retry_or_give_up(self, error, settings().retry_policy, since)
    return str(run)


@task("tasks.nightly.release")
def start_released(
    self: BoundTask, source: str, day: str, number: int, who: str, why: str, since: int | None = None
) -> str:
    """Release the run of that number, which is held for its source's threshold, and record by whom and why."""
    require_primary(settings())
    store = context().store
    try:
        run = lifecycle.run_to_release(store, context().source(source).name, past_day(day), number)
        lifecycle.release_held_run(store, run, who, why)
        enqueue_run(run)  # a run that still has a heartbeat is started by the next `resume`
    except TransientError as error:
        retry_or_give_up(self, error, settings().retry_policy, since)
    log.warning("released", source=source, day=day, run=run.number, who=who, why=why)
    return str(run)


@task("tasks.nightly.resume")
def resume(self: BoundTask) -> list[str]:
    """Start the runs that have not ended and have no heartbeat: their worker was killed."""
    store = context().store

    def start(run: Run) -> Run | None:
        return run if lifecycle.is_unfinished(store, run) and enqueue_run(run) else None

    resumed = _start_each(lifecycle.active_runs(store), start)
    log.info("resumed", runs=resumed)
    return resumed


def _start_each(candidates: Iterable[T], start: Callable[[T], Run | None]) -> list[str]:
    """Start several runs. An error stops no other run.

    :param start: starts a run and returns it; None if there is nothing to do.
    :returns: the started runs.

    Raises the first transient error, or else :class:`NotStartedError`, once all were tried.
    """
    started: list[str] = []
    errors: list[BooktapeError] = []
    for candidate in candidates:
        try:
            run = start(candidate)
        except BooktapeError as error:
            log.error("not started", what=str(candidate), why=str(error))
            errors.append(error)
        else:
            started.extend([str(run)] if run is not None else [])
    transient = [error for error in errors if isinstance(error, TransientError)]
    if transient:
        raise transient[0]
    if errors:
        text = f"{len(errors)} not started, {len(started)} started; the first error: {errors[0]}"
        raise NotStartedError(text) from errors[0]
    return started


def enqueue_run(run: Run) -> bool:
    """Queue the tasks of a run's steps, unless the run has a heartbeat; then False."""
    steps = plan(context().source(run.source))
    if not locks.claim_heartbeat(redis(), run, settings().attended_seconds):
        return False
    lifecycle.reopen_run(context().store, run)
    chain(*(STEP_TASKS[step.name].si(run.source, str(run.day), run.number) for step in steps)).apply_async()
    return True


class _Reporter(RunObserver):
    """Logs what happens to a run, and emits its metrics."""

    def on_result(self, run: Run, step: str, result: StepResult, seconds: float | None) -> None:
        if seconds is None:
            return
        log.info("step done", step=step)
        metrics.emit({"Source": run.source, "Step": step}, {"StepSeconds": seconds}, day=str(run.day))
        if isinstance(result, Check):
            _emit(run, {"PublishedRows": result.rows})
        if isinstance(result, Certify):
            _emit(run, {"MissingRecords": result.expected - result.seen if result.expected is not None else 0})

    def on_hold(self, run: Run, step: str, error: GateFailedError) -> None:
        log.warning("held", step=step, why=str(error))
        _emit_end(run, held=1)

    def on_failure(self, run: Run, step: str, failure: Fail) -> None:
        log.error("failed", step=step, why=failure.why, exc_info=failure.error)
        _emit_end(run, failed=1)

    def on_done(self, run: Run) -> None:
        _emit_end(run, done=1)


def _emit_end(run: Run, *, done: int = 0, held: int = 0, failed: int = 0) -> None:
    """Count how a run ended. The zeros let an alarm distinguish a healthy night from a dead one."""
    _emit(run, {"RunsDone": done, "RunsHeld": held, "RunsFailed": failed})


def _emit(run: Run, values: dict[str, int]) -> None:
    metrics.emit({"Source": run.source}, values, day=str(run.day), run=run.number)


@contextmanager
def _exclusive(run: Run) -> Iterator[None]:
    """Hold the run's lock; afterwards leave a heartbeat for the time until the next step's task starts."""
    with locks.holding(redis(), run, settings().lock_seconds):
        yield
    locks.heartbeat(redis(), run, settings().attended_seconds)


def _step_task(name: str) -> Any:
    def step(self: BoundTask, source: str, day: str, number: int, since: int | None = None) -> None:
        structlog.contextvars.bind_contextvars(source=source, day=day, run=number)
        run = Run(source, date.fromisoformat(day), number)
        outcome = try_step(
            context(),
            run,
            name,
            settings().retry_policy,
            _Reporter(),
            tries=self.request.retries,
            first_try=since,
            exclusive=lambda: _exclusive(run),
            repeats_killed_tries=True,
        )
        if isinstance(outcome, Retry):
            locks.heartbeat(redis(), run, outcome.seconds + settings().attended_seconds)
            requeue(self, outcome)

    step.__doc__ = f"The step {name} of a run."
    return task(f"tasks.nightly.{name}")(step)


STEP_TASKS: Final[dict[str, Any]] = {name: _step_task(name) for name in STEP_NAMES}
"""The task of each step: ``tasks.nightly.merge``, ``tasks.nightly.check``, …"""
