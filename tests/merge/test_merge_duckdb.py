"""The embedded engine: one query for one token, nothing half done, and no object believed that is not sound."""

import os
import time
from datetime import date
from pathlib import Path

import pytest
from msgspec import Raw

from booktape.merge import Engine, Merge, MergeFailedError, NothingToMergeError, open_engine
from booktape.model.records import BookUpdate, Trade
from booktape.store.objects import Store
from tests.merge.systems import Systems, at, open_systems, path_of, put, read_result

DAY = date(2024, 8, 8)
TRADES = Merge("binance", "trades", DAY)


def trades(count: int) -> list[Trade]:
    return [Trade(number, at(DAY, number // 7), "buy", "10", "1", at(DAY, number)) for number in range(count)]


@pytest.fixture
def engine(systems: Systems) -> Engine:
    return open_engine(
        "duckdb", primary=systems.primary.url, replica=systems.replica.url, results=systems.results, memory="200MB"
    )


def results(systems: Systems) -> list[str]:
    return sorted(path.name for path in Path(systems.results).iterdir())


def test_the_result_lies_in_the_results_under_the_querys_id(systems: Systems, engine: Engine) -> None:
    put(systems.primary, *trades(3))
    query = engine.start(TRADES, "first")
    merged = engine.poll(query)
    assert merged is not None
    assert merged.url == f"file://{systems.results}/{query}.csv"
    assert Path(systems.results, f"{query}.csv").read_text() == systems.reference_text(TRADES)
    assert merged.parquet == {"": f"file://{systems.results}/{query}.parquet"}
    assert results(systems) == [f"{query}.csv", f"{query}.parquet"]


def test_the_same_token_finds_the_same_query_and_does_not_merge_again(systems: Systems, engine: Engine) -> None:
    put(systems.primary, *trades(3))
    query = engine.start(TRADES, "first")
    Path(systems.results, f"{query}.csv").write_text("as it was")
    assert engine.start(TRADES, "first") == query
    assert Path(systems.results, f"{query}.csv").read_text() == "as it was"


def test_another_token_merges_again(systems: Systems, engine: Engine) -> None:
    put(systems.primary, *trades(3))
    assert engine.start(TRADES, "first") != engine.start(TRADES, "second")
    assert len(results(systems)) == 4


def test_no_object_of_the_day_is_never_an_empty_success(systems: Systems, engine: Engine) -> None:
    put(systems.primary, Trade(1, at(date(2024, 8, 9)), "buy", "10", "1", 0))
    with pytest.raises(NothingToMergeError, match="no trades of binance on 2024-08-08"):
        engine.start(TRADES, "first")
    assert results(systems) == []


def test_objects_without_a_record_of_the_day_are_no_success_either(systems: Systems, engine: Engine) -> None:
    put(systems.primary, Trade(1, at(date(2024, 8, 9)), "buy", "10", "1", 0), partition=DAY)
    with pytest.raises(NothingToMergeError):
        engine.start(TRADES, "first")


def test_a_data_type_that_is_not_published(engine: Engine) -> None:
    with pytest.raises(
        MergeFailedError, match="'instruments' is not published; these are: trades, book_updates, quotes, "
    ):
        engine.start(Merge("binance", "instruments", DAY), "first")


def test_a_query_that_was_never_started(engine: Engine) -> None:
    with pytest.raises(MergeFailedError, match="no result of query 0123"):
        engine.poll("0123")


def test_without_a_replica_the_primary_alone_is_merged(systems: Systems) -> None:
    put(systems.primary, *trades(3))
    engine = open_engine("duckdb", primary=systems.primary.url, replica=None, results=systems.results)
    assert read_result(engine.poll(engine.start(TRADES, "first"))) == systems.reference_text(TRADES)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-6], "truncated"),
        (lambda content: content[:-8] + b"\0\0\0\0" + content[-4:], "not a sound gzip file"),
        (lambda content: b"", "truncated"),
    ],
    ids=["cut short", "wrong checksum, which DuckDB would not notice", "empty"],
)
def test_a_damaged_object_is_named(systems: Systems, engine: Engine, damage: object, reason: str) -> None:
    put(systems.primary, *trades(3))
    put(systems.replica, *trades(2))
    (damaged,) = systems.replica.objects("trades")
    systems.replica.replace(damaged.key, damage(systems.replica.read(damaged.key)))  # type: ignore[operator]
    with pytest.raises(MergeFailedError, match=reason) as caught:
        engine.start(TRADES, "first")
    assert f"{systems.replica.url}/{damaged.key}" in str(caught.value)
    assert results(systems) == []


