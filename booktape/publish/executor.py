"""Runs the steps of a run. Celery calls :func:`try_step` in a task for each step, the command line :func:`run_steps`.

A step's result is recorded in the run's manifest before anybody acts on it, so any step can be repeated at any time.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress

from booktape.model.errors import TransientError
from booktape.publish import lifecycle, manifest, results
from booktape.publish.context import Context
from booktape.publish.results import StepResult
from booktape.publish.retries import Fail, GateFailedError, Hold, Retry, RetryPolicy, decide
from booktape.publish.sources import DataSource
from booktape.publish.steps import Step, find_step, plan
from booktape.store import clock
from booktape.store.layout import Run


class RunObserver:
    """Receives what happens to the steps of a run. Every method does nothing unless a subclass overrides it."""

    def on_result(self, run: Run, step: str, result: StepResult, seconds: float | None) -> None:
        """A step has a result. ``seconds`` is how long the step took; None if the result was recorded before."""

    def on_retry(self, run: Run, step: str, retry: Retry) -> None:
        """A step is tried again later."""

    def on_hold(self, run: Run, step: str, error: GateFailedError) -> None:
        """The run is held."""

    def on_failure(self, run: Run, step: str, failure: Fail) -> None:
        """The run has failed. The failure is recorded already."""

    def on_done(self, run: Run) -> None:
        """The run's last step has a result that was not recorded before."""


def perform(context: Context, run: Run, name: str) -> StepResult:
    """Do a step unless it has a result; either way, return the result that is recorded.

    Raises :class:`GateFailedError` if the run is held (and records the hold), a
    :class:`~booktape.model.errors.TransientError` if the same call may succeed later, and any other error if the step
    has failed.
    """
    source = context.source(run.source)
    step = find_step(source, name)
    try:
        result = _perform_once(context, run, step)
    except GateFailedError as error:
        lifecycle.end_run(context.store, run, results.HeldRun(step.name, str(error)))
        raise
    if _is_last(source, step):
        lifecycle.end_run(context.store, run, results.Done(_where_published(source)))
    return result


def _perform_once(context: Context, run: Run, step: Step) -> StepResult:
    held = manifest.read_result(context.store, run, results.HeldRun)
    if held is not None:
        raise GateFailedError(held.why)
    result = manifest.read_result(context.store, run, step.kind)
    if result is None:
        lifecycle.refuse_superseded(context.store, run)
        result = manifest.record_result(context.store, run, step.do(context, run))
    if isinstance(result, results.Check) and result.held is not None:
        raise GateFailedError(result.held)
    if isinstance(result, results.Certify):
        lifecycle.refuse_held(context.store, run, result)
    return result


def _is_last(source: DataSource, step: Step) -> bool:
    return step.name == plan(source)[-1].name


def _where_published(source: DataSource) -> str:
    if source.data_set is None:
        return "published in the directory, no data set configured"
    products = ", ".join(product.entity for product in source.products) or "no product configured"
    return f"published in data set {source.data_set} ({products})"


