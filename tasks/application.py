"""The Celery application. Celery has no type annotations; this module confines what is untyped."""

from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery, signals

from beat_schedule import beat_schedule
from booktape.cli.logs import configure_logging
from booktape.model.errors import BooktapeError
from config.celery import celery_settings
from tasks.resources import settings

app: Any = Celery("booktape", set_as_current=True)
app.conf.update(celery_settings(settings()), beat_schedule=beat_schedule)

BoundTask = Any
"""A Celery task, as its function receives it. Only ``request`` and ``retry`` are used."""


def task(name: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Register a function as a task. The function receives the task as its first argument.

    A :class:`~booktape.model.errors.BooktapeError` fails the task with one line and no traceback.
    """
    registered: Callable[[Callable[..., Any]], Any] = app.task(
        name=name, bind=True, throws=(BooktapeError,), max_retries=None, **options
    )
    return registered


@signals.setup_logging.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _log_as_json(**_: Any) -> None:
    configure_logging(settings().log_level)


@signals.task_prerun.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _bind_task_id(task_id: str, task: BoundTask, **_: Any) -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task_id=task_id, task=task.name)


@signals.task_postrun.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _clear_log_context(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
