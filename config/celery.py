"""Celery's settings: queues, routes and time limits. Other queues than these do not exist."""

from math import ceil
from typing import Any, Final

from booktape.exchanges import exchanges
from booktape.model.errors import InvalidInputError
from config.settings import Settings

NIGHTLY: Final = "nightly"
_SNAPSHOTS: Final = "snapshots"
_GRACE: Final = 60
"""Seconds between the soft and the hard time limit, in which a task can end by itself."""


class InvalidTimeLimitsError(InvalidInputError):
    """Time limits with which a run would be resumed while a worker still works on it."""


def snapshot_queue(exchange: str) -> str:
    """The queue of REST requests to one exchange. A venue that is slow, or bans us, delays no other."""
    return f"{_SNAPSHOTS}.{exchange}"


def queues() -> list[str]:
    """All queues: one for the nightly chain, and one for the REST requests to each exchange."""
    return [NIGHTLY, *map(snapshot_queue, sorted(exchanges()))]


def route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **rest: Any) -> dict[str, str] | None:
    """The queue of a task, by Celery's router protocol. The first argument of a REST task is its exchange."""
    if name.startswith(("tasks.snapshots.", "tasks.instruments.")):
        return {"queue": snapshot_queue(args[0] if args else kwargs["exchange"])}
    if name.startswith("tasks.nightly."):
        return {"queue": NIGHTLY}
    return None


def celery_settings(settings: Settings) -> dict[str, Any]:
    """Celery's configuration, with Redis as the broker. Raises :class:`InvalidTimeLimitsError`."""
    hard_limit = settings.task_seconds + _GRACE
    visibility = _visibility(settings, hard_limit)
    return {
        "broker_url": settings.redis_url,
        "task_ignore_result": True,  # the results are in the manifests
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {"visibility_timeout": visibility, "socket_connect_timeout": 5},
        "task_serializer": "json",
        "accept_content": ["json"],
        "timezone": "UTC",
        "enable_utc": True,
        "task_queues": {name: {} for name in queues()},
        "task_default_queue": NIGHTLY,
        "task_create_missing_queues": False,
        "task_routes": (route,),
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "task_soft_time_limit": settings.task_seconds,
        "task_time_limit": hard_limit,
        "task_track_started": True,
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


def _visibility(settings: Settings, hard_limit: int) -> int:
    """Seconds after which the broker delivers an unacknowledged task again.

    A task is unacknowledged while it runs and while it waits for its retry. If this were shorter than either, the task
    would run twice. The runs of a killed worker need not wait for it: ``resume`` starts them.
    """
    if settings.lock_seconds >= settings.attended_seconds:
        raise InvalidTimeLimitsError(
            f"BOOKTAPE_LOCK_SECONDS={settings.lock_seconds:g} must be less than "
            f"BOOKTAPE_ATTENDED_SECONDS={settings.attended_seconds:g}"
        )
    longest_wait = max(settings.retry_most_seconds, settings.poll_seconds)
    return ceil(hard_limit + longest_wait + _GRACE)
