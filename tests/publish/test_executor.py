"""The one executor: what follows each outcome of a step, for Celery and for the command line alike."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from booktape.model.errors import BooktapeError, TransientError
from booktape.model.records import SECOND
from booktape.publish import lifecycle, manifest, steps
from booktape.publish.context import Context
from booktape.publish.executor import RunObserver, perform, run_steps, try_step
from booktape.publish.results import Done, Failed, Heal, HeldRun, MergeResult, StepResult
from booktape.publish.retries import Fail, GateFailedError, GaveUpError, Hold, Retry, RetryPolicy, WaitingError, decide
from booktape.publish.steps import UnknownStepError
from booktape.store import clock
from booktape.store.layout import Run
from booktape.store.objects import StorageUnavailableError
from tests.publish.conftest import SOURCE
from tests.publish.recordings import DAY, store_trades

POLICY = RetryPolicy(poll=7, first=2, most=8, deadline=100)


class Recorder(RunObserver):
    """Keeps what it receives."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def on_result(self, run: Run, step: str, result: StepResult, seconds: float | None) -> None:
        self.events.append(("result", step, seconds is not None))

    def on_retry(self, run: Run, step: str, retry: Retry) -> None:
        self.events.append(("retry", step, str(retry.error)))

    def on_hold(self, run: Run, step: str, error: GateFailedError) -> None:
        self.events.append(("hold", step, str(error)))

    def on_failure(self, run: Run, step: str, failure: Fail) -> None:
        self.events.append(("failure", step, failure.why))

    def on_done(self, run: Run) -> None:
        self.events.append(("done",))


