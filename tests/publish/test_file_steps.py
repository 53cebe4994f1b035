"""The steps that make the file, where something goes wrong between them."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from booktape.merge import Merge, Merged, MergeFailedError
from booktape.model.errors import BooktapeError
from booktape.publish import certify_step, file_steps, files, lifecycle, manifest
from booktape.publish.context import Context
from booktape.publish.executor import perform
from booktape.publish.files import FileChangedError
from booktape.publish.results import Attempt, Check, Rename, Revision
from booktape.publish.retries import GateFailedError, WaitingError
from booktape.store.layout import Run, certificate_key, hash_key, parquet_key, published_certificate_key
from tests.publish.conftest import SOURCE
from tests.publish.recordings import DAY, store_trades


@pytest.fixture
def run(in_directory: Context) -> Run:
    store_trades(in_directory.store, range(1, 50))
    return lifecycle.claim_run(in_directory.store, SOURCE, DAY, "nightly", "test")


class Engine:
    """A merge engine whose first query fails."""

    def __init__(self, merged: Merged) -> None:
        self.merged = merged
        self.tokens: list[str] = []
        self.polls: list[str] = []

    def start(self, merge: Merge, token: str) -> str:
        self.tokens.append(token)
        return f"query {len(self.tokens)}"

    def poll(self, query: str) -> Merged | None:
        self.polls.append(query)
        if query == "query 1":
            raise MergeFailedError("out of memory")
        return self.merged if self.polls.count(query) > 1 else None


def test_a_query_that_failed_is_recorded_and_the_next_try_starts_another_one(in_directory: Context, run: Run) -> None:
    engine: Any = Engine(Merged("file:///merged.csv", None))
    context = replace(in_directory, engine=engine)
    with pytest.raises(MergeFailedError):
        perform(context, run, "merge")
    assert manifest.read_attempts(context.store, run, "merge") == [Attempt("out of memory")]
    with pytest.raises(WaitingError, match="query 2 is running"):
        perform(context, run, "merge")
    perform(context, run, "merge")
    assert len(set(engine.tokens)) == 2
    assert engine.polls == ["query 1", "query 2", "query 2"]


def test_a_file_that_changes_while_it_is_read_is_not_checked(
    in_directory: Context, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform(in_directory, run, "merge")
    versions = iter(["one", "another"])
    monkeypatch.setattr(files, "version", lambda url, aws: next(versions))
    with pytest.raises(FileChangedError, match="changed while it was read"):
        perform(in_directory, run, "check")
    assert manifest.read_result(in_directory.store, run, Check) is None


def test_a_file_that_its_check_holds_is_published_by_no_step(in_directory: Context, run: Run) -> None:
    """Whatever became of the record of the hold."""
    perform(in_directory, run, "merge")
    held = Check(rows=0, bytes=0, sha256="", rule="contiguous", completeness=None, markets={}, held="it has no rows")
    manifest.record_result(in_directory.store, run, held)
    with pytest.raises(GateFailedError, match="it has no rows"):
        file_steps.rename(in_directory, run)
    with pytest.raises(GateFailedError, match="it has no rows"):
        perform(in_directory, run, "check")


@pytest.mark.parametrize("place", ["published", "stored"])
def test_another_certificate_than_the_runs_own_is_not_published(in_directory: Context, run: Run, place: str) -> None:
    for step in ("merge", "check", "certify"):
        perform(in_directory, run, step)
    if place == "published":
        in_directory.publication.create(published_certificate_key(run), b"{}")
    else:
        in_directory.store.replace(certificate_key(run), b"{}")
    with pytest.raises(FileChangedError, match="is not the certificate that was written for binance-trades 2024-08-09"):
        perform(in_directory, run, "rename")


def test_parquet_waits_for_its_query_and_does_not_overwrite_another_hash(in_directory: Context, run: Run) -> None:
    for step in ("merge", "check", "certify", "rename"):
        perform(in_directory, run, step)
    engine: Any = SimpleNamespace(poll=lambda query: None)
    with pytest.raises(WaitingError, match="is running"):
        perform(replace(in_directory, engine=engine), run, "parquet")
    in_directory.publication.create(hash_key(parquet_key(run)), b"another")
    with pytest.raises(FileChangedError, match=r"\.parquet\.sha256 is not of the files beside it"):
        perform(in_directory, run, "parquet")


def test_the_end_of_a_day_is_not_stored_under_a_next_day_that_has_a_run(
    in_directory: Context, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[str] = []
    monkeypatch.setattr(certify_step, "store_end_of_day_snapshot", lambda *arguments: stored.append(arguments[1]))
    source = in_directory.source(SOURCE)
    certify_step._store_end_of_day(in_directory, run, source, {"BTC-USDT": b""})
    lifecycle.claim_run(in_directory.store, SOURCE, DAY + timedelta(days=1), "nightly", "test")
    certify_step._store_end_of_day(in_directory, run, source, {"ETH-USDT": b""})
    assert stored == ["BTC-USDT"]


def test_steps_at_aws_refuse_what_the_sources_file_or_the_manifest_does_not_allow(
    in_directory: Context, run: Run
) -> None:
    checked = Check(rows=1, bytes=1, sha256="a", rule="contiguous", completeness=None, markets={})
    manifest.record_result(in_directory.store, run, checked)
    with pytest.raises(manifest.OutOfOrderError, match="is not finalised yet"):
        perform(in_directory, run, "submit_change_set")
    with pytest.raises(BooktapeError, match="binance-trades has no data set any more; put it back"):
        perform(in_directory, run, "create_revision")
    manifest.record_result(in_directory.store, run, Revision("1", "arn:data-sets/a/revisions/1", ""))
    manifest.record_result(in_directory.store, run, Rename("file:///published.csv"))
    with pytest.raises(BooktapeError, match=r"Data Exchange imports from S3 only, not from file:///published\.csv"):
        perform(in_directory, run, "import_assets")
