"""Publishing to AWS: whatever is lost and whoever else tries, there is one revision, one asset, one change set."""

from dataclasses import replace

import pytest

from booktape.merge import Merge, Merged, init_athena, open_engine
from booktape.model.errors import BooktapeError
from booktape.publish import data_exchange, lifecycle, manifest
from booktape.publish.aws_steps import MAX_REPLACEMENTS, revision_comment
from booktape.publish.catalog import ChangeSetFailedError
from booktape.publish.context import Context
from booktape.publish.data_exchange import ImportJobFailedError
from booktape.publish.executor import RunObserver, perform, run_steps
from booktape.publish.lifecycle import run_status
from booktape.publish.results import Attempt, Check, Imported, Revision, Revoked, Shown, name_of
from booktape.publish.retries import GateFailedError, RetryPolicy
from booktape.publish.sources import DataSource, Mode, Product
from booktape.store.layout import Run
from tests.publish.aws_world import BUCKET, PRODUCT, World
from tests.publish.recordings import DAY, store_trades
from tests.waiting import DEADLINE

SOURCE = "binance-trades"
KEY = "published/binance-trades/2024/08/09/binance-trades_2024-08-09_run1.csv"
FAST = RetryPolicy(poll=0.02, first=0.02, most=0.1, deadline=DEADLINE)


def publish(context: Context) -> Run:
    run = lifecycle.claim_run(context.store, SOURCE, DAY, "nightly", "test")
    run_steps(context, run, FAST)
    return run


def published_once(context: Context, run: Run) -> dict[str, object]:
    checked = manifest.require_result(context.store, run, Check)
    return {
        "revisions": [(revision_comment(run, checked.sha256), True)],
        "assets": [(KEY, checked.bytes)],
        "jobs": ["COMPLETED"],
        "change sets": ["SUCCEEDED"],
        "published": [PRODUCT],
    }


@pytest.fixture
def recorded(at_aws: Context) -> Context:
    store_trades(at_aws.store, range(1, 50))
    return at_aws


def with_mode(context: Context, mode: Mode, verify_seconds: float = 0) -> Context:
    source = replace(context.source(SOURCE), products=(Product(PRODUCT, mode),))
    return replace(context, sources={SOURCE: source}, verify_seconds=verify_seconds)


def test_a_day_becomes_one_final_revision_with_the_file_in_it_and_its_product_shows_it(
    recorded: Context, world: World
) -> None:
    run = publish(recorded)
    asset = next(iter(world.state.assets.values()))
    assert world.summary() == published_once(recorded, run)
    assert asset.content == recorded.publication.read(KEY)
    assert run_status(recorded.store, run).state == "done"


def test_a_day_merged_by_athena_is_copied_by_the_server_and_published(recorded: Context, world: World) -> None:
    url = f"s3://{BUCKET}"
    init_athena(primary=url, replica=None, results=f"{url}/merged", exchanges=["binance"])
    athena = open_engine("athena", primary=url, replica=None, results=f"{url}/merged")
    run = publish(replace(recorded, engine=athena))
    assert world.summary() == published_once(recorded, run)


def test_a_second_night_calls_nothing(recorded: Context, world: World) -> None:
    publish(recorded)
    before = dict(world.state.requests)
    publish(recorded)
    after = dict(world.state.requests)
    assert {call: count for call, count in after.items() if call[0] != "s3" and count != before.get(call)} == {}


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("dataexchange", "CreateRevision"),
        ("dataexchange", "CreateJob"),
        ("dataexchange", "StartJob"),
        ("dataexchange", "UpdateRevision"),
        ("marketplace-catalog", "StartChangeSet"),
    ],
)
def test_a_lost_answer_makes_nothing_twice(recorded: Context, world: World, service: str, operation: str) -> None:
    world.lose_answer(operation, service)
    run = publish(recorded)
    assert world.summary() == published_once(recorded, run)


@pytest.mark.parametrize(
    ("operation", "status", "code", "service"),
    [
        ("CreateRevision", 429, "ThrottlingException", "dataexchange"),
        ("CreateJob", 500, "InternalServerException", "dataexchange"),
        ("StartJob", 402, "ServiceLimitExceededException", "dataexchange"),
        ("StartChangeSet", 423, "ResourceInUseException", "marketplace-catalog"),
    ],
)
def test_what_may_pass_is_tried_again(
    recorded: Context, world: World, operation: str, status: int, code: str, service: str
) -> None:
    world.refuse(operation, status, code, service, times=3)
    run = publish(recorded)
    assert world.summary() == published_once(recorded, run)


