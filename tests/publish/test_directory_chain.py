"""Publishing into a directory, without AWS: merge, check, rename."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from msgspec import Raw, json

from booktape.exchanges import exchange
from booktape.exchanges.spec import Channel
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.errors import BooktapeError
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    BookSnapshot,
    DerivativeTicker,
    Liquidation,
    Record,
)
from booktape.model.sequence import MONOTONIC, NONE
from booktape.publish import lifecycle, manifest, sources
from booktape.publish.context import Context
from booktape.publish.days import InvalidDayError, past_day
from booktape.publish.executor import RunObserver, perform, run_steps
from booktape.publish.lifecycle import NotReleasableError, release_held_run, run_status, run_to_release, source_statuses
from booktape.publish.results import Check, Released, Rename
from booktape.publish.retries import GateFailedError
from booktape.publish.sources import DataSource, UnknownSourceError
from booktape.store.layout import Run, batch_key, certificate_key
from booktape.store.objects import Store
from tests.publish.recordings import DAY, MIDNIGHT, store_trades

SOURCE = "binance-trades"


def contents(store: Store) -> dict[str, bytes]:
    return {found.key: store.read(found.key) for found in store.objects("")}


def publish(context: Context, reason: lifecycle.Reason = "nightly", request: str = "test") -> Run:
    run = lifecycle.claim_run(context.store, SOURCE, DAY, reason, request)
    run_steps(context, run)
    return run


def test_a_recorded_day_is_merged_checked_and_published_with_its_hash(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    steps: list[str] = []

    class Names(RunObserver):
        def on_result(self, run: Run, step: str, result: object, seconds: float | None) -> None:
            steps.append(step)

    run = lifecycle.claim_run(in_directory.store, SOURCE, DAY, "nightly", "test")
    run_steps(in_directory, run, observer=Names())
    key = "published/binance-trades/2024/08/09/binance-trades_2024-08-09_run1.csv"
    content = in_directory.publication.read(key)
    digest = sha256(content).hexdigest()
    assert steps == ["heal", "merge", "check", "certify", "rename", "parquet"]
    assert in_directory.publication.read(f"{key}.sha256") == f"{digest}  binance-trades_2024-08-09_run1.csv\n".encode()
    checked = manifest.require_result(in_directory.store, run, Check)
    assert (checked.rows, checked.bytes, checked.sha256) == (49, len(content), digest)
    state = run_status(in_directory.store, run)
    assert (state.state, state.detail) == ("done", "published in the directory, no data set configured")


def test_a_run_that_is_done_gets_no_more_steps(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    publish(in_directory)
    before = contents(in_directory.store)
    source = replace(in_directory.source(SOURCE), data_set="added since")
    publish(replace(in_directory, sources={SOURCE: source}))
    assert contents(in_directory.store) == before


def with_snapshots_only(context: Context) -> Context:
    """The context, with a source of books of which two snapshots were recorded, and no update."""
    levels = Raw(b'[["8","1"]]')
    snapshots = [
        BookSnapshot(
            last_id=number,
            bids=levels,
            asks=levels,
            origin="stream",
            timestamp=MIDNIGHT + number,
            local_timestamp=MIDNIGHT + number + 5,
        )
        for number in (1, 2)
    ]
    batch = Batch(BOOK_SNAPSHOTS, "BTC-USDT", MIDNIGHT, 1, 2, 2, codec.encode_records(snapshots))
    context.store.create(str(batch_key(batch, "binance")), codec.compress(batch.lines))
    return replace(context, sources={SOURCE: DataSource(SOURCE, "binance", BOOK_UPDATES)})


def test_a_book_without_one_update_is_held(in_directory: Context) -> None:
    with pytest.raises(GateFailedError, match="the book has snapshots only, not one update; once"):
        publish(with_snapshots_only(in_directory))


def test_a_book_of_a_venue_that_sends_snapshots_only_is_published(
    in_directory: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = replace(exchange("binance"), channels=(Channel("book", (BOOK_SNAPSHOTS,), MONOTONIC),))
    monkeypatch.setattr(sources, "exchange", lambda identifier: venue)
    context = with_snapshots_only(in_directory)
    run = publish(context)
    checked = manifest.require_result(context.store, run, Check)
    assert (checked.rows, checked.rule, checked.completeness, checked.held) == (4, MONOTONIC, None, None)
    published = manifest.require_result(context.store, run, Rename).url.removeprefix(f"{context.publication.url}/")
    begin = f'"binance","BTC-USDT","{MIDNIGHT + 1}","{MIDNIGHT + 6}","true"'
    rows = context.publication.read(published).decode().splitlines()
    assert rows[1:3] == [f'{begin},"bid","8","1"', f'{begin},"ask","8","1"']


@pytest.mark.parametrize(
    ("data_type", "record", "row"),
    [
        (
            DERIVATIVE_TICKER,
            DerivativeTicker(mark_price="10.5", local_timestamp=MIDNIGHT - 1),
            f'"{MIDNIGHT - 1}","{MIDNIGHT - 1}",,,,,,,"10.5"',
        ),
        (
            LIQUIDATIONS,
            Liquidation(timestamp=MIDNIGHT, side="sell", price="10.5", amount="2", local_timestamp=MIDNIGHT + 1),
            f'"{MIDNIGHT}","{MIDNIGHT + 1}",,"sell","10.5","2"',
        ),
    ],
)
def test_what_only_derivatives_have_is_published_as_unverifiable(
    in_directory: Context, monkeypatch: pytest.MonkeyPatch, data_type: Any, record: Record, row: str
) -> None:
    venue = replace(exchange("binance"), channels=(Channel("all", (data_type,), NONE),))
    monkeypatch.setattr(sources, "exchange", lambda identifier: venue)
    batch = Batch(data_type, "BTC-USDT", MIDNIGHT, MIDNIGHT, MIDNIGHT, 1, codec.encode_records([record]))
    in_directory.store.create(str(batch_key(batch, "binance")), codec.compress(batch.lines))
    run = publish(replace(in_directory, sources={SOURCE: DataSource(SOURCE, "binance", data_type)}))
    checked = manifest.require_result(in_directory.store, run, Check)
    assert (checked.rows, checked.rule, checked.completeness, checked.held) == (1, NONE, None, None)
    published = manifest.require_result(in_directory.store, run, Rename).url.removeprefix(
        f"{in_directory.publication.url}/"
    )
    assert in_directory.publication.read(published).decode().splitlines()[1] == f'"binance","BTC-USDT",{row}'


def test_a_second_night_changes_nothing(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    publish(in_directory)
    before = contents(in_directory.store)
    publish(in_directory, request="another beat")
    assert contents(in_directory.store) == before


def test_a_republication_is_a_run_of_its_own_that_says_what_changed(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    first = publish(in_directory)
    store_trades(in_directory.store, range(50, 60))
    second = publish(in_directory, "republish", "request 1")
    old, new = (manifest.require_result(in_directory.store, run, Check) for run in (first, second))
    assert second.number == 2
    assert new.previous is not None
    assert (new.previous.sha256, new.previous.rows, new.differs) == (old.sha256, 49, True)
    assert (new.rows, new.sha256 != old.sha256) == (59, True)


def test_a_republication_of_the_same_records_says_that_nothing_changed(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    publish(in_directory)
    second = publish(in_directory, "republish", "request 1")
    assert manifest.require_result(in_directory.store, second, Check).differs is False


def test_a_day_below_the_threshold_is_held_and_stays_so(in_directory: Context) -> None:
    store_trades(in_directory.store, [*range(1, 10), *range(20, 30)])
    with pytest.raises(
        GateFailedError, match=r"65\.5172% of the numbered records are there, below the threshold 99\.9000%: .*"
    ) as held:
        publish(in_directory)
    assert "BTC-USDT: 10 ids missing in 1 gap; once the recordings are healed" in str(held.value)
    assert "booktape republish binance-trades 2024-08-09; to publish it as it is: booktape release" in str(held.value)
    before = contents(in_directory.store)
    with pytest.raises(GateFailedError):
        publish(in_directory)
    assert contents(in_directory.store) == before
    assert run_status(in_directory.store, Run(SOURCE, DAY, 1)).state == "held"
    assert not [key for key in before if key.startswith("published/")]


def test_a_held_day_that_was_healed_is_published_by_a_republication(in_directory: Context) -> None:
    store_trades(in_directory.store, [*range(1, 10), *range(20, 30)])
    with pytest.raises(GateFailedError):
        publish(in_directory)
    store_trades(in_directory.store, range(10, 20))
    run = publish(in_directory, "republish", "request 1")
    assert manifest.require_result(in_directory.store, run, Check).completeness == 1
    assert [state.state for state in source_statuses(in_directory.store, SOURCE)] == ["held", "done"]


def test_a_day_without_a_single_record_is_held(in_directory: Context) -> None:
    with pytest.raises(GateFailedError, match=r"was it recorded\?; once the recordings are healed: booktape republish"):
        publish(in_directory)


def test_a_file_that_is_not_what_was_checked_is_not_published(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    key = "published/binance-trades/2024/08/09/binance-trades_2024-08-09_run1.csv"
    in_directory.publication.create(key, b"something else")
    with pytest.raises(BooktapeError, match="is not the file that was checked"):
        publish(in_directory)
    state = run_status(in_directory.store, Run(SOURCE, DAY, 1))
    assert (state.state, state.step) == ("failed", "certify")


def test_a_failed_run_goes_on_once_the_cause_is_gone(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    key = "published/binance-trades/2024/08/09/binance-trades_2024-08-09_run1.csv"
    in_directory.publication.create(key, b"something else")
    with pytest.raises(BooktapeError):
        publish(in_directory)
    in_directory.publication.delete(key)
    run = publish(in_directory)
    assert run_status(in_directory.store, run).state == "done"
    assert manifest.require_result(in_directory.store, run, Rename).url.endswith(key)


def test_a_file_that_is_not_what_the_recordings_say_is_held_for_good(in_directory: Context) -> None:
    """Here a batch came between the merge and the certificate."""
    store_trades(in_directory.store, range(1, 50))
    run = lifecycle.claim_run(in_directory.store, SOURCE, DAY, "nightly", "test")
    for step in ("heal", "merge", "check"):
        perform(in_directory, run, step)
    store_trades(in_directory.store, range(50, 60))
    with pytest.raises(
        GateFailedError, match="BTC-USDT: 49 rows in the file, 59 by the recordings; to try again: booktape rep"
    ):
        perform(in_directory, run, "certify")
    with pytest.raises(NotReleasableError, match="only a run below its source's threshold can be released"):
        release_held_run(in_directory.store, run, "somebody", "because")
    assert publish(in_directory, "republish", "request 1").number == 2


def test_the_certificate_lies_beside_the_file(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    run = publish(in_directory)
    key = "published/binance-trades/2024/08/09/binance-trades_2024-08-09_run1"
    certificate = json.decode(in_directory.publication.read(f"{key}.certificate.json"))
    checked = manifest.require_result(in_directory.store, run, Check)
    assert certificate["file"] == {"rows": 49, "bytes": checked.bytes, "sha256": checked.sha256}
    assert certificate["totals"]["share_present"] == "1.000000"
    assert certificate["systems"] == ["primary", "rest"]


def test_a_released_run_is_published_as_it_is_and_says_who_let_it_go(in_directory: Context) -> None:
    store_trades(in_directory.store, [*range(1, 10), *range(20, 30)])
    with pytest.raises(GateFailedError):
        publish(in_directory)
    run = Run(SOURCE, DAY, 1)
    for _ in range(2):  # the second time changes nothing
        release_held_run(in_directory.store, run, "ops@night", "the venue was down")
    assert lifecycle.active_runs(in_directory.store) == [run]
    assert lifecycle.is_unfinished(in_directory.store, run)
    assert run_status(in_directory.store, run).state == "running"
    publish(in_directory)
    released = manifest.require_result(in_directory.store, run, Released)
    assert (released.who, released.why) == ("ops@night", "the venue was down")
    assert run_status(in_directory.store, run).state == "done"
    assert manifest.require_result(in_directory.store, run, Rename).certificate is not None


def test_a_run_that_a_later_one_superseded_is_not_released(in_directory: Context) -> None:
    store_trades(in_directory.store, [*range(1, 10), *range(20, 30)])
    with pytest.raises(GateFailedError):
        publish(in_directory)
    lifecycle.claim_run(in_directory.store, SOURCE, DAY, "republish", "request 1")
    with pytest.raises(lifecycle.SupersededError):
        release_held_run(in_directory.store, Run(SOURCE, DAY, 1), "somebody", "because")


def held_day(context: Context) -> Run:
    store_trades(context.store, [*range(1, 10), *range(20, 30)])
    with pytest.raises(GateFailedError):
        publish(context)
    return Run(SOURCE, DAY, 1)


def test_what_is_released_is_the_run_of_that_number_else_the_newest_that_is_held(in_directory: Context) -> None:
    store = in_directory.store
    with pytest.raises(
        NotReleasableError, match=r"there is no run that is held of binance-trades on 2024-08-09: booktape"
    ):
        run_to_release(store, SOURCE, DAY)
    first = held_day(in_directory)
    with pytest.raises(GateFailedError):
        publish(in_directory, "republish", "request 1")
    third = lifecycle.claim_run(store, SOURCE, DAY, "republish", "request 2")
    assert run_to_release(store, SOURCE, DAY) == Run(SOURCE, DAY, 2)
    assert run_to_release(store, SOURCE, DAY, 1) == first
    with pytest.raises(NotReleasableError, match="there is no run 4 of"):
        run_to_release(store, SOURCE, DAY, 4)
    with pytest.raises(NotReleasableError, match=r"run 3 is not held: booktape status"):
        release_held_run(store, run_to_release(store, SOURCE, DAY, 3), "somebody", "because")
    with pytest.raises(lifecycle.SupersededError, match="is superseded by run 3"):
        release_held_run(store, run_to_release(store, SOURCE, DAY), "somebody", "because")
    assert third.number == 3


def test_a_release_that_was_killed_halfway_is_finished_by_another(
    in_directory: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(store: Store, run: Run) -> None:
        raise KeyboardInterrupt

    run = held_day(in_directory)
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "remove_hold", killed)
        with pytest.raises(KeyboardInterrupt):
            release_held_run(in_directory.store, run, "somebody", "because")
    assert run_status(in_directory.store, run).state == "held"
    assert release_held_run(in_directory.store, run, "another", "too late").who == "somebody"
    assert run_status(in_directory.store, run).state == "running"


def test_a_released_day_is_not_certified_a_second_time(
    in_directory: Context,
) -> None:
    run = held_day(in_directory)
    before = in_directory.store.read(certificate_key(run))
    store_trades(in_directory.store, range(10, 20))  # what came since is none of this run's business
    release_held_run(in_directory.store, run, "somebody", "because")
    publish(in_directory)
    assert in_directory.store.read(certificate_key(run)) == before
    placed = manifest.require_result(in_directory.store, run, Rename).certificate
    assert placed is not None
    assert in_directory.publication.read(placed.removeprefix(f"{in_directory.publication.url}/")) == before


def test_an_unknown_source_lists_those_there_are(in_directory: Context) -> None:
    with pytest.raises(UnknownSourceError, match="unknown data source 'bnance'; there are: binance-trades"):
        run_steps(in_directory, Run("bnance", DAY, 1))


@pytest.mark.parametrize("text", ["2019-13-01", "yesterday", "2099-01-01"])
def test_only_days_that_are_over_can_be_published(text: str) -> None:
    with pytest.raises(InvalidDayError, match=text):
        past_day(text)
