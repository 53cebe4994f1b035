"""Puts a task that met a transient error back into its queue."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import structlog

from booktape.model.errors import TransientError
from booktape.publish.retries import Retry, RetryPolicy, WaitingError, decide
from booktape.rest.rate_limits import RateLimitedError
from booktape.store import clock
from config import metrics
from tasks.application import BoundTask
from tasks.resources import settings

log = structlog.get_logger(__name__)


def requeue(task: BoundTask, retry: Retry, *, keep: Mapping[str, Any] | None = None) -> NoReturn:
    """Put a task back into its queue, to run after ``retry.seconds``. The worker is free meanwhile.

    The time of the first try goes with the task, as its argument ``since``.

    :param keep: further keyword arguments for the next tries, for what this try decided once and for all.
    """
    event = "waiting" if isinstance(retry.error, WaitingError) else "trying again"
    log.info(event, why=str(retry.error), seconds=round(retry.seconds, 1))
    kwargs = {**task.request.kwargs, **(keep or {}), "since": retry.first_try}
    raise task.retry(exc=retry.error, countdown=retry.seconds, kwargs=kwargs)


def retry_or_give_up(
    task: BoundTask,
    error: TransientError,
    policy: RetryPolicy,
    since: int | None,
    *,
    keep: Mapping[str, Any] | None = None,
) -> NoReturn:
    """Requeue a task that met a transient error.

    :param since: when (µs) the task was first tried; None at the first try.
    :param keep: see :func:`requeue`.

    Raises :class:`~booktape.publish.retries.GaveUpError` if the deadline has passed.
    """
    now = clock.now()
    first_try = now if since is None else since
    decision = decide(policy, error, first_try=first_try, now=now, tries=task.request.retries)
    if isinstance(decision, Retry):
        requeue(task, decision, keep=keep)
    raise decision.error from error


@contextmanager
def retrying_requests(task: BoundTask, exchange: str, since: int | None) -> Iterator[None]:
    """Requeue a task if a rate limit stops a request inside the block, or if the venue does not answer."""
    try:
        yield
    except RateLimitedError as error:
        metrics.emit({"Exchange": exchange}, {"RequestsDelayed": 1})
        pause = min(error.seconds, settings().retry_most_seconds)  # a ban may outlast the broker's visibility timeout
        raise task.retry(exc=error, countdown=pause) from error
    except TransientError as error:
        retry_or_give_up(task, error, settings().retry_policy, since)
