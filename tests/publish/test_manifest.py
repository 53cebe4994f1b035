"""The run manifest: what is recorded once stands."""

import pytest

from booktape.publish import lifecycle, manifest
from booktape.publish.lifecycle import run_status, source_statuses
from booktape.publish.results import Check, Done, MergeResult, Start
from booktape.store.layout import Run
from booktape.store.objects import StorageDeniedError, Store, open_store
from tests.publish.recordings import DAY

SOURCE = "binance-trades"


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(str(tmp_path_factory.mktemp("store")))


def claim(store: Store, reason: lifecycle.Reason = "nightly", request: str = "one") -> Run:
    return lifecycle.claim_run(store, SOURCE, DAY, reason, request)


def unfinished(store: Store) -> list[Run]:
    return [run for run in lifecycle.active_runs(store) if lifecycle.is_unfinished(store, run)]


def finish(store: Store, run: Run, sha256: str = "abc") -> None:
    manifest.record_result(
        store, run, Check(rows=1, bytes=1, sha256=sha256, rule="none", completeness=None, markets={})
    )
    manifest.record_result(store, run, Done("published"))


def test_of_two_results_of_a_step_the_first_stands(store: Store) -> None:
    run = claim(store)
    assert manifest.record_result(store, run, MergeResult("first", "file:///a")) == MergeResult("first", "file:///a")
    assert manifest.record_result(store, run, MergeResult("second", "file:///b")) == MergeResult("first", "file:///a")


def test_a_result_lies_under_its_steps_name_and_says_when(store: Store) -> None:
    run = claim(store)
    manifest.record_result(store, run, MergeResult("query", "file:///a"))
    assert {found.key for found in store.objects("runs/")} == {
        "runs/binance-trades/2024-08-09/0001/start.json",
        "runs/binance-trades/2024-08-09/0001/merge.json",
    }
    entry = manifest.read_entry(store, run, MergeResult)
    assert entry is not None
    assert entry.at > 0


def test_the_nightly_run_is_the_first_whoever_asks(store: Store) -> None:
    assert [claim(store, request=request).number for request in ("one beat", "another")] == [1, 1]


def test_a_republication_takes_the_next_number_once_per_request(store: Store) -> None:
    finish(store, claim(store))
    first = claim(store, "republish", "a")
    finish(store, first)
    second = claim(store, "republish", "b")
    assert [first.number, second.number, claim(store, "republish", "a").number] == [2, 3, 2]


def test_a_republication_waits_for_the_run_before_it(store: Store) -> None:
    claim(store)
    with pytest.raises(lifecycle.RunUnderWayError, match="run 1 is under way"):
        claim(store, "republish", "a")


def test_a_republication_knows_what_was_published_last(store: Store) -> None:
    finish(store, claim(store), "abc")
    failed = claim(store, "republish", "a")
    manifest.record_failure(store, failed, "merge", "no memory")
    third = claim(store, "republish", "b")
    previous = manifest.require_result(store, third, Start).previous
    assert previous is not None
    assert (previous.run, previous.sha256) == (1, "abc")


def test_a_run_that_has_a_successor_goes_no_further(store: Store) -> None:
    first = claim(store)
    manifest.record_failure(store, first, "merge", "no memory")
    claim(store, "republish", "a")
    with pytest.raises(lifecycle.SupersededError, match="superseded by run 2"):
        lifecycle.refuse_superseded(store, first)
    assert not lifecycle.can_go_on(store, first)


def test_a_failure_is_outdated_once_its_step_has_a_result(store: Store) -> None:
    run = claim(store)
    manifest.record_failure(store, run, "merge", "no memory")
    assert run_status(store, run).state == "failed"
    manifest.record_result(store, run, MergeResult("query", "file:///a"))
    assert run_status(store, run).state == "running"


def test_unfinished_runs_are_found_however_old_their_day_is(store: Store) -> None:
    run = claim(store)
    assert unfinished(store) == [run]
    finish(store, run)
    assert unfinished(store) == []
    assert list(store.objects("unfinished/")) == []