class Clock:
    """A clock that only a test moves, in seconds."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0
        self.slept: list[float] = []

    def now(self) -> int:
        return round(self.seconds * SECOND)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(clock, "now", made.now)
    monkeypatch.setattr("booktape.publish.executor.time.sleep", made.sleep)
    return made


@pytest.fixture
def run(in_directory: Context, time: Clock) -> Run:
    return lifecycle.claim_run(in_directory.store, SOURCE, DAY, "nightly", "test")


@pytest.fixture
def replace_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], Any]], None]:
    """Lets a step do something else."""

    def put(name: str, do: Callable[[], Any]) -> None:
        step = replace(steps.STEPS[name], do=lambda context, run: do())
        monkeypatch.setitem(steps.STEPS, name, step)

    return put


def failing(*errors: BaseException) -> Callable[[], Heal]:
    """Raises these errors one after the other, and succeeds then."""
    left = iter(errors)

    def do() -> Heal:
        for error in left:
            raise error
        return Heal({})

    return do


def test_a_held_gate_holds_and_an_error_fails_at_once() -> None:
    held, broken = GateFailedError("too little"), BooktapeError("no such bucket")
    at: dict[str, Any] = {"first_try": 0, "now": 10**18, "tries": 0}
    assert decide(POLICY, held, **at) == Hold(held)
    assert decide(POLICY, broken, **at) == Fail(broken)
    assert Fail(broken).why == "no such bucket"
    assert Fail(ZeroDivisionError("by zero")).why == "ZeroDivisionError: by zero"


def test_a_transient_error_is_retried_until_the_deadline() -> None:
    error = TransientError("busy")
    in_time = decide(POLICY, error, first_try=0, now=100 * SECOND, tries=1)
    assert isinstance(in_time, Retry)
    assert 2 <= in_time.seconds <= 4
    assert (in_time.first_try, in_time.error) == (0, error)
    over = decide(POLICY, error, first_try=0, now=100 * SECOND + 1, tries=1)
    assert isinstance(over, Fail)
    assert isinstance(over.error, GaveUpError)
    assert over.why == "gave up after 100 s: busy"


def test_a_service_at_work_is_polled_at_even_pauses() -> None:
    for tries in (0, 50):
        decision = decide(POLICY, WaitingError("running"), first_try=0, now=0, tries=tries)
        assert isinstance(decision, Retry)
        assert decision.seconds == 7


def test_a_run_reports_each_step_and_its_end(in_directory: Context, run: Run) -> None:
    store_trades(in_directory.store, range(1, 50))
    seen = Recorder()
    perform(in_directory, run, "heal")
    run_steps(in_directory, run, POLICY, seen)
    names = ["merge", "check", "certify", "rename", "parquet"]
    assert seen.events == [("result", "heal", False), *(("result", name, True) for name in names), ("done",)]
    assert manifest.read_result(in_directory.store, run, Done) is not None


def test_a_run_that_is_done_reports_nothing_more(in_directory: Context, run: Run) -> None:
    manifest.record_result(in_directory.store, run, Done("published"))
    seen = Recorder()
    run_steps(in_directory, run, POLICY, seen)
    assert seen.events == []


def test_a_night_without_errors_leaves_no_times_of_tries(in_directory: Context, run: Run) -> None:
    store_trades(in_directory.store, range(1, 50))
    run_steps(in_directory, run, POLICY)
    assert not [name for name in manifest.recorded_times(in_directory.store, run) if "began" in name]


def test_pauses_are_slept_and_then_the_step_is_tried_again(
    in_directory: Context, run: Run, time: Clock, replace_step: Callable[..., None]
) -> None:
    store_trades(in_directory.store, range(1, 50))
    replace_step("heal", failing(WaitingError("running"), TransientError("busy"), TransientError("busy")))
    seen = Recorder()
    run_steps(in_directory, run, POLICY, seen)
    assert seen.events[:4] == [
        ("retry", "heal", "running"),
        ("retry", "heal", "busy"),
        ("retry", "heal", "busy"),
        ("result", "heal", True),
    ]
    assert time.slept[0] == 7
    assert 2 <= time.slept[1] <= 4
    assert 4 <= time.slept[2] <= 8


def test_giving_up_is_recorded_and_reported(in_directory: Context, run: Run, replace_step: Callable[..., None]) -> None:
    replace_step("heal", failing(*[TransientError("busy")] * 1_000))
    seen = Recorder()
    with pytest.raises(GaveUpError, match="gave up after 100 s: busy"):
        run_steps(in_directory, run, POLICY, seen)
    assert seen.events[-1] == ("failure", "heal", "gave up after 100 s: busy")
    assert manifest.read_failure(in_directory.store, run) == Failed("heal", "gave up after 100 s: busy")


@pytest.mark.parametrize("error", [BooktapeError("no such bucket"), ZeroDivisionError("by zero")])
def test_failures_of_every_kind_are_recorded_and_raised_as_they_are(
    in_directory: Context, run: Run, replace_step: Callable[..., None], error: Exception
) -> None:
    replace_step("heal", failing(error))
    seen = Recorder()
    with pytest.raises(type(error)) as raised:
        run_steps(in_directory, run, POLICY, seen)
    assert raised.value is error
    assert seen.events == [("failure", "heal", Fail(error).why)]
    assert manifest.read_failure(in_directory.store, run) == Failed("heal", Fail(error).why)


def test_an_interruption_is_no_failure(in_directory: Context, run: Run, replace_step: Callable[..., None]) -> None:
    replace_step("heal", failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run_steps(in_directory, run, POLICY)
    assert manifest.read_failure(in_directory.store, run) is None


def test_a_hold_is_recorded_and_reported_and_is_no_failure(
    in_directory: Context, run: Run, replace_step: Callable[..., None]
) -> None:
    replace_step("heal", failing(GateFailedError("too little")))
    seen = Recorder()
    with pytest.raises(GateFailedError):
        run_steps(in_directory, run, POLICY, seen)
    assert seen.events == [("hold", "heal", "too little")]
    assert manifest.read_result(in_directory.store, run, HeldRun) == HeldRun("heal", "too little")
    assert manifest.read_failure(in_directory.store, run) is None


def test_a_task_in_another_process_goes_on_with_the_same_deadline(
    in_directory: Context, run: Run, time: Clock, replace_step: Callable[..., None]
) -> None:
    replace_step("heal", failing(*[TransientError("busy")] * 1_000))
    first = try_step(in_directory, run, "heal", POLICY, RunObserver(), tries=0, repeats_killed_tries=True)
    assert isinstance(first, Retry)
    time.seconds += 60
    second = try_step(in_directory, run, "heal", POLICY, RunObserver(), tries=0, repeats_killed_tries=True)
    assert isinstance(second, Retry)
    assert second.first_try == first.first_try
    time.seconds += 60
    with pytest.raises(GaveUpError):
        run_steps(in_directory, run, POLICY)


def test_waiting_at_the_command_line_leaves_no_times_of_tries(
    in_directory: Context, run: Run, replace_step: Callable[..., None]
) -> None:
    store_trades(in_directory.store, range(1, 50))
    replace_step("heal", failing(WaitingError("running"), TransientError("busy")))
    run_steps(in_directory, run, POLICY)
    assert not [name for name in manifest.recorded_times(in_directory.store, run) if "began" in name]


def test_a_failed_run_that_is_reopened_has_the_whole_deadline_again(
    in_directory: Context, run: Run, time: Clock, replace_step: Callable[..., None]
) -> None:
    def attempt() -> StepResult | Retry:
        return try_step(in_directory, run, "heal", POLICY, RunObserver(), tries=0, repeats_killed_tries=True)

    replace_step("heal", failing(TransientError("busy"), TransientError("busy"), TransientError("busy")))
    assert isinstance(attempt(), Retry)
    time.seconds += 101
    with pytest.raises(GaveUpError):
        attempt()
    lifecycle.reopen_run(in_directory.store, run)
    assert isinstance(attempt(), Retry)
    assert attempt() == Heal({})


def test_tries_that_were_killed_count_until_one_last_try(
    in_directory: Context, run: Run, time: Clock, replace_step: Callable[..., None]
) -> None:
    """A killed try raises nothing here that the executor would see as an outcome."""
    replace_step("heal", failing(*[KeyboardInterrupt()] * 1_000))

    def killed() -> None:
        with pytest.raises(KeyboardInterrupt):
            try_step(in_directory, run, "heal", POLICY, RunObserver(), tries=0, repeats_killed_tries=True)

    killed()
    time.seconds += 101
    killed()
    with pytest.raises(GaveUpError, match="its tries were killed; does it need more than BOOKTAPE_TASK_SECONDS"):
        try_step(in_directory, run, "heal", POLICY, RunObserver(), tries=0, repeats_killed_tries=True)
    failed = manifest.read_failure(in_directory.store, run)
    assert failed is not None
    assert failed.step == "heal"


def test_a_step_with_a_result_is_never_given_up(in_directory: Context, run: Run, time: Clock) -> None:
    manifest.record_first_try(in_directory.store, run, "heal", 1)
    assert manifest.take_last_try(in_directory.store, run, "heal")
    manifest.record_result(in_directory.store, run, Heal({}))
    result = try_step(in_directory, run, "heal", POLICY, RunObserver(), tries=0, repeats_killed_tries=True)
    assert result == Heal({})


def test_what_the_exclusive_context_raises_is_an_outcome_of_the_step(in_directory: Context, run: Run) -> None:
    @contextmanager
    def locked() -> Iterator[None]:
        raise WaitingError("another worker is at it")
        yield

    outcome = try_step(in_directory, run, "heal", POLICY, RunObserver(), tries=0, exclusive=locked)
    assert isinstance(outcome, Retry)
    assert outcome.seconds == 7
    assert manifest.read_result(in_directory.store, run, Heal) is None


def test_the_exclusive_context_may_fail_after_the_step_whose_result_stands(in_directory: Context, run: Run) -> None:
    @contextmanager
    def failing_afterwards() -> Iterator[None]:
        yield
        raise TransientError("no heartbeat")

    seen = Recorder()
    outcome = try_step(in_directory, run, "heal", POLICY, seen, tries=0, exclusive=failing_afterwards)
    assert isinstance(outcome, Retry)
    try_step(in_directory, run, "heal", POLICY, seen, tries=1)
    assert seen.events == [("result", "heal", True), ("retry", "heal", "no heartbeat"), ("result", "heal", False)]


def test_while_the_manifest_cannot_be_read_the_callers_first_try_counts(
    in_directory: Context, run: Run, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: object) -> None:
        raise StorageUnavailableError("the store is away")

    monkeypatch.setattr(type(in_directory.store), "read", away)
    monkeypatch.setattr(type(in_directory.store), "create", away)
    began = time.now()
    outcome = try_step(in_directory, run, "heal", POLICY, RunObserver(), tries=0)
    assert isinstance(outcome, Retry)
    assert outcome.first_try == began
    time.seconds += 60
    for record in (True, False):
        outcome = try_step(
            in_directory, run, "heal", POLICY, RunObserver(), tries=1, first_try=began, repeats_killed_tries=record
        )
        assert isinstance(outcome, Retry)
        assert outcome.first_try == began


def test_a_superseded_run_fails(in_directory: Context, run: Run) -> None:
    manifest.record_failure(in_directory.store, run, "heal", "no memory")
    lifecycle.claim_run(in_directory.store, SOURCE, DAY, "republish", "another")
    with pytest.raises(lifecycle.SupersededError):
        run_steps(in_directory, run, POLICY)
    assert manifest.read_result(in_directory.store, run, MergeResult) is None


def test_an_unknown_step_lists_those_of_the_source(in_directory: Context, run: Run) -> None:
    with pytest.raises(UnknownStepError, match="unknown step 'marge'; binance-trades has: heal, merge, check"):
        perform(in_directory, run, "marge")
