"""The engine on Athena, against the sandbox that runs its SQL: DuckDB's very bytes, paid once, errors explained."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from time import sleep
from uuid import uuid4

import boto3
import pytest
from botocore.stub import Stubber
from msgspec import Raw

from booktape.core.csv import PUBLISHED
from booktape.core.records import BookSnapshot, BookUpdate, DerivativeTicker, Liquidation, Quote, Trade
from booktape.errors import Transient
from booktape.merge import (
    Engine,
    Merge,
    Merged,
    MergeFailed,
    MergeInterrupted,
    NothingToMerge,
    init_athena,
    open_engine,
)
from booktape.merge.athena import AthenaEngine
from booktape.storage import BadStorageUrl, open_store
from sandbox.aws.server import Sandbox, running
from tests.merge.systems import Systems, at, put

DAY = date(2024, 8, 31)
NEXT = date(2024, 9, 1)
TRADES = Merge("binance", "trades", DAY)
SETTINGS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def aws() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch, running() as sandbox:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in (SETTINGS | {"AWS_ENDPOINT_URL": sandbox.url}).items():
            patch.setenv(name, value)
        yield sandbox


@pytest.fixture
def buckets(aws: Sandbox, tmp_path: Path) -> Iterator[Systems]:
    """Two systems' empty buckets; DuckDB's results go to a directory, Athena's below the primary's ``results``."""
    client = boto3.client("s3", region_name="us-east-1")
    names = [f"{system}-{uuid4().hex}" for system in ("primary", "replica")]
    for name in names:
        client.create_bucket(Bucket=name)
    primary, replica = (open_store(f"s3://{name}/booktape") for name in names)
    yield Systems(primary, replica, str(tmp_path))
    aws.state.faults.clear()


def arguments(buckets: Systems) -> dict[str, str]:
    return {
        "primary": buckets.primary.url,
        "replica": buckets.replica.url,
        "results": f"{buckets.primary.url}/results",
        "database": buckets.primary.url.split("/")[2].replace("-", "_"),
    }


def create_tables(buckets: Systems) -> None:
    init_athena(**arguments(buckets), exchanges=["binance", "coinbase"])


@pytest.fixture
def engine(buckets: Systems) -> Engine:
    """The engine, with its tables made."""
    create_tables(buckets)
    return open_engine("athena", **arguments(buckets))


def finished(engine: Engine, query: str) -> Merged:
    for _ in range(200):
        merged = engine.poll(query)
        if merged is not None:
            return merged
        sleep(0.05)
    raise AssertionError(f"query {query} takes too long")


def text_of(merged: Merged) -> str:
    url, _, key = merged.url.rpartition("/")
    return open_store(url).read(key).decode()


def record_a_day(systems: Systems) -> None:
    """Every data type in both systems, around midnight at the end of a month, with holes and copies."""
    start = at(DAY, 0)
    for number, store in enumerate((systems.primary, systems.replica)):
        kept = [i for i in range(40) if i % 7 != number]
        times = {i: start + i * 60_000_000 for i in kept}
        for market in ("BTC-USDT", "ETH-USDT"):
            put(
                store,
                *(Trade(i, times[i], "buy", f"{i}.10", '1"', times[i] + 5 + number) for i in kept),
                market=market,
            )
            put(store, *(Quote(i, None, "10", "1", "11", f"{i}", times[i] + number) for i in kept), market=market)
            put(store, *(update(i, times[i] + number) for i in kept), market=market)
            put(store, rest_snapshot(20, times[kept[-1]] + number), market=market)
            put(store, *(ticker(i, times[i], number) for i in kept), market=market)
            put(store, *(liquidation(i, times[i], number) for i in kept for _ in range(1 + i % 3)), market=market)
            put(store, *(liquidation(i, times[i], number) for i in kept[5:]), market=market)
        put(store, Trade(99, at(NEXT, -1), "sell", "5", "1", at(NEXT, number)), partition=NEXT)
        put(store, Trade(100, at(NEXT), "sell", "5", "1", at(NEXT, number)))


def update(number: int, sent: int) -> BookUpdate:
    return BookUpdate(
        first_id=number,
        last_id=number + 1,
        bids=Raw(b'[["10.0","%d"],["9.0","0"]]' % number),
        asks=Raw(b'[["11","1"]]'),
        local_timestamp=sent + 3,
        sent_timestamp=sent,
    )


def ticker(number: int, time: int, system: int) -> DerivativeTicker:
    """Every third tells no engine time, and each tells one or two fields."""
    return DerivativeTicker(
        timestamp=time if number % 3 else None,
        mark_price=f"{number}.50" if number % 2 else None,
        funding_rate="0.0001" if number % 5 == 0 else None,
        funding_timestamp=time + 9 if number % 5 == 0 else None,
        open_interest='1"' if number % 2 == 0 else None,
        local_timestamp=time + 5 + system,
    )


def liquidation(number: int, time: int, system: int) -> Liquidation:
    """Every other one has an id."""
    identifier = number if number % 2 else None
    return Liquidation(
        id=identifier, timestamp=time, side="sell", price="9.5", amount="2", local_timestamp=time + 5 + system
    )


def rest_snapshot(last: int, sent: int) -> BookSnapshot:
    bids, asks = Raw(b'[["8","1"]]'), Raw(b"[]")
    return BookSnapshot(
        last_id=last, bids=bids, asks=asks, origin="rest", local_timestamp=sent + 3, sent_timestamp=sent
    )


@pytest.mark.parametrize("data_type", PUBLISHED)
def test_both_engines_and_plain_python_give_the_same_bytes(buckets: Systems, engine: Engine, data_type: str) -> None:
    record_a_day(buckets)
    merge = Merge("binance", data_type, DAY)
    merged = finished(engine, engine.start(merge, "first"))
    assert text_of(merged) == buckets.merge_text(merge) == buckets.reference_text(merge)


def test_duckdb_writes_to_a_bucket_as_well(buckets: Systems) -> None:
    record_a_day(buckets)
    engine = open_engine(
        "duckdb",
        primary=buckets.primary.url,
        replica=buckets.replica.url,
        results=f"{buckets.primary.url}/results",
    )
    query = engine.start(TRADES, "first")
    merged = finished(engine, query)
    assert merged.url == f"{buckets.primary.url}/results/{query}.csv"
    assert text_of(merged) == buckets.reference_text(TRADES)


def test_the_result_lies_where_athena_says_and_says_what_was_read(buckets: Systems, engine: Engine) -> None:
    record_a_day(buckets)
    query = engine.start(TRADES, "first")
    merged = finished(engine, query)
    assert merged.url == f"{buckets.primary.url}/results/{query}.csv"
    assert merged.scanned_bytes == sum(
        item.size
        for store in (buckets.primary, buckets.replica)
        for item in store.objects("trades/exchange=binance")
        if "day=" in item.key
    )


def test_the_same_token_finds_the_same_query_and_pays_once(buckets: Systems, engine: Engine, aws: Sandbox) -> None:
    record_a_day(buckets)
    before = len(aws.state.athena.queries)
    assert engine.start(TRADES, "first") == engine.start(TRADES, "first")
    assert len(aws.state.athena.queries) == before + 1
    assert engine.start(TRADES, "second") != engine.start(TRADES, "first")


def test_without_a_replica_the_primary_alone_is_merged(buckets: Systems) -> None:
    put(buckets.primary, Trade(1, at(DAY), "buy", "10", "1", 5))
    given = arguments(buckets) | {"replica": None}
    init_athena(**given, exchanges=["binance"])
    engine = open_engine("athena", **given)
    assert text_of(finished(engine, engine.start(TRADES, "first"))) == buckets.reference_text(TRADES)


def test_tables_can_be_made_again_and_then_know_exchanges_that_were_added(buckets: Systems) -> None:
    put(buckets.primary, Trade(1, at(DAY), "buy", "10", "1", 5), exchange="kraken")
    kraken = Merge("kraken", "trades", DAY)
    create_tables(buckets)
    init_athena(**arguments(buckets), exchanges=["binance", "kraken"])
    engine = open_engine("athena", **arguments(buckets))
    assert text_of(finished(engine, engine.start(kraken, "first"))) == buckets.reference_text(kraken)


def test_no_object_of_the_day_is_never_an_empty_success(engine: Engine) -> None:
    with pytest.raises(NothingToMerge, match="no trades of binance on 2024-08-31"):
        engine.start(TRADES, "first")


def test_a_query_that_failed_by_no_fault_of_its_own_may_be_started_again(
    buckets: Systems, engine: Engine, aws: Sandbox
) -> None:
    record_a_day(buckets)
    aws.state.faults.add({"service": "athena", "query": "FAILED", "times": 1})
    with pytest.raises(MergeInterrupted, match="FAILED: GENERIC_INTERNAL_ERROR"):
        finished(engine, engine.start(TRADES, "first"))
    assert text_of(finished(engine, engine.start(TRADES, "second"))) == buckets.reference_text(TRADES)


def test_a_torn_object_fails_the_merge(buckets: Systems, engine: Engine) -> None:
    record_a_day(buckets)
    (item, *_) = buckets.primary.objects("trades/exchange=binance/pair=BTC-USDT/year=2024/month=08")
    buckets.primary.replace(item.key, buckets.primary.read(item.key)[:-6])
    with pytest.raises(MergeFailed, match="HIVE_CURSOR_ERROR"):
        finished(engine, engine.start(TRADES, "first"))


@pytest.mark.parametrize(
    ("status", "outcome", "text"),
    [
        ({"State": "CANCELLED", "StateChangeReason": "by hand"}, MergeFailed, "query 1 CANCELLED: by hand"),
        ({"State": "FAILED", "StateChangeReason": "spelling"}, MergeFailed, "query 1 FAILED: spelling"),
        ({"State": "FAILED", "AthenaError": {"Retryable": False}}, MergeFailed, "query 1 FAILED: no reason given"),
        ({"State": "FAILED", "AthenaError": {"Retryable": True}}, MergeInterrupted, "query 1 FAILED: no reason given"),
    ],
)
def test_how_a_query_can_end_without_a_result(
    aws: Sandbox, status: dict[str, object], outcome: type[Exception], text: str
) -> None:
    client = boto3.client("athena", region_name="us-east-1")
    engine = AthenaEngine({}, "s3://results", "booktape", "primary", client)
    with Stubber(client) as stub:
        stub.add_response("get_query_execution", {"QueryExecution": {"Status": status}})
        with pytest.raises(outcome, match=text):
            engine.poll("1")


def test_missing_tables_are_named_with_the_next_step(buckets: Systems) -> None:
    put(buckets.primary, Trade(1, at(DAY), "buy", "10", "1", 5))
    engine = open_engine("athena", **arguments(buckets))
    with pytest.raises(MergeFailed, match="make the tables with `booktape athena init`"):
        finished(engine, engine.start(TRADES, "first"))


def test_a_missing_bucket_is_named_with_the_next_step(buckets: Systems) -> None:
    with pytest.raises(MergeFailed, match="create the bucket of the results"):
        init_athena(**(arguments(buckets) | {"results": "s3://nowhere-at-all/results"}), exchanges=["binance"])


def test_missing_credentials_are_named_with_the_next_step(buckets: Systems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(MergeFailed, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        create_tables(buckets)


def test_an_athena_that_is_busy_is_worth_another_try(engine: Engine, aws: Sandbox) -> None:
    aws.state.faults.add({"service": "athena", "operation": "GetQueryExecution", "status": 503})
    with pytest.raises(Transient, match="Athena: "):
        engine.poll("any")


def test_an_athena_that_is_away_is_worth_another_try(
    buckets: Systems, aws: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Transient, match="Athena is not reachable"):
        open_engine("athena", **arguments(buckets)).poll("any")


def test_a_query_that_athena_does_not_know(engine: Engine) -> None:
    with pytest.raises(MergeFailed, match="QueryExecution 0123 was not found"):
        engine.poll("0123")


def test_athena_reads_and_writes_buckets_only() -> None:
    with pytest.raises(BadStorageUrl, match=r"not 'file:///tmp/x': use DuckDB"):
        open_engine("athena", primary="s3://primary", replica=None, results="file:///tmp/x")


def test_a_token_whose_markets_changed_since_is_interrupted(buckets: Systems, engine: Engine) -> None:
    record_a_day(buckets)
    engine.start(TRADES, "first")
    put(buckets.primary, Trade(1, at(DAY), "buy", "10", "1", 5), market="NEW-USDT")
    with pytest.raises(MergeInterrupted, match="the markets changed since"):
        engine.start(TRADES, "first")
    finished(engine, engine.start(TRADES, "second"))
