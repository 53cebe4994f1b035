"""The nightly chain in real workers: what does it twice, what holds it, what refuses it."""

import json
from pathlib import Path

import pytest
import yaml

from booktape.publish import lifecycle, manifest
from booktape.publish.lifecycle import run_status
from booktape.publish.results import Check, HeldRun, Released
from booktape.store.layout import Run
from sandbox.redis import free_port
from tests.publish.recordings import DAY, store_trades
from tests.tasks.conftest import SOURCE, Installation, eventually

RUN = Run(SOURCE, DAY, 1)


def ends(installation: Installation, run: Run = RUN) -> None:
    eventually(lambda: has_ended(installation, run), lambda: f"{run} ends\n{installation.log()}")


def has_ended(installation: Installation, run: Run) -> bool:
    return lifecycle.has_ended(installation.store, run)


def stored(installation: Installation) -> dict[str, bytes]:
    return {found.key: installation.store.read(found.key) for found in installation.store.objects("")}


def test_the_production_application_publishes_a_night(installation: Installation) -> None:
    store_trades(installation.store, range(1, 50))
    installation.start_worker(application="tasks")
    installation.send("nightly.night", str(DAY))
    ends(installation)
    state = run_status(installation.store, RUN)
    assert (state.state, len(state.steps)) == ("done", 13)


def test_a_night_computes_bars_of_what_it_publishes(installation: Installation) -> None:
    """Both are started together; the bars wait for the trades."""
    sources = Path(installation.environment["BOOKTAPE_SOURCES"])
    bars = {"a-bars": {"exchange": "binance", "data_type": "trade_bars", "every": 60}}
    sources.write_text(yaml.safe_dump(yaml.safe_load(sources.read_text()) | bars))
    store_trades(installation.store, range(1, 50))
    installation.start_worker(application="tasks")
    installation.send("nightly.night", str(DAY))
    computed = Run("a-bars", DAY, 1)
    ends(installation, computed)
    state = run_status(installation.store, computed)
    assert (state.state, state.steps) == ("done", ("compute", "check", "rename")), installation.log()
    assert run_status(installation.store, RUN).state == "done"


def test_another_night_changes_nothing(installation: Installation) -> None:
    store_trades(installation.store, range(1, 50))
    installation.start_worker()
    installation.send("nightly.night", str(DAY))
    ends(installation)
    before, summary = stored(installation), installation.world.summary()
    installation.finish("nightly.night", str(DAY))
    assert stored(installation) == before
    assert installation.world.summary() == summary


def test_two_beats_at_once_publish_once(installation: Installation) -> None:
    store_trades(installation.store, range(1, 50))
    for _ in range(2):
        installation.send("nightly.night", str(DAY))
    installation.start_worker()
    installation.start_worker()
    ends(installation)
    summary = installation.world.summary()
    assert [finalised for _, finalised in summary["revisions"]] == [True]
    assert {name: len(found) for name, found in summary.items()} == dict.fromkeys(summary, 1)


def test_a_held_night_never_makes_a_revision(installation: Installation) -> None:
    store_trades(installation.store, [*range(1, 10), *range(20, 30)])
    installation.start_worker()
    installation.send("nightly.night", str(DAY))
    ends(installation)
    held = manifest.require_result(installation.store, RUN, HeldRun)
    assert held.step == "certify"
    assert installation.world.calls("CreateRevision") == 0
    eventually(lambda: '"RunsHeld": 1' in installation.log(), installation.log)


def test_a_held_night_goes_on_once_it_is_released(installation: Installation) -> None:
    store_trades(installation.store, [*range(1, 10), *range(20, 30)])
    installation.start_worker()
    installation.send("nightly.night", str(DAY))
    ends(installation)
    installation.send("nightly.release", SOURCE, str(DAY), 2, "ops", "not the run that is there")
    error = f"there is no run 2 of {SOURCE} on {DAY}"
    eventually(lambda: error in installation.log(), installation.log)
    called = installation.command("booktape.cli.main", "release", SOURCE, str(DAY), "--reason", "the venue was down")
    assert f"which releases {RUN};" in called.stdout, called.stderr
    eventually(lambda: manifest.read_result(installation.store, RUN, Released), installation.log)

    installation.outlive_signs()

    def done() -> bool:
        installation.send("nightly.night", str(DAY))
        return run_status(installation.store, RUN).state == "done"

    eventually(done, installation.log, every=0.2)
    assert '"why": "the venue was down", "event": "released"' in installation.log()


def test_a_republication_is_one_run_however_often_its_task_is_delivered(installation: Installation) -> None:
    store_trades(installation.store, range(1, 50))
    installation.start_worker()
    installation.send("nightly.night", str(DAY))
    ends(installation)
    for _ in range(2):
        installation.send("nightly.republish", SOURCE, str(DAY), task_id="the same request")
    ends(installation, Run(SOURCE, DAY, 2))
    installation.finish("nightly.republish", SOURCE, str(DAY), task_id="the same request")
    assert [run.number for run in lifecycle.runs_of_source(installation.store, SOURCE)] == [1, 2]
    assert manifest.require_result(installation.store, Run(SOURCE, DAY, 2), Check).differs is False


