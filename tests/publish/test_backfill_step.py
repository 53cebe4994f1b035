"""The step before the merge: it fetches what is missing, where that can be done at all, and stops nothing."""

from dataclasses import replace
from datetime import date

import pytest

from booktape.model.errors import TransientError
from booktape.publish import lifecycle, manifest
from booktape.publish.context import Context
from booktape.publish.executor import perform, run_steps
from booktape.publish.results import Check, Heal
from booktape.publish.retries import GateFailedError
from booktape.publish.sources import DataSource
from booktape.publish.steps import plan
from booktape.rest.backfill_results import BackfilledMarket, BackfillResult
from booktape.store.layout import Run
from booktape.store.objects import StorageUnavailableError, open_store
from tests.publish.recordings import DAY, store_trades

SOURCE = "binance-trades"


def claimed(context: Context) -> Run:
    return lifecycle.claim_run(context.store, SOURCE, DAY, "nightly", "test")


@pytest.mark.parametrize(
    ("source", "first"),
    [
        (DataSource("a", "binance", "trades"), "heal"),
        (DataSource("a", "deribit", "trades"), "heal"),
        (DataSource("a", "binance", "book_updates"), "merge"),
        (DataSource("a", "binance-us", "trades"), "merge"),
        (DataSource("a", "bitmex", "trades"), "merge"),
    ],
)
def test_only_trades_of_venues_that_give_past_ones_are_healed(source: DataSource, first: str) -> None:
    assert plan(source)[0].name == first


def test_what_was_healed_stands_in_the_manifest_and_is_merged(in_directory: Context) -> None:
    store_trades(in_directory.store, [*range(1, 10), *range(20, 30)])
    asked: list[tuple[str, date, str]] = []

    def backfill(exchange: str, day: date, night: str) -> BackfillResult:
        asked.append((exchange, day, night))
        store_trades(open_store(f"{in_directory.store.url}/rest"), range(10, 20))
        return BackfillResult({"BTC-USDT": BackfilledMarket(holes=1, missing=10, healed=10)})

    run = claimed(in_directory)
    run_steps(replace(in_directory, backfiller=backfill), run)
    assert asked == [("binance", DAY, "test")]
    assert manifest.require_result(in_directory.store, run, Heal) == Heal({"BTC-USDT": BackfilledMarket(1, 10, 10)})
    checked = manifest.require_result(in_directory.store, run, Check)
    assert (checked.rows, checked.completeness) == (29, 1)


def test_what_the_venue_does_not_give_is_told_and_the_night_goes_on(in_directory: Context) -> None:
    store_trades(in_directory.store, [*range(1, 10), *range(20, 30)])
    healing = BackfillResult({"BTC-USDT": BackfilledMarket(1, 10, 0, "it is away")}, "it is away")
    run = claimed(in_directory)
    with pytest.raises(GateFailedError):
        run_steps(replace(in_directory, backfiller=lambda exchange, day, night: healing), run)
    assert manifest.require_result(in_directory.store, run, Heal).why == "it is away"


def test_without_a_backfiller_the_manifest_says_that_backfill_is_off(in_directory: Context) -> None:
    run = claimed(in_directory)
    assert perform(in_directory, run, "heal") == Heal({}, "backfill is off (BOOKTAPE_HEAL)")


def test_a_store_that_does_not_answer_is_tried_again(in_directory: Context) -> None:
    def away(exchange: str, day: date, night: str) -> BackfillResult:
        raise StorageUnavailableError("the store is away")

    run = claimed(in_directory)
    with pytest.raises(TransientError):
        perform(replace(in_directory, backfiller=away), run, "heal")
    assert manifest.read_result(in_directory.store, run, Heal) is None
