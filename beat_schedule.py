"""The schedule of the periodic tasks, in UTC."""

from typing import Any, Final

from celery.schedules import crontab

from booktape.exchanges import exchange
from config.settings import Settings, load_settings
from config.venues import load_venues

Schedule = dict[str, dict[str, Any]]


def schedule(settings: Settings) -> Schedule:
    """The periodic tasks of a system. Every system fetches snapshots and instruments; only the primary publishes."""
    publishing = _publishing(settings) if settings.system == "primary" else {}
    return publishing | _snapshots(settings) | _instruments(settings)


def _publishing(settings: Settings) -> Schedule:
    return {
        "publish the day before": {
            "task": "tasks.nightly.night",
            "schedule": crontab(hour="0", minute="20"),
            "options": {"expires": 23 * 3600},
        },
        "take up abandoned runs": {
            "task": "tasks.nightly.resume",
            "schedule": settings.resume_seconds,
            "options": {"expires": settings.resume_seconds},
        },
    }


def _snapshots(settings: Settings) -> Schedule:
    return {
        f"snapshots of {venue.name}": {
            "task": "tasks.snapshots.fetch_all",
            "schedule": venue.snapshot_seconds,
            "args": (venue.name,),
            "options": {"expires": venue.snapshot_seconds},
        }
        for venue in load_venues(settings.venues).values()
        if exchange(venue.name).rest.book is not None
    }


def _instruments(settings: Settings) -> Schedule:
    return {
        f"instruments of {name}": {
            "task": "tasks.instruments.keep",
            "schedule": crontab(hour="0", minute="5"),
            "args": (name,),
            "options": {"expires": 23 * 3600},
        }
        for name in load_venues(settings.venues)
    }


beat_schedule: Final = schedule(load_settings())
