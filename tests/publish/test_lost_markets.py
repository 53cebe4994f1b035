"""A market of which a whole day is lost stands in that day's certificate, and holds the day where numbers prove it."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import json

from booktape.integrity import parquet_check, uptime_log, verify
from booktape.integrity.certificate_reader import parse_certificate
from booktape.model.records import DAY as A_DAY
from booktape.model.records import SECOND, TRADES
from booktape.model.uptime import StreamInterval, StreamUptime
from booktape.publish import certify_step, lifecycle
from booktape.publish.context import Context
from booktape.publish.executor import run_steps
from booktape.publish.lifecycle import release_held_run
from booktape.publish.retries import GateFailedError
from booktape.store.layout import Run, published_key
from tests.publish.recordings import DAY, MIDNIGHT, store_at, store_trades

SOURCE = "binance-trades"
RUN = Run(SOURCE, DAY, 1)
LOST = "ETH-USDT"


def publish(context: Context, threshold: float = 0.999) -> dict[str, Any]:
    """Publish the day; its certificate, which `verify` finds nothing wrong with."""
    source = replace(context.source(SOURCE), threshold=threshold)
    run = lifecycle.claim_run(context.store, SOURCE, DAY, "nightly", "test")
    run_steps(replace(context, sources={SOURCE: source}), run)
    return certificate(context)


def certificate(context: Context) -> dict[str, Any]:
    told: dict[str, Any] = json.decode(certify_step.read_certificate(context, RUN))
    return told


def test_a_day_of_which_a_market_is_lost_is_held_however_small_that_market_is(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50_000))
    store_at(in_directory.store, -1, [1, 2])
    store_at(in_directory.store, 1, [6])
    with pytest.raises(
        GateFailedError,
        match=r"not one numbered record is there of 1 market of the day: ETH-USDT: 3 ids missing in 1 gap; once .*"
        "to publish it as it is: booktape release",
    ):
        publish(in_directory)
    told = certificate(in_directory)
    hole = {"missing": 3, "missing_ids": [[3, 5]], "broken_links": []}
    lost = told["markets"][LOST]
    assert (lost["rows"], lost["records"], lost["first_id"], lost["share_verified"]) == (0, 0, None, None)
    assert lost["edges"] == {"start": hole, "end": hole}
    assert (lost["sequence"]["first"], lost["sequence"]["expected"], lost["sequence"]["present"]) == (None, 0, 0)
    assert (lost["unverifiable"], lost["share_present"]) == (None, "0.000000")
    totals = told["totals"]
    assert (totals["markets"], totals["expected"], totals["present"], totals["missing"]) == (2, 50_002, 49_999, 3)
    release_held_run(in_directory.store, RUN, "somebody", "the market was halted")
    publish(in_directory)
    store, key = in_directory.publication, published_key(RUN)
    certified = parse_certificate(json.encode(told))
    assert verify.csv_differences(certified, lambda: store.stream(key)) == []
    assert parquet_check.parquet_differences(certified, store, key) == []


def test_where_everything_may_be_missing_a_lost_market_is_told_and_holds_nothing(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    store_at(in_directory.store, -1, [1, 2])
    store_at(in_directory.store, 1, [6])
    assert publish(in_directory, threshold=0)["totals"]["share_present"] == "0.942307"  # 49 of 52


def test_a_market_whose_numbers_meet_across_the_day_was_quiet(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    store_at(in_directory.store, -1, [1, 2])
    store_at(in_directory.store, 1, [3])
    told = publish(in_directory)
    quiet = told["markets"][LOST]
    nothing = {"missing": 0, "missing_ids": [], "broken_links": []}
    assert (quiet["edges"], quiet["share_present"], quiet["unverifiable"]) == (
        {"start": nothing, "end": nothing}, None, None,
    )  # fmt: skip
    assert told["totals"]["share_present"] == "1.000000"


@pytest.mark.parametrize("day", [-1, 1])
def test_of_a_market_with_one_neighbouring_day_nothing_is_known(in_directory: Context, day: int) -> None:
    store_trades(in_directory.store, range(1, 50))
    store_at(in_directory.store, day, [1, 2])
    unknown = publish(in_directory)["markets"][LOST]
    assert (unknown["rows"], unknown["sequence"], unknown["unverifiable"]) == (0, None, "no numbered record")
    assert unknown["edges"] == {"start": None, "end": None}
    assert unknown["downtime"]["unknown"] == [[MIDNIGHT, MIDNIGHT + A_DAY]]


@pytest.mark.parametrize(("before", "after"), [(-1, 5), (-5, 1)])
def test_where_several_days_are_lost_the_next_numbers_are_looked_for_farther_away(
    in_directory: Context, before: int, after: int
) -> None:
    store_trades(in_directory.store, range(1, 50))
    store_at(in_directory.store, before, [1, 2])
    store_at(in_directory.store, after, [6, 9])
    store_at(in_directory.store, after, [9, 10])
    with pytest.raises(GateFailedError, match="ETH-USDT: 3 ids missing in 1 gap"):
        publish(in_directory)


def test_a_market_that_began_its_numbers_anew_meanwhile_is_not_called_lost(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    store_at(in_directory.store, -1, [1001, 1002])
    store_at(in_directory.store, 1, [6])
    assert publish(in_directory)["markets"][LOST]["edges"] == {"start": None, "end": None}


def test_a_market_that_only_a_ledger_tells_of_stands_there_with_its_downtime(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    begin, end = MIDNIGHT + 60 * SECOND, MIDNIGHT + 120 * SECOND
    states = [StreamInterval("down", begin, end)]
    for market, start in ((LOST, begin), ("GONE-USDT", end)):  # the second one's line has only batches to tell
        line = StreamUptime(TRADES, market, "a", start, end, states if start < end else [], [], [])
        in_directory.store.create(*uptime_log.encode_segment("binance", "a", start, [line]))
    told = publish(in_directory)["markets"]
    assert sorted(told) == ["BTC-USDT", LOST]
    assert told[LOST]["downtime"]["down"] == [[begin, end]]