def test_an_object_under_another_ones_key_is_named(systems: Systems, engine: Engine) -> None:
    put(systems.primary, *trades(3))
    put(systems.replica, *trades(2))
    (genuine,), (other,) = systems.primary.objects("trades"), systems.replica.objects("trades")
    systems.primary.replace(genuine.key, systems.replica.read(other.key))
    with pytest.raises(
        MergeFailedError, match=r"0000_0-2_[0-9a-f]{16}\.json\.gz cannot be merged: its content has the"
    ):
        engine.start(TRADES, "first")


def test_what_is_no_batch_is_named_unless_it_is_hidden(systems: Systems, engine: Engine) -> None:
    put(systems.primary, *trades(3))
    folder = "trades/exchange=binance/pair=BTC-USDT/year=2024/month=08/day=08"
    systems.primary.create(f"{folder}/.DS_Store", b"?")
    assert engine.start(TRADES, "first")
    systems.primary.create(f"{folder}/notes.txt", b"?")
    with pytest.raises(MergeFailedError, match=r"notes\.txt cannot be merged"):
        engine.start(TRADES, "second")


def test_the_same_input_gives_the_same_bytes_whatever_the_threads(systems: Systems) -> None:
    day = [
        BookUpdate(
            first_id=number,
            last_id=number,
            bids=Raw(b'[["10","%d"],["9","0"]]' % number),
            asks=Raw(b'[["11","1"]]'),
            local_timestamp=at(DAY, number),
            sent_timestamp=at(DAY, number // 100),
        )
        for number in range(20_000)
    ]
    for start in range(0, len(day), 1_000):
        put(systems.primary, *day[start : start + 900])
        put(systems.replica, *day[start + 100 : start + 1_000])
    book = Merge("binance", "book_updates", DAY)
    made = [systems.merged(book, threads=threads) for threads in (1, 4)]
    assert read_result(made[0]) == read_result(made[1]) == systems.reference_text(book)
    whole = [Path(path_of(merged.parquet[""])).read_bytes() for merged in made]
    assert whole[0] == whole[1]


def test_a_storage_path_with_quotes_and_spaces(tmp_path: Path) -> None:
    systems = open_systems(tmp_path / "it's a [place]=x")
    put(systems.primary, *trades(3))
    assert len(systems.merge_rows(TRADES)) == 3


def test_of_two_merges_of_a_token_the_first_ones_result_stands(
    systems: Systems, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(systems.primary, *trades(3))
    query = engine.start(TRADES, "first")
    Path(systems.results, f"{query}.csv").write_text("as it was checked")
    monkeypatch.setattr(Store, "exists", lambda self, key: False)  # who began before the first had ended
    assert engine.start(TRADES, "first") == query
    assert Path(systems.results, f"{query}.csv").read_text() == "as it was checked"


def test_what_killed_merges_left_is_removed_after_a_day(systems: Systems, engine: Engine) -> None:
    put(systems.primary, *trades(3))
    for name, age in ((".merge-old", 25), (".merge-new", 1)):
        left = Path(systems.results, name)
        (left / "spilled").mkdir(parents=True)
        os.utime(left, (time.time() - age * 3600,) * 2)
    query = engine.start(TRADES, "first")
    assert results(systems) == [".merge-new", f"{query}.csv", f"{query}.parquet"]
