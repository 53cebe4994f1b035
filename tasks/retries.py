"""When a task that met a transient error runs again: the one place that decides."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import structlog

from booktape.model.errors import BooktapeError, TransientError
from booktape.model.records import SECOND
from booktape.publish.errors import WaitingError
from booktape.publish.executor import RetryPolicy
from booktape.store import clock
from tasks.application import BoundTask

log = structlog.get_logger(__name__)


class GaveUpError(BooktapeError):
    """A transient error that did not pass in time."""


def try_again(
    task: BoundTask,
    error: TransientError,
    patience: RetryPolicy,
    since: int | None,
    *,
    before: Callable[[float], None] = lambda seconds: None,
    keep: Mapping[str, Any] | None = None,
) -> NoReturn:
    """Put the task back into its queue for later. The worker is free meanwhile.

    :param since: when (µs) the task was first tried; None at the first try. It travels with the retries.
    :param before: told the pause in seconds.
    :param keep: further keyword arguments for the next tries: what this one decided, and they must not decide anew.
    :raises GaveUp: the deadline is over.
    """
    began = clock.now() if since is None else since
    if is_over(patience, began):
        raise GaveUpError(f"gave up after {patience.deadline:.0f} s: {error}") from error
    seconds = patience.delay(error, task.request.retries)
    log.info(
        "waiting" if isinstance(error, WaitingError) else "trying again", why=str(error), seconds=round(seconds, 1)
    )
    before(seconds)
    raise task.retry(exc=error, countdown=seconds, kwargs={**task.request.kwargs, **(keep or {}), "since": began})


def is_over(patience: RetryPolicy, began: int) -> bool:
    """Whether the deadline of what began then (µs) has passed."""
    return clock.now() - began > patience.deadline * SECOND
