"""What a task that tries again keeps."""

from types import SimpleNamespace
from typing import Any

import pytest

from booktape.model.errors import BooktapeError, TransientError
from booktape.publish import days, lifecycle
from booktape.publish.retries import RetryPolicy
from booktape.publish.sources import DataSource
from booktape.store.layout import Run
from config.settings import PrimaryOnlyError, Settings
from tasks import nightly
from tasks.retries import retry_or_give_up
from tests.publish.recordings import DAY


class Retried(Exception):  # what Celery raises
    """The task was put back into its queue."""


class Task:
    """A task as its own function gets it."""

    def __init__(self, **kwargs: Any) -> None:
        self.request = SimpleNamespace(id="request", kwargs=kwargs, retries=0)
        self.kept: dict[str, Any] = {}

    def retry(self, *, exc: Exception, countdown: float, kwargs: dict[str, Any]) -> Exception:
        self.kept = kwargs
        return Retried()


def test_a_retry_keeps_the_callers_keyword_arguments() -> None:
    task = Task(day="2024-08-09")
    with pytest.raises(Retried):
        retry_or_give_up(task, TransientError("busy"), RetryPolicy(), 5_000_000_000_000_000)
    assert task.kept == {"day": "2024-08-09", "since": 5_000_000_000_000_000}


def test_a_night_that_is_tried_again_after_midnight_keeps_its_day(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*arguments: object) -> Run:
        raise TransientError("busy")

    sources = {"binance-trades": DataSource("binance-trades", "binance", "trades")}
    monkeypatch.setattr(nightly, "context", lambda: SimpleNamespace(store=None, sources=sources))
    monkeypatch.setattr(lifecycle, "claim_run", unavailable)
    task = Task()
    with pytest.raises(Retried):
        nightly.night.run.__func__(task)
    assert task.kept["day"] == str(days.yesterday())


def test_one_that_cannot_be_taken_up_stops_no_other() -> None:
    taken: list[int] = []

    def start(number: int) -> Run | None:
        if number == 2:
            raise BooktapeError("torn")
        taken.append(number)
        return Run("binance-trades", DAY, number)

    with pytest.raises(nightly.NotStartedError, match="1 not started, 2 started; the first error: torn"):
        nightly._start_each([1, 2, 3], start)
    assert taken == [1, 3]


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        (nightly.night, ()),
        (nightly.start_republication, ("binance-trades", "2024-08-09")),
        (nightly.start_released, ("binance-trades", "2024-08-09", 1, "ops", "the venue was down")),
    ],
)
def test_a_replica_publishes_nothing(monkeypatch: pytest.MonkeyPatch, task: Any, arguments: tuple[Any, ...]) -> None:
    monkeypatch.setattr(nightly, "settings", lambda: Settings(system="replica"))
    with pytest.raises(PrimaryOnlyError, match="this is the replica system"):
        task.run.__func__(Task(), *arguments)
