"""Celery's settings: queues, routes, limits. A queue that is not named here does not exist."""

from math import ceil
from typing import Any, Final

from booktape.exchanges import exchanges
from booktape.model.errors import BooktapeError
from config.settings import Settings

NIGHTLY: Final = "nightly"
_SNAPSHOTS: Final = "snapshots"
_GRACE: Final = 60
"""Seconds that a task has to end by itself between the soft limit and the hard one."""


class InvalidTimeLimitsError(BooktapeError):
    """Times that would make the broker hand out a task which is still being worked on."""


def snapshot_queue(exchange: str) -> str:
    """The queue of what one exchange is asked over REST: a venue that is slow or bans us delays no other."""
    return f"{_SNAPSHOTS}.{exchange}"


def queues() -> list[str]:
    """Every queue: one for the nightly chain, and one for each exchange's REST."""
    return [NIGHTLY, *map(snapshot_queue, sorted(exchanges()))]


def route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **rest: Any) -> dict[str, str] | None:
    """The queue of a task; Celery's router protocol. The first argument of what asks a venue is its exchange."""
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
        "task_ignore_result": True,  # what a run came to stands in its manifest
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
    """Seconds after which the broker hands an unacknowledged task out again.

    A task is unacknowledged while it runs and while it waits for its retry: sooner than either could end, it would be
    done twice. A killed worker's runs need not wait for this, ``resume`` takes them up.
    """
    if settings.lock_seconds >= settings.attended_seconds:
        raise InvalidTimeLimitsError(
            f"BOOKTAPE_LOCK_SECONDS={settings.lock_seconds:g} must be less than "
            f"BOOKTAPE_ATTENDED_SECONDS={settings.attended_seconds:g}"
        )
    longest_wait = max(settings.retry_most_seconds, settings.poll_seconds)
    return ceil(hard_limit + longest_wait + _GRACE)
