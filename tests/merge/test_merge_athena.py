"""The engine on Athena, against the sandbox that runs its SQL: DuckDB's very bytes, paid once, errors explained."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TypedDict
from uuid import uuid4

import boto3
import pytest
from botocore.stub import Stubber

from booktape.merge import (
    Engine,
    Merge,
    Merged,
    MergeFailedError,
    MergeInterruptedError,
    NothingToMergeError,
    init_athena,
    open_engine,
)
from booktape.merge.athena_engine import AthenaEngine
from booktape.model.csv import PUBLISHED
from booktape.model.errors import TransientError
from booktape.model.records import Quote, Trade
from booktape.store.objects import InvalidStorageUrlError, Store, open_store
from sandbox.aws.server import Sandbox, running
from tests.merge.days import record_a_day, rest_snapshot, update
from tests.merge.systems import Systems, at, put, read_full
from tests.waiting import until

DAY = date(2024, 8, 31)
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
    yield Systems(primary, replica, str(tmp_path), open_store(f"{primary.url}/rest"))
    aws.state.faults.clear()


class Arguments(TypedDict):
    """What :func:`open_engine` and :func:`init_athena` both take."""

    primary: str
    replica: str | None
    results: str
    database: str


def arguments(buckets: Systems) -> Arguments:
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
    merged = until(lambda: engine.poll(query), lambda: f"query {query} does not end")
    assert merged is not None
    return merged


def text_of(merged: Merged) -> str:
    url, _, key = merged.url.rpartition("/")
    return open_store(url).read(key).decode()


@pytest.mark.parametrize("data_type", PUBLISHED)
def test_both_engines_and_plain_python_give_the_same_bytes(buckets: Systems, engine: Engine, data_type: str) -> None:
    record_a_day(buckets)
    assert buckets.rest is not None
    put(buckets.rest, *(Trade(number, at(DAY, number), "sell", "7", "1", at(DAY, 99)) for number in (7, 35)))
    merge = Merge("binance", data_type, DAY)
    merged = finished(engine, engine.start(merge, "first"))
    assert text_of(merged) == buckets.merge_text(merge) == buckets.reference_text(merge)


@pytest.mark.parametrize("data_type", PUBLISHED)
def test_both_engines_and_plain_python_give_the_same_records_in_full(
    buckets: Systems, engine: Engine, data_type: str, tmp_path: Path
) -> None:
    record_a_day(buckets)
    assert buckets.rest is not None
    put(buckets.rest, Trade(8, at(DAY, 8), "sell", "7", "1", at(DAY, 99)), market="XRP-USDT")
    merge = Merge("binance", data_type, DAY)
    parts = download(finished(engine, engine.start(merge, "first")), tmp_path)
    whole = read_full(data_type, *map(str, parts))
    assert whole == buckets.reference_full(merge)
    assert whole == read_full(data_type, buckets.merged(merge).parquet[""].removeprefix("file://"))


@pytest.mark.parametrize("data_type", ["trades", "book_updates", "quotes"])
def test_a_day_in_which_numbers_began_anew_is_the_same_on_both(
    buckets: Systems, engine: Engine, data_type: str, tmp_path: Path
) -> None:
    for number, store in enumerate((buckets.primary, buckets.replica)):
        for market, restarts in (("BTC-USDT", 2), ("ETH-USDT", 1), ("XRP-USDT", 0)):
            for era in range(restarts + 1):
                record_an_era(store, market, at(DAY, 600_000_000 * era), number)
    merge = Merge("binance", data_type, DAY)
    assert {market: len(told) for market, told in buckets.resets(merge).items()} == {"BTC-USDT": 2, "ETH-USDT": 1}
    merged = finished(engine, engine.start(merge, "first"))
    assert text_of(merged) == buckets.merge_text(merge) == buckets.reference_text(merge)
    parts = map(str, download(merged, tmp_path))
    assert read_full(data_type, *parts) == buckets.reference_full(merge)


def record_an_era(store: Store, market: str, start: int, system: int) -> None:
    """The same ids in each era, and the same prices; quotes that tell no time would be copies of an earlier era's."""
    times = [start + 1_000_000 * i for i in range(6)]
    kept = [i for i in range(6) if i % 4 != system]
    put(store, *(Trade(i, times[i], "buy", "1", "1", times[i] + system) for i in kept), market=market)
    put(store, *(Quote(i, None, "10", str(start), "11", "1", times[i] + system) for i in kept), market=market)
    put(store, *(update(i, times[i] + system) for i in kept), market=market)
    put(store, rest_snapshot(3, times[5] + system), market=market)


def download(merged: Merged, directory: Path) -> list[Path]:
    """The parts of a Parquet file, below the folders in their names."""
    paths = []
    for name, url in merged.parquet.items():
        path = directory / "parts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        store, _, key = url.rpartition("/")
        path.write_bytes(open_store(store).read(key))
        paths.append(path)
    return paths


def test_the_parts_are_those_that_the_manifest_lists_by_market(buckets: Systems, engine: Engine) -> None:
    record_a_day(buckets)
    merged = finished(engine, engine.start(TRADES, "first"))
    assert list(merged.parquet) == [
        "symbol=BTC-USDT/0000.parquet",
        "symbol=BTC-USDT/0001.parquet",
        "symbol=ETH-USDT/0000.parquet",
        "symbol=ETH-USDT/0001.parquet",
    ]
    (place,) = {url.partition("/symbol=")[0] for url in merged.parquet.values()}
    open_store(f"{place}/symbol=BTC-USDT").create("left by a broken try", b"?")
    assert finished(engine, engine.start(TRADES, "first")).parquet == merged.parquet