def test_a_refusal_ends_the_run_and_says_why(recorded: Context, world: World) -> None:
    world.refuse("CreateRevision", 403, "AccessDeniedException")
    with pytest.raises(BooktapeError, match="CreateRevision: AccessDeniedException"):
        publish(recorded)
    state = run_status(recorded.store, Run(SOURCE, DAY, 1))
    assert (state.state, state.step) == ("failed", "parquet")
    assert world.calls("CreateRevision") == 1


def test_what_does_not_pass_in_time_ends_the_run(recorded: Context, world: World) -> None:
    world.refuse("CreateRevision", 503, "ServiceUnavailableException", times=1_000)
    run = lifecycle.claim_run(recorded.store, SOURCE, DAY, "nightly", "test")
    with pytest.raises(BooktapeError, match=r"gave up after 0 s: CreateRevision"):
        run_steps(recorded, run, replace(FAST, deadline=0.2))
    assert run_status(recorded.store, run).state == "failed"


def test_a_held_day_never_makes_a_revision(at_aws: Context, world: World) -> None:
    store_trades(at_aws.store, [*range(1, 10), *range(20, 30)])
    with pytest.raises(GateFailedError):
        publish(at_aws)
    with pytest.raises(GateFailedError):
        perform(at_aws, Run(SOURCE, DAY, 1), "create_revision")
    assert world.calls("CreateRevision") == 0


