"""What runs when."""

from datetime import UTC, datetime

from celery.schedules import crontab

from beat_schedule import beat_schedule, schedule
from config.settings import Settings
from tasks import app


def test_the_night_begins_twenty_minutes_past_midnight_utc() -> None:
    night = beat_schedule["publish the day before"]
    assert night["task"] == "tasks.nightly.night"
    assert night["schedule"] == crontab(hour="0", minute="20")
    assert app.conf.timezone == "UTC"


def test_a_night_looks_due_once_a_day() -> None:
    schedule = crontab(hour="0", minute="20", nowfun=lambda: datetime(2024, 8, 10, 0, 20, 1, tzinfo=UTC), app=app)
    assert schedule.is_due(datetime(2024, 8, 9, 0, 20, 1, tzinfo=UTC)).is_due
    assert not schedule.is_due(datetime(2024, 8, 10, 0, 20, 0, tzinfo=UTC)).is_due


def test_snapshots_are_scheduled_for_the_exchanges_that_give_books_over_rest() -> None:
    rounds = {name: entry for name, entry in beat_schedule.items() if entry["task"] == "tasks.snapshots.fetch_all"}
    assert {name: entry["args"] for name, entry in rounds.items()} == {"snapshots of binance": ("binance",)}
    assert all(entry["options"]["expires"] == entry["schedule"] for entry in rounds.values())


def test_the_instruments_of_every_recorded_exchange_are_kept_once_a_day() -> None:
    kept = {name: entry for name, entry in beat_schedule.items() if entry["task"] == "tasks.instruments.keep"}
    assert {entry["args"] for entry in kept.values()} == {("binance",), ("coinbase",), ("kraken",)}
    assert all(entry["schedule"] == crontab(hour="0", minute="5") for entry in kept.values())


def test_a_replica_publishes_nothing() -> None:
    replica = schedule(Settings(system="replica"))
    assert {entry["task"] for entry in replica.values()} == {"tasks.snapshots.fetch_all", "tasks.instruments.keep"}


def test_every_scheduled_task_exists() -> None:
    assert {entry["task"] for entry in beat_schedule.values()} <= set(app.tasks)