def try_step(
    context: Context,
    run: Run,
    name: str,
    policy: RetryPolicy,
    observer: RunObserver,
    *,
    tries: int,
    first_try: int | None = None,
    exclusive: Callable[[], AbstractContextManager[None]] = nullcontext,
    repeats_killed_tries: bool = False,
) -> StepResult | Retry:
    """Try a step once, and record what comes of it.

    :param tries: how many tries came before this one.
    :param first_try: when (µs) the caller first tried the step; None if this is the first try.
    :param exclusive: makes the context in which the step runs, such as a lock. What the context raises is handled as
        if the step had raised it.
    :param repeats_killed_tries: whether the step is tried again automatically if the process is killed. The time of the
        first try is then recorded in the manifest before the try, so that the deadline counts whichever process tries.
    :returns: the step's result, or when to try again.

    The deadline counts from the first try in the manifest, or else from ``first_try``. After the deadline one last try
    is made of a step whose tries were killed; if that is killed too, the next call fails the step.

    Raises :class:`GateFailedError` if the run is held, :class:`~booktape.publish.retries.GaveUpError` if the deadline
    has passed, and the step's own error if the step has failed. Failures of every kind are recorded in the manifest.
    """
    started = clock.now()
    try:
        with exclusive():
            return _try(context, run, name, policy, observer, record_first_try=repeats_killed_tries)
    except Exception as error:  # whatever it is, the run must not seem to go on
        if isinstance(error, TransientError):
            first_try = _first_try(context, run, name, started, first_try, record=repeats_killed_tries)
        decision = decide(policy, error, first_try=first_try or started, now=clock.now(), tries=tries)
        if isinstance(decision, Retry):
            observer.on_retry(run, name, decision)
            return decision
        if isinstance(decision, Hold):
            observer.on_hold(run, name, decision.error)
            raise
        manifest.record_failure(context.store, run, name, decision.why)
        observer.on_failure(run, name, decision)
        if decision.error is error:
            raise
        raise decision.error from error


def _try(
    context: Context, run: Run, name: str, policy: RetryPolicy, observer: RunObserver, *, record_first_try: bool
) -> StepResult:
    source = context.source(run.source)
    step = find_step(source, name)
    is_repeated = manifest.read_result(context.store, run, step.kind) is not None
    if not is_repeated:
        _refuse_endless_tries(context, run, name, policy, record=record_first_try)
    began = time.monotonic()
    result = perform(context, run, name)
    observer.on_result(run, name, result, None if is_repeated else time.monotonic() - began)
    if not is_repeated and _is_last(source, step):
        observer.on_done(run)
    return result


def _refuse_endless_tries(context: Context, run: Run, name: str, policy: RetryPolicy, *, record: bool) -> None:
    """Raise :class:`~booktape.publish.retries.GaveUpError` if the deadline and the last try after it have passed.

    A try that ends by itself is judged when it ends. So the tries since the deadline were killed.
    """
    now = clock.now()
    if not policy.is_over(_recorded_first_try(context, run, name, now, record=record), now):
        return
    if not manifest.take_last_try(context.store, run, name):
        raise policy.give_up("its tries were killed; does it need more than BOOKTAPE_TASK_SECONDS, or more memory?")


def _recorded_first_try(context: Context, run: Run, name: str, otherwise: int, *, record: bool) -> int:
    """When (µs) the step was first tried, by the manifest; else ``otherwise``, which is recorded if ``record``."""
    if record:
        return manifest.record_first_try(context.store, run, name, otherwise)
    recorded = manifest.read_first_try(context.store, run, name)
    return otherwise if recorded is None else min(recorded, otherwise)


def _first_try(context: Context, run: Run, name: str, started: int, callers: int | None, *, record: bool) -> int:
    """When (µs) the step was first tried; by the caller's own record while the store does not answer."""
    own = started if callers is None else callers
    with suppress(TransientError):
        return _recorded_first_try(context, run, name, started if record else own, record=record)
    return own


def run_steps(
    context: Context, run: Run, policy: RetryPolicy | None = None, observer: RunObserver | None = None
) -> None:
    """Run all steps of a claimed run in this process, and sleep between tries. A run that is done stays as it is.

    Raises what :func:`try_step` raises.
    """
    policy, observer = policy or RetryPolicy(), observer or RunObserver()
    steps = plan(context.source(run.source))
    if manifest.read_result(context.store, run, results.Done) is not None:
        return  # even if its source has got more steps since
    lifecycle.reopen_run(context.store, run)
    for step in steps:
        first_try, tries = clock.now(), 0
        while True:
            outcome = try_step(context, run, step.name, policy, observer, tries=tries, first_try=first_try)
            if not isinstance(outcome, Retry):
                break
            time.sleep(outcome.seconds)
            tries += 1
