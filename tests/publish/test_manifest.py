"""The run manifest: what is recorded once stands."""

import pytest

from booktape.publish import manifest
from booktape.publish.results import Check, Done, Merge, Start
from booktape.publish.sources import Run
from booktape.publish.status import status
from booktape.storage import Store, open_store
from tests.publish.recordings import DAY

SOURCE = "binance-trades"


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(str(tmp_path_factory.mktemp("store")))


def claim(store: Store, reason: manifest.Reason = "nightly", request: str = "one") -> Run:
    return manifest.claim(store, SOURCE, DAY, reason, request)


def finish(store: Store, run: Run, sha256: str = "abc") -> None:
    manifest.record(store, run, Check(rows=1, bytes=1, sha256=sha256, rule="none", completeness=None, markets={}))
    manifest.record(store, run, Done("published"))


def test_of_two_results_of_a_step_the_first_stands(store: Store) -> None:
    run = claim(store)
    assert manifest.record(store, run, Merge("first", "file:///a")) == Merge("first", "file:///a")
    assert manifest.record(store, run, Merge("second", "file:///b")) == Merge("first", "file:///a")


def test_a_result_lies_under_its_steps_name_and_says_when(store: Store) -> None:
    run = claim(store)
    manifest.record(store, run, Merge("query", "file:///a"))
    assert {found.key for found in store.objects("runs/")} == {
        "runs/binance-trades/2024-08-09/0001/start.json",
        "runs/binance-trades/2024-08-09/0001/merge.json",
    }
    entry = manifest.entry(store, run, Merge)
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
    with pytest.raises(manifest.RunUnderWay, match="run 1 is under way"):
        claim(store, "republish", "a")


def test_a_republication_knows_what_was_published_last(store: Store) -> None:
    finish(store, claim(store), "abc")
    failed = claim(store, "republish", "a")
    manifest.record_failure(store, failed, "merge", "no memory")
    third = claim(store, "republish", "b")
    previous = manifest.required(store, third, Start).previous
    assert previous is not None
    assert (previous.run, previous.sha256) == (1, "abc")


def test_a_run_that_has_a_successor_goes_no_further(store: Store) -> None:
    first = claim(store)
    manifest.record_failure(store, first, "merge", "no memory")
    claim(store, "republish", "a")
    with pytest.raises(manifest.Superseded, match="superseded by run 2"):
        manifest.refuse_superseded(store, first)
    assert not manifest.can_go_on(store, first)


def test_a_failure_is_outdated_once_its_step_has_a_result(store: Store) -> None:
    run = claim(store)
    manifest.record_failure(store, run, "merge", "no memory")
    assert status(store, run).state == "failed"
    manifest.record(store, run, Merge("query", "file:///a"))
    assert status(store, run).state == "running"


def test_unfinished_runs_are_found_however_old_their_day_is(store: Store) -> None:
    run = claim(store)
    assert manifest.unfinished(store) == [run]
    finish(store, run)
    assert manifest.unfinished(store) == []
    assert list(store.objects("unfinished/")) == []


def test_a_failed_run_is_finished_until_it_is_tried_again(store: Store) -> None:
    run = claim(store)
    manifest.record_failure(store, run, "merge", "no memory")
    assert manifest.unfinished(store) == []
    manifest.reopen(store, run)
    assert manifest.unfinished(store) == [run]


def test_a_step_without_its_predecessor_is_refused(store: Store) -> None:
    with pytest.raises(manifest.OutOfOrder, match="has no result of merge yet"):
        manifest.required(store, claim(store), Merge)


def test_an_object_that_is_no_result_is_named(store: Store) -> None:
    run = claim(store)
    store.create(f"{run.prefix}merge.json", b'{"at": 1}')
    with pytest.raises(manifest.BadManifest, match=r"0001/merge\.json does not hold what its name says"):
        manifest.result(store, run, Merge)