def test_of_two_creators_the_earlier_revision_stands_and_the_other_is_taken_back(
    recorded: Context, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = recorded.aws.data_exchange
    listed = data_exchange._revisions
    earlier: list[str] = []

    def list_then_lose_the_race(*arguments: object) -> list[data_exchange.RevisionEntry]:
        found = listed(*arguments)  # type: ignore[arg-type]
        if not earlier:
            earlier.append(client.create_revision(DataSetId=world.data_set, Comment="the same")["Id"])
        return found

    monkeypatch.setattr(data_exchange, "_revisions", list_then_lose_the_race)
    found = data_exchange.find_or_create_revision(client, world.data_set, "the same")
    assert found.id == earlier[0]
    assert list(world.state.revisions) == earlier


def run_until(context: Context, last: str) -> Run:
    run = lifecycle.claim_run(context.store, SOURCE, DAY, "nightly", "test")

    class Stop(RunObserver):
        def on_result(self, run: Run, step: str, result: object, seconds: float | None) -> None:
            if step == last:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_steps(context, run, FAST, Stop())
    return run


def import_again(context: Context, world: World, revision: str, key: str) -> None:
    client = context.aws.data_exchange
    job = client.create_job(
        Type="IMPORT_ASSETS_FROM_S3",
        Details={
            "ImportAssetsFromS3": {
                "DataSetId": world.data_set,
                "RevisionId": revision,
                "AssetSources": [{"Bucket": BUCKET, "Key": key}],
            }
        },
    )
    client.start_job(JobId=job["Id"])


def test_the_duplicate_asset_of_a_second_import_is_deleted_before_finalising(recorded: Context, world: World) -> None:
    run = run_until(recorded, "poll_job")
    revision = manifest.require_result(recorded.store, run, Revision)
    import_again(recorded, world, revision.id, KEY)
    publish(recorded)
    assert len(world.state.assets) == 1
    assert world.state.revisions[revision.id].finalized


def test_a_revision_with_a_foreign_asset_is_not_finalised(recorded: Context, world: World) -> None:
    run = run_until(recorded, "poll_job")
    revision = manifest.require_result(recorded.store, run, Revision)
    recorded.publication.create("foreign.csv", b"something else")
    import_again(recorded, world, revision.id, "foreign.csv")
    with pytest.raises(data_exchange.WrongAssetError, match=r"holds foreign\.csv \(14 bytes\) instead of"):
        publish(recorded)
    assert not world.state.revisions[revision.id].finalized


def test_a_published_file_that_changed_is_not_finalised(recorded: Context, world: World) -> None:
    run = run_until(recorded, "poll_job")
    recorded.publication.replace(KEY, b"something else")
    with pytest.raises(BooktapeError, match="changed since it was checked"):
        publish(recorded)
    assert not world.state.revisions[manifest.require_result(recorded.store, run, Revision).id].finalized


def test_an_import_that_the_service_broke_is_made_anew(recorded: Context, world: World) -> None:
    world.state.faults.add({"service": "dataexchange", "job": "ERROR", "times": 1})
    publish(recorded)
    assert [job.state for job in world.state.jobs.values()] == ["ERROR", "COMPLETED"]
    assert len(world.state.assets) == 1


def test_an_import_that_was_refused_is_asked_for_anew_once_it_was_mended(
    recorded: Context, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse = ImportJobFailedError("import job ended as ERROR: ACCESS_DENIED_EXCEPTION", may_pass=False)
    jobs: list[str] = []

    def wait(client: object, job: str) -> None:
        jobs.append(job)
        world.state.jobs[job].state = "ERROR"
        raise refuse

    with monkeypatch.context() as patch:
        patch.setattr(data_exchange, "wait_for_job", wait)
        with pytest.raises(ImportJobFailedError):
            publish(recorded)
    run = publish(recorded)
    assert run_status(recorded.store, run).state == "done"
    assert manifest.require_result(recorded.store, run, Imported).job not in jobs


def test_another_try_has_all_its_replacements_again(recorded: Context, world: World) -> None:
    broken = {"service": "marketplace-catalog", "change_set": "FAILED"}
    for _ in range(2):
        world.state.faults.add({**broken, "times": MAX_REPLACEMENTS + 1})
        with pytest.raises(ChangeSetFailedError):
            publish(recorded)
    publish(recorded)
    tokens = [item.token for item in world.state.change_sets.values()]
    assert len(tokens) == len(set(tokens)) == 2 * (MAX_REPLACEMENTS + 1) + 1


def test_a_query_that_was_started_is_not_started_again(recorded: Context) -> None:
    class Slow:
        started = polled = 0
        systems = recorded.engine.systems

        def start(self, merge: Merge, token: str) -> str:
            self.started += 1
            return recorded.engine.start(merge, token)

        def poll(self, query: str) -> Merged | None:
            self.polled += 1
            return recorded.engine.poll(query) if self.polled >= 3 else None

    engine = Slow()
    publish(replace(recorded, engine=engine))
    assert (engine.started, engine.polled) == (1, 4)  # the fourth asks where the Parquet file lies


def test_a_change_set_that_the_service_broke_is_submitted_anew_with_another_token(
    recorded: Context, world: World
) -> None:
    world.state.faults.add({"service": "marketplace-catalog", "change_set": "FAILED", "times": 1})
    run = publish(recorded)
    first, second = world.state.change_sets.values()
    assert (first.status, second.status, first.token != second.token) == ("FAILED", "SUCCEEDED", True)
    counted = manifest.read_entry(recorded.store, run, Attempt, f"{name_of(Shown)}.{PRODUCT}.attempt-1")
    assert counted is not None
    assert counted.result.replaced_by == second.id


def test_a_change_set_with_a_mistake_in_it_ends_the_run_and_says_which(recorded: Context, world: World) -> None:
    other = recorded.aws.data_exchange.create_data_set(AssetType="S3_SNAPSHOT", Name="x", Description="y")
    world.state.add_product("prod-other", other["Arn"])
    source = replace(recorded.source(SOURCE), products=(Product("prod-other", "change-set"),))
    context = replace(recorded, sources={SOURCE: source})
    with pytest.raises(BooktapeError, match="DATA_SET_NOT_PUBLISHED"):
        publish(context)
    assert len(world.state.change_sets) == 1
    world.state.add_product("prod-other", world.data_set_arn)  # mended: another try asks anew
    assert run_status(context.store, publish(context)).state == "done"
    assert len(world.state.change_sets) == 2


def test_an_auto_product_is_not_called(recorded: Context, world: World) -> None:
    run = publish(with_mode(recorded, "auto"))
    assert world.calls("StartChangeSet", "marketplace-catalog") == 0
    assert manifest.require_result(recorded.store, run, Shown).products == {PRODUCT: None}


def test_a_verified_product_that_does_not_show_the_revision_in_time_gets_a_change_set(
    recorded: Context, world: World
) -> None:
    run = publish(with_mode(recorded, "verify", verify_seconds=0.2))
    assert world.summary() == published_once(recorded, run)


def test_a_verified_product_that_shows_the_revision_gets_no_change_set(
    recorded: Context, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_exchange, "is_published", lambda *arguments: True)
    publish(with_mode(recorded, "verify"))
    assert world.calls("StartChangeSet", "marketplace-catalog") == 0


def test_a_data_set_needs_a_bucket_to_import_from(in_directory: Context, world: World) -> None:
    store_trades(in_directory.store, range(1, 50))
    source = DataSource(SOURCE, "binance", "trades", data_set=world.data_set)
    with pytest.raises(BooktapeError, match="publish to an s3:// URL"):
        publish(replace(in_directory, sources={SOURCE: source}))
    assert world.calls("CreateJob") == 0


def test_the_longest_comment_fits(at_aws: Context) -> None:
    longest = 128  # AWS Data Exchange User Guide, "Service quotas"
    assert len(revision_comment(Run("a" * 50, DAY, 9999), "f" * 64)) <= longest


def republish(context: Context, *, revoke: bool) -> Run:
    run = lifecycle.claim_run(context.store, SOURCE, DAY, "republish", "request 1", revoke=revoke)
    run_steps(context, run, FAST)
    return run


def test_a_republication_revokes_the_old_revision_once_the_new_one_is_shown(recorded: Context, world: World) -> None:
    old = manifest.require_result(recorded.store, publish(recorded), Revision).id
    world.lose_answer("RevokeRevision")
    run = republish(recorded, revoke=True)
    new = manifest.require_result(recorded.store, run, Revision).id
    found = {item.id: item.revocation_comment for item in world.state.revisions.values() if item.revoked_at}
    assert found == {old: f"superseded by binance-trades 2024-08-09 run 2, revision {new}"}
    assert manifest.require_result(recorded.store, run, Revoked).revisions == [old]
    assert (world.calls("RevokeRevision"), run_status(recorded.store, run).state) == (1, "done")


def test_a_republication_leaves_the_old_revision_unless_asked(recorded: Context, world: World) -> None:
    publish(recorded)
    run = republish(recorded, revoke=False)
    assert manifest.require_result(recorded.store, run, Revoked).revisions == []
    assert world.calls("RevokeRevision") == 0


def test_what_was_final_without_the_manifest_knowing_is_revoked_too(recorded: Context, world: World) -> None:
    """As a worker leaves it that was killed after the answer of AWS: the step has no result."""
    first = run_until(recorded, "poll_job")
    old = manifest.require_result(recorded.store, first, Revision).id
    recorded.aws.data_exchange.update_revision(DataSetId=world.data_set, RevisionId=old, Finalized=True)
    manifest.record_failure(recorded.store, first, "finalise", "killed")
    run = republish(recorded, revoke=True)
    assert manifest.require_result(recorded.store, run, Revoked) == Revoked([old])
    assert world.state.revisions[old].revoked_at is not None


def test_the_revision_of_a_run_that_failed_after_it_was_final_is_revoked_too(recorded: Context, world: World) -> None:
    world.refuse("StartChangeSet", 403, "AccessDeniedException", "marketplace-catalog")
    with pytest.raises(BooktapeError, match="StartChangeSet"):
        publish(recorded)
    old = manifest.require_result(recorded.store, Run(SOURCE, DAY, 1), Revision).id
    run = republish(recorded, revoke=True)
    assert manifest.require_result(recorded.store, run, Revoked) == Revoked([old])


def test_a_revision_that_never_was_final_is_left_and_one_that_is_gone_is_told(recorded: Context, world: World) -> None:
    first = run_until(recorded, "poll_job")
    manifest.record_failure(recorded.store, first, "finalise", "killed")
    run_steps(recorded, lifecycle.claim_run(recorded.store, SOURCE, DAY, "republish", "a"))
    gone = manifest.require_result(recorded.store, Run(SOURCE, DAY, 2), Revision).id
    del world.state.revisions[gone]
    run = republish(recorded, revoke=True)
    assert run.number == 3
    assert manifest.require_result(recorded.store, run, Revoked) == Revoked([], [gone])
    assert world.calls("RevokeRevision") == 0


def test_an_earlier_revision_is_revoked_in_the_data_set_in_which_it_was_made(recorded: Context, world: World) -> None:
    old = manifest.require_result(recorded.store, publish(recorded), Revision)
    other = recorded.aws.data_exchange.create_data_set(AssetType="S3_SNAPSHOT", Name="x", Description="y")
    moved = replace(recorded.source(SOURCE), data_set=other["Id"], products=())
    run = republish(replace(recorded, sources={SOURCE: moved}), revoke=True)
    new = manifest.require_result(recorded.store, run, Revision)
    assert (old.data_set, new.data_set) == (world.data_set, other["Id"])
    assert manifest.require_result(recorded.store, run, Revoked) == Revoked([old.id])


def test_a_run_goes_on_in_the_data_set_in_which_its_revision_was_made(recorded: Context, world: World) -> None:
    run = run_until(recorded, "create_revision")
    other = recorded.aws.data_exchange.create_data_set(AssetType="S3_SNAPSHOT", Name="x", Description="y")
    moved = replace(recorded.source(SOURCE), data_set=other["Id"])
    run_steps(replace(recorded, sources={SOURCE: moved}), run, FAST)
    assert world.summary() == published_once(recorded, run)
