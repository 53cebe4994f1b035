"""Enqueueing tasks for the nightly workers from the command line."""

from typing import Any

from kombu.exceptions import OperationalError

from booktape.model.errors import BooktapeError
from config.settings import Settings


class QueueUnavailableError(BooktapeError):
    """The broker cannot be reached, so that no task can be enqueued."""


def enqueue(settings: Settings, task: str, *arguments: object, **options: Any) -> str:
    """Enqueue a task; returns its id. Raises :class:`QueueUnavailableError`.

    :param task: its name, as ``tasks.nightly.republish``.
    """
    from tasks import app  # here, since it reads the whole configuration

    try:
        return str(app.send_task(task, args=list(arguments), kwargs=options, retry=False).id)
    except OperationalError as error:
        raise QueueUnavailableError(
            f"Redis at {settings.redis_url} is not reachable ({error}); start it, set REDIS_URL, or use --now"
        ) from error
