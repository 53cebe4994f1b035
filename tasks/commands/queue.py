"""Enqueueing tasks for the nightly workers from the command line."""

from typing import Any

from kombu.exceptions import OperationalError

from booktape.store.redis_errors import RedisUnavailableError
from config.settings import Settings


def enqueue(settings: Settings, task: str, *arguments: object, **options: Any) -> str:
    """Enqueue a task; returns its id. Raises :class:`~booktape.store.redis_errors.RedisUnavailableError`.

    :param task: its name, as ``tasks.nightly.republish``.
    """
    from tasks import app  # here, since it reads the whole configuration

    try:
        return str(app.send_task(task, args=list(arguments), kwargs=options, retry=False).id)
    except OperationalError as error:
        raise RedisUnavailableError(
            f"Redis at {settings.redis_url} is not reachable ({error}); start it, set REDIS_URL, or use --now"
        ) from error