def test_more_than_a_hundred_markets_are_written_by_several_queries(
    buckets: Systems, engine: Engine, aws: Sandbox, tmp_path: Path
) -> None:
    for number in range(101):
        put(buckets.primary, Trade(number, at(DAY, number), "buy", "10", "1", 5), market=f"M{number}-USDT")
    before = len(aws.state.athena.queries)
    merged = finished(engine, engine.start(TRADES, "first"))
    assert len(aws.state.athena.queries) == before + 3
    assert read_full("trades", *map(str, download(merged, tmp_path))) == buckets.reference_full(TRADES)


def test_a_parquet_query_that_broke_fails_the_merge(buckets: Systems, engine: Engine, aws: Sandbox) -> None:
    record_a_day(buckets)
    csv, _, unload = engine.start(TRADES, "first").partition("+")
    finished(engine, f"{csv}+{unload}")
    aws.state.faults.add({"service": "athena", "query": "FAILED", "times": 1})
    aws.state.athena.tokens.clear()
    broken = engine.start(TRADES, "second").partition("+")[0]
    with pytest.raises(MergeInterruptedError, match=f"query {broken} FAILED"):
        finished(engine, f"{csv}+{broken}")


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
    csv, _, unload = query.partition("+")
    assert merged.url == f"{buckets.primary.url}/results/{csv}.csv"
    assert unload
    assert merged.scanned_bytes == 2 * sum(
        item.size
        for store in (buckets.primary, buckets.replica)
        for item in store.objects("trades/exchange=binance")
        if "day=" in item.key
    )


def test_the_same_token_finds_the_same_query_and_pays_once(buckets: Systems, engine: Engine, aws: Sandbox) -> None:
    record_a_day(buckets)
    before = len(aws.state.athena.queries)
    assert engine.start(TRADES, "first") == engine.start(TRADES, "first")
    assert len(aws.state.athena.queries) == before + 2
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
    with pytest.raises(NothingToMergeError, match="no trades of binance on 2024-08-31"):
        engine.start(TRADES, "first")


def test_a_query_that_failed_by_no_fault_of_its_own_may_be_started_again(
    buckets: Systems, engine: Engine, aws: Sandbox
) -> None:
    record_a_day(buckets)
    aws.state.faults.add({"service": "athena", "query": "FAILED", "times": 1})
    with pytest.raises(MergeInterruptedError, match="FAILED: GENERIC_INTERNAL_ERROR"):
        finished(engine, engine.start(TRADES, "first"))
    assert text_of(finished(engine, engine.start(TRADES, "second"))) == buckets.reference_text(TRADES)


def test_a_torn_object_fails_the_merge(buckets: Systems, engine: Engine) -> None:
    record_a_day(buckets)
    (item, *_) = buckets.primary.objects("trades/exchange=binance/pair=BTC-USDT/year=2024/month=08")
    buckets.primary.replace(item.key, buckets.primary.read(item.key)[:-6])
    with pytest.raises(MergeFailedError, match="HIVE_CURSOR_ERROR"):
        finished(engine, engine.start(TRADES, "first"))


@pytest.mark.parametrize(
    ("status", "outcome", "text"),
    [
        ({"State": "CANCELLED", "StateChangeReason": "by hand"}, MergeFailedError, "query 1 CANCELLED: by hand"),
        ({"State": "FAILED", "StateChangeReason": "spelling"}, MergeFailedError, "query 1 FAILED: spelling"),
        ({"State": "FAILED", "AthenaError": {"Retryable": False}}, MergeFailedError, "query 1 FAILED: no reason given"),
        (
            {"State": "FAILED", "AthenaError": {"Retryable": True}},
            MergeInterruptedError,
            "query 1 FAILED: no reason given",
        ),
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
    with pytest.raises(MergeFailedError, match="make the tables with `booktape athena init`"):
        finished(engine, engine.start(TRADES, "first"))


def test_a_missing_bucket_is_named_with_the_next_step(buckets: Systems) -> None:
    with pytest.raises(MergeFailedError, match="create the bucket of the results"):
        init_athena(**(arguments(buckets) | {"results": "s3://nowhere-at-all/results"}), exchanges=["binance"])


def test_missing_credentials_are_named_with_the_next_step(buckets: Systems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(MergeFailedError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        create_tables(buckets)


def test_an_athena_that_is_busy_is_worth_another_try(engine: Engine, aws: Sandbox) -> None:
    aws.state.faults.add({"service": "athena", "operation": "GetQueryExecution", "status": 503})
    with pytest.raises(TransientError, match="Athena: "):
        engine.poll("any")


def test_an_athena_that_is_away_is_worth_another_try(
    buckets: Systems, aws: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(TransientError, match="Athena is not reachable"):
        open_engine("athena", **arguments(buckets)).poll("any")


def test_a_query_that_athena_does_not_know(engine: Engine) -> None:
    with pytest.raises(MergeFailedError, match="QueryExecution 0123 was not found"):
        engine.poll("0123")


def test_athena_reads_and_writes_buckets_only() -> None:
    with pytest.raises(InvalidStorageUrlError, match=r"not 'file:///tmp/x': use DuckDB"):
        open_engine("athena", primary="s3://primary", replica=None, results="file:///tmp/x")


def test_a_token_whose_markets_changed_since_is_interrupted(buckets: Systems, engine: Engine) -> None:
    record_a_day(buckets)
    engine.start(TRADES, "first")
    put(buckets.primary, Trade(1, at(DAY), "buy", "10", "1", 5), market="NEW-USDT")
    with pytest.raises(MergeInterruptedError, match="the markets changed since"):
        engine.start(TRADES, "first")
    finished(engine, engine.start(TRADES, "second"))
