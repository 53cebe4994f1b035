"""Settings come from the environment alone, and a mistake in them is one line."""

from os import environ

import pytest

from booktape.exchanges import exchanges
from config.celery import InvalidTimeLimitsError, celery_settings, queues, route
from config.settings import InvalidSettingsError, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in environ if name.startswith("BOOKTAPE_")]:
        monkeypatch.delenv(name)


def test_an_empty_environment_is_a_directory_and_a_redis_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    settings = load_settings()
    assert (settings.storage, settings.publication_url, settings.results_url) == ("data", "data", "data/merged")
    assert (settings.engine, settings.redis_url) == ("duckdb", "redis://127.0.0.1:6379/0")


def test_variables_name_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKTAPE_STORAGE", "s3://recordings")
    monkeypatch.setenv("BOOKTAPE_PUBLISH", "s3://published")
    monkeypatch.setenv("REDIS_URL", "redis://redis:6379/1")
    settings = load_settings()
    assert settings.publication_url == "s3://published"
    assert settings.results_url == "s3://recordings/merged"
    assert settings.redis_url == "redis://redis:6379/1"


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("BOOKTAPE_ENGINE", "spark", "BOOKTAPE_ENGINE=spark: Input should be 'duckdb' or 'athena'"),
        ("BOOKTAPE_POLL_SECONDS", "-1", "BOOKTAPE_POLL_SECONDS=-1: Input should be greater than 0"),
        ("BOOKTAPE_SYSTEM", "third", "BOOKTAPE_SYSTEM=third: Input should be 'primary' or 'replica'"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, error: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettingsError) as raised:
        load_settings()
    assert str(raised.value) == error


def test_the_broker_waits_longer_than_any_task_or_retry_can_take() -> None:
    settings = load_settings()
    configured = celery_settings(settings)
    visibility = configured["broker_transport_options"]["visibility_timeout"]
    assert visibility > configured["task_time_limit"] + max(settings.retry_most_seconds, settings.poll_seconds)
    assert configured["task_time_limit"] > configured["task_soft_time_limit"]


def test_tasks_are_acknowledged_late_and_come_back_from_lost_workers() -> None:
    configured = celery_settings(load_settings())
    names = ("task_acks_late", "task_reject_on_worker_lost", "worker_prefetch_multiplier", "accept_content")
    assert [configured[name] for name in names] == [True, True, 1, ["json"]]


def test_a_lock_that_outlives_its_runs_sign_of_life_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKTAPE_LOCK_SECONDS", "700")
    with pytest.raises(
        InvalidTimeLimitsError, match="BOOKTAPE_LOCK_SECONDS=700 must be less than BOOKTAPE_ATTENDED_SECONDS=600"
    ):
        celery_settings(load_settings())


def test_what_each_exchange_is_asked_over_rest_has_a_queue_of_its_own() -> None:
    assert queues() == ["nightly", *(f"snapshots.{identifier}" for identifier in sorted(exchanges()))]
    assert {"snapshots.binance", "snapshots.kraken"} <= set(queues())
    assert celery_settings(load_settings())["task_create_missing_queues"] is False


def test_a_snapshot_goes_to_its_exchanges_queue() -> None:
    assert route("tasks.snapshots.fetch", ("binance", "BTC-USDT"), {}, {}) == {"queue": "snapshots.binance"}
    assert route("tasks.snapshots.fetch_all", (), {"exchange": "binance"}, {}) == {"queue": "snapshots.binance"}
    assert route("tasks.instruments.keep", ("kraken",), {}, {}) == {"queue": "snapshots.kraken"}
    assert route("tasks.nightly.merge", (), {}, {}) == {"queue": "nightly"}
