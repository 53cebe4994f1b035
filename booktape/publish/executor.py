"""Starting a run, and running its steps one after the other in this process, without Celery."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from booktape.model.errors import BooktapeError, TransientError
from booktape.publish import manifest
from booktape.publish.context import Context
from booktape.publish.errors import GateFailedError, WaitingError
from booktape.publish.results import Done, StepResult
from booktape.publish.steps import perform, plan
from booktape.store.layout import Run


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait before asking again, and when to give up, all in seconds.

    ``poll`` while a service works; ``first`` after the first transient error, twice as long after each further one up
    to ``most``, of which a random part is taken off, so that many who failed together do not come back together.
    A step that has not succeeded ``deadline`` after its first try has failed.
    """

    poll: float = 15
    first: float = 2
    most: float = 300
    deadline: float = 6 * 3600

    def delay(self, error: TransientError, tries: int) -> float:
        """Seconds until the next try, after ``tries`` tries before this one."""
        if isinstance(error, WaitingError):
            return self.poll
        longest = min(self.most, self.first * 2.0 ** min(tries, 30))
        return longest * random.uniform(0.5, 1)


def run_chain(
    context: Context,
    source: str,
    day: date,
    run: int,
    *,
    patience: RetryPolicy | None = None,
    on_step: Callable[[str, StepResult], None] = lambda name, result: None,
    on_wait: Callable[[str, TransientError], None] = lambda name, error: None,
) -> None:
    """Run the steps of a run that was claimed, one after the other; those that have a result pass at once.

    A run that is done stays as it is, even if its source has got more steps since.

    :param on_step: told of each step's name and result.
    :param on_wait: told why a step is tried again, before each sleep.
    :raises Held: the file must not be published.
    :raises BooktapeError: a step failed; recorded in the manifest.
    """
    claimed = Run(source, day, run)
    steps = plan(context.source(source))
    if manifest.result(context.store, claimed, Done) is not None:
        return
    manifest.reopen(context.store, claimed)
    for step in steps:
        try:
            on_step(step.name, _patiently(context, claimed, step.name, patience or RetryPolicy(), on_wait))
        except GateFailedError:
            raise
        except BooktapeError as error:
            manifest.record_failure(context.store, claimed, step.name, str(error))
            raise


def _patiently(
    context: Context, run: Run, step: str, patience: RetryPolicy, on_wait: Callable[[str, TransientError], None]
) -> StepResult:
    since, tries = time.monotonic(), 0
    while True:
        try:
            return perform(context, run, step)
        except TransientError as error:
            if time.monotonic() - since > patience.deadline:
                raise BooktapeError(f"gave up after {patience.deadline:.0f} s: {error}") from error
            on_wait(step, error)
            time.sleep(patience.delay(error, tries))
            tries += 1