def test_celery_call_republishes_from_the_command_line(installation: Installation) -> None:
    store_trades(installation.store, range(1, 50))
    installation.start_worker()
    arguments = json.dumps([SOURCE, str(DAY)])
    called = installation.command("celery", "-A", "tasks", "call", "tasks.nightly.republish", "--args", arguments)
    assert called.returncode == 0, called.stderr
    ends(installation)
    assert run_status(installation.store, RUN).state == "done"


def test_a_failure_is_recorded_and_logged_in_one_line(installation: Installation) -> None:
    store_trades(installation.store, range(1, 50))
    installation.world.refuse("CreateRevision", 403, "AccessDeniedException")
    installation.start_worker()
    installation.send("nightly.night", str(DAY))
    ends(installation)
    lines = [json.loads(line) for line in installation.log().splitlines() if '"event": "failed"' in line]
    assert [(line["step"], line["source"], line["run"], "exception" in line) for line in lines] == [
        ("create_revision", SOURCE, 1, False)
    ]
    assert "AccessDeniedException" in lines[0]["why"]


def test_a_failed_run_is_not_resumed_but_another_night_tries_it_again(installation: Installation) -> None:
    store_trades(installation.store, range(1, 50))
    installation.world.refuse("CreateRevision", 403, "AccessDeniedException")
    installation.start_worker()
    installation.send("nightly.night", str(DAY))
    ends(installation)
    installation.finish("nightly.resume")
    assert run_status(installation.store, RUN).state == "failed"

    installation.outlive_signs()

    def done() -> bool:
        installation.send("nightly.night", str(DAY))
        return run_status(installation.store, RUN).state == "done"

    eventually(done, installation.log, every=0.2)


def test_a_worker_refuses_a_queue_that_does_not_exist(installation: Installation) -> None:
    refused = installation.command("celery", "-A", "tasks", "worker", "-Q", "nigthly")
    assert refused.returncode != 0
    assert "queue 'nigthly'" in refused.stderr.replace('"', "'")


def test_a_task_for_an_unknown_exchange_finds_no_queue(installation: Installation) -> None:
    called = installation.command("celery", "-A", "tasks", "call", "tasks.snapshots.fetch_all", "--args", '["bnance"]')
    assert called.returncode != 0
    assert "snapshots.bnance" in called.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["bnance-trades", "2024-08-09"], "unknown data source 'bnance-trades'; there are: binance-trades"),
        ([SOURCE, "2024-8-9"], "'2024-8-9' is not a day; write it as YYYY-MM-DD"),
    ],
)
def test_a_wrong_request_fails_and_says_why(installation: Installation, arguments: list[str], error: str) -> None:
    installation.start_worker()
    installation.send("nightly.republish", *arguments)
    eventually(lambda: error in installation.log(), lambda: f"{error}\n{installation.log()}")


def test_without_redis_a_call_fails_and_says_so(installation: Installation) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    called = installation.command("celery", "-A", "tasks", "call", "tasks.nightly.resume", REDIS_URL=url)
    assert called.returncode != 0
    assert "Connection refused" in called.stderr


def test_a_malformed_sources_file_stops_the_task_with_its_line(installation: Installation, tmp_path: Path) -> None:
    sources = Path(installation.environment["BOOKTAPE_SOURCES"])
    sources.write_text(yaml.safe_dump({SOURCE: {"exchange": "binance", "data_type": "trads"}}))
    installation.start_worker()
    installation.send("nightly.night", str(DAY))
    error = "sources.yaml, line 2: binance-trades.data_type: Input should be"
    eventually(lambda: error in installation.log(), installation.log)


def test_what_does_not_pass_in_time_fails_the_run(installation: Installation) -> None:
    store_trades(installation.store, range(1, 50))
    installation.world.refuse("CreateRevision", 503, "ServiceUnavailableException", times=1_000)
    installation.environment["BOOKTAPE_DEADLINE_SECONDS"] = "0.5"
    installation.start_worker()
    installation.send("nightly.night", str(DAY))
    ends(installation)
    assert run_status(installation.store, RUN).detail.startswith("create_revision: gave up after 0 s: CreateRevision: ")


def test_resume_ends_a_run_whose_tries_were_all_killed_and_is_stopped_by_no_stray_mark(
    installation: Installation,
) -> None:
    store = installation.store
    store_trades(store, range(1, 50))
    run = lifecycle.claim_run(store, SOURCE, DAY, "nightly", "test")
    store.create(f"{run.prefix}merge.began.json", b'{"at": 1}')
    assert manifest.take_last_try(store, run, "merge")
    store.create("unfinished/.keep", b"")
    lifecycle.claim_run(store, "abandoned-source", DAY, "nightly", "test")
    torn = Run("a-torn-source", DAY, 1)
    store.create(f"{torn.prefix}start.json", b"{")
    store.create(f"unfinished/{torn.source}/{DAY}/0001", b"")
    installation.start_worker()
    installation.send("nightly.resume")
    ends(installation)
    assert "its tries were killed" in run_status(store, run).detail
    eventually(lambda: "2 not started, 1 started" in installation.log(), installation.log)


def test_celery_says_in_one_line_what_it_cannot_use(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "venues.yaml").write_text("binance: [")
    venues = {"BOOKTAPE_VENUES": str(tmp_path / "venues.yaml")}
    called = installation.command("celery", "-A", "tasks", "call", "tasks.nightly.resume", **venues)
    assert called.returncode != 0
    assert called.stderr.startswith("error: ")
    assert "venues.yaml" in called.stderr
    assert "Traceback" not in called.stderr