def test_a_failed_run_is_finished_until_it_is_tried_again(store: Store) -> None:
    run = claim(store)
    manifest.record_failure(store, run, "merge", "no memory")
    assert unfinished(store) == []
    lifecycle.reopen_run(store, run)
    assert unfinished(store) == [run]


def test_a_step_without_its_predecessor_is_refused(store: Store) -> None:
    with pytest.raises(manifest.OutOfOrderError, match="has no result of merge yet"):
        manifest.require_result(store, claim(store), MergeResult)


def test_a_run_whose_folder_is_there_before_its_first_object_is_not_started_yet(store: Store) -> None:
    started = claim(store)
    directory = store.directory
    assert directory is not None
    (directory / Run(started.source, DAY, 2).prefix).mkdir(parents=True)
    assert [state.run for state in source_statuses(store, started.source)] == [started]


def test_an_object_that_is_no_result_is_named(store: Store) -> None:
    run = claim(store)
    store.create(f"{run.prefix}merge.json", b'{"at": 1}')
    with pytest.raises(manifest.InvalidManifestError, match=r"0001/merge\.json does not hold what its name says"):
        manifest.read_result(store, run, MergeResult)


def test_the_nightly_run_is_the_last_one_so_that_a_republication_that_failed_is_taken_up(store: Store) -> None:
    finish(store, claim(store))
    failed = claim(store, "republish", "a")
    manifest.record_failure(store, failed, "merge", "no memory")
    assert claim(store, request="another beat") == failed


def test_a_torn_object_is_named(store: Store) -> None:
    run = claim(store)
    store.create(f"{run.prefix}merge.json", b'{"at": 1')
    with pytest.raises(manifest.InvalidManifestError, match=r"0001/merge\.json does not hold"):
        run_status(store, run)


def test_a_key_that_is_no_mark_is_passed_over(store: Store) -> None:
    run = claim(store)
    for key in ("unfinished/.keep", "unfinished/a/b/c", "unfinished/binance-trades/2024-08-09/1/more"):
        store.create(key, b"")
    assert unfinished(store) == [run]


@pytest.mark.parametrize("sweep_before", [True, False])
def test_a_sweep_while_a_run_is_reopened_does_not_lose_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, sweep_before: bool
) -> None:
    run = claim(store)
    manifest.record_failure(store, run, "merge", "no memory")
    delete = Store.delete

    def delete_among_others(self: Store, key: str) -> None:
        if not key.endswith("failed.json"):
            delete(self, key)
        elif sweep_before:
            unfinished(store)
            delete(self, key)
        else:
            delete(self, key)
            unfinished(store)

    monkeypatch.setattr(Store, "delete", delete_among_others)
    lifecycle.reopen_run(store, run)
    assert unfinished(store) == [run]


def test_a_run_that_may_not_delete_its_mark_has_ended_all_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(self: Store, key: str) -> None:
        raise StorageDeniedError(key)

    run = claim(store)
    monkeypatch.setattr(Store, "delete", deny)
    lifecycle.end_run(store, run, Done("published"))
    assert unfinished(store) == []
    assert run_status(store, run).state == "done"


def test_a_steps_time_begins_once_and_anew_when_the_run_is_reopened(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = claim(store)
    assert manifest.read_first_try(store, run, "merge") is None
    assert manifest.record_first_try(store, run, "merge", 1) == 1
    assert manifest.record_first_try(store, run, "merge", 2) == 1
    assert manifest.read_first_try(store, run, "merge") == 1
    assert [manifest.take_last_try(store, run, "merge") for _ in range(2)] == [True, False]
    assert run_status(store, run).steps == ()
    manifest.record_failure(store, run, "merge", "killed")
    lifecycle.reopen_run(store, run)
    assert manifest.record_first_try(store, run, "merge", 2) == 2
    assert manifest.take_last_try(store, run, "merge")
