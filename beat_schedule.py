"""What runs when. All times are UTC."""

from typing import Any, Final

from celery.schedules import crontab

from booktape.exchanges import exchange
from config.settings import load_settings
from config.venues import load_venues

_settings = load_settings()

beat_schedule: Final[dict[str, dict[str, Any]]] = {
    "publish the day before": {
        "task": "tasks.nightly.night",
        "schedule": crontab(hour="0", minute="20"),
        "options": {"expires": 23 * 3600},
    },
    "take up abandoned runs": {
        "task": "tasks.nightly.resume",
        "schedule": _settings.resume_seconds,
        "options": {"expires": _settings.resume_seconds},
    },
    **{
        f"snapshots of {venue.name}": {
            "task": "tasks.snapshots.fetch_all",
            "schedule": venue.snapshot_seconds,
            "args": (venue.name,),
            "options": {"expires": venue.snapshot_seconds},
        }
        for venue in load_venues(_settings.venues).values()
        if exchange(venue.name).rest is not None
    },
}
