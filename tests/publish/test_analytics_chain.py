"""Computed data as a source of its own: computed at night from what another source's run of the day published."""

from dataclasses import replace
from hashlib import sha256

import pytest
from msgspec import Raw

from booktape.merge import init_athena, open_engine
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, SECOND, BookSnapshot, BookUpdate, Record
from booktape.model.records import DAY as DAY_LONG
from booktape.publish import lifecycle, manifest
from booktape.publish.analytics_steps import BaseNotPublishedError
from booktape.publish.context import Context
from booktape.publish.executor import perform, run_steps
from booktape.publish.files import FileChangedError
from booktape.publish.lifecycle import run_status
from booktape.publish.results import Certify, Check, Compute, Finalised, Rename
from booktape.publish.retries import GateFailedError, RetryPolicy, WaitingError
from booktape.publish.sources import DataSource, UnknownSourceError, base_of, in_publication_order
from booktape.publish.steps import plan
from booktape.store.layout import Run, batch_key
from booktape.store.objects import Store
from tests.archive.uptime_logs import listened
from tests.publish.aws_world import World
from tests.publish.recordings import DAY, MIDNIGHT, store_at, store_trades
from tests.waiting import DEADLINE

TRADES = DataSource("binance-trades", "binance", "trades", threshold=0.5)
BARS = DataSource("binance-bars-1m", "binance", "trade_bars", every=60)
BOOK = DataSource("binance-book-updates", "binance", "book_updates", threshold=0.5)
TOPS = DataSource("binance-tops", "binance", "book_snapshot_5", every=1)
CHANGES = DataSource("binance-book-quotes", "binance", "book_quotes")

FAST = RetryPolicy(poll=0.02, first=0.02, most=0.1, deadline=DEADLINE)


def with_sources(context: Context, *sources: DataSource) -> Context:
    return replace(context, sources={source.name: source for source in sources})


def publish(context: Context, source: DataSource, reason: lifecycle.Reason = "nightly", request: str = "test") -> Run:
    run = lifecycle.claim_run(context.store, source.name, DAY, reason, request)
    run_steps(context, run, FAST)
    return run


def published(context: Context, run: Run) -> str:
    url = manifest.require_result(context.store, run, Rename).url
    return context.publication.read(url.removeprefix(f"{context.publication.url}/")).decode()


def listened_for_two_days(store: Store) -> None:
    """Somebody listened all the time; that the day's last minute was heard as well, only the next day's ledger says."""
    for day in (MIDNIGHT, MIDNIGHT + DAY_LONG):
        listened(store, "binance", day)


def store_book(store: Store, market: str) -> None:
    """A snapshot with id 1 and an update a second after the one before; number 5 is missing until the snapshot 7."""

    def put(data_type: str, records: list[Record]) -> None:
        ids = [record.last_id for record in records if isinstance(record, BookSnapshot | BookUpdate)]
        assert ids[0] is not None
        assert ids[-1] is not None
        batch = Batch(data_type, market, MIDNIGHT, ids[0], ids[-1], len(records), codec.encode_records(records))
        store.create(str(batch_key(batch, "binance")), codec.compress(batch.lines))

    def side(price: int) -> Raw:
        return Raw(f'[["{price}","1.50"]]'.encode())

    def update(number: int) -> BookUpdate:
        time = MIDNIGHT + number * SECOND
        return BookUpdate(
            first_id=number,
            last_id=number,
            bids=side(number),
            asks=Raw(b"[]"),
            sent_timestamp=time,
            local_timestamp=time + 10,
        )

    def snapshot(number: int) -> BookSnapshot:
        time = MIDNIGHT + number * SECOND + 5
        return BookSnapshot(last_id=number, bids=side(9), asks=side(11), origin="rest", local_timestamp=time)

    put(BOOK_SNAPSHOTS, [snapshot(1)])
    put(BOOK_SNAPSHOTS, [snapshot(7)])
    put(BOOK_UPDATES, [update(number) for number in range(2, 5)])
    put(BOOK_UPDATES, [update(number) for number in range(6, 11)])


def test_a_night_publishes_bars_of_the_trades_that_it_published(in_directory: Context) -> None:
    context = with_sources(in_directory, BARS, TRADES)
    store_trades(context.store, range(1, 100))
    store_trades(context.store, range(1, 61), market="ETH-USDT")
    listened_for_two_days(context.store)
    runs = {name: publish(context, context.source(name)) for name in in_publication_order(context.sources)}
    run = runs[BARS.name]
    text = published(context, run)
    header, *rows = text.splitlines()
    assert header == (
        '"exchange","symbol","start","end","open","high","low","close","volume","quote_volume","buy_volume","vwap",'
        '"trades","first_time","last_time","sound","complete"'
    )
    minute = 60 * SECOND
    assert rows[0] == (
        f'"binance","BTC-USDT","{MIDNIGHT}","{MIDNIGHT + minute}","60001.10","60059.10","60001.10","60059.10","29.5",'
        f'"1770887.95","15","60030.1","59","{MIDNIGHT + SECOND}","{MIDNIGHT + 59 * SECOND}","true","true"'
    )
    assert [",".join(row.split(",")[1:3]) for row in rows] == [
        f'"BTC-USDT","{MIDNIGHT}"',
        f'"ETH-USDT","{MIDNIGHT}"',
        f'"BTC-USDT","{MIDNIGHT + minute}"',
        f'"ETH-USDT","{MIDNIGHT + minute}"',
    ]
    digest = sha256(text.encode()).hexdigest()
    key = "published/binance-bars-1m/2024/08/09/binance-bars-1m_2024-08-09_run1.csv"
    assert context.publication.read(f"{key}.sha256") == f"{digest}  binance-bars-1m_2024-08-09_run1.csv\n".encode()
    computed = manifest.require_result(context.store, run, Compute)
    base = manifest.require_result(context.store, runs[TRADES.name], Check)
    assert (computed.of, computed.run, computed.of_sha256) == (TRADES.name, 1, base.sha256)
    assert computed.markets == {"BTC-USDT": 2, "ETH-USDT": 2}
    checked = manifest.require_result(context.store, run, Check)
    assert (checked.rows, checked.sha256, checked.completeness) == (4, digest, None)
    assert (run_status(context.store, run).state, run_status(context.store, run).steps) == (
        "done", ("compute", "check", "rename"),
    )  # fmt: skip


def test_a_bar_that_trades_are_missing_of_is_not_sound(in_directory: Context) -> None:
    context = with_sources(in_directory, BARS, TRADES)
    store_trades(context.store, [*range(1, 100), *range(110, 170)])
    listened_for_two_days(context.store)
    publish(context, TRADES)
    run = publish(context, BARS)
    sound = [row.split(",")[-2] for row in published(context, run).splitlines()[1:]]
    assert sound == ['"true"', '"false"', '"true"']


def test_a_market_of_which_the_whole_day_is_lost_has_bars_that_are_not_sound(in_directory: Context) -> None:
    context = with_sources(in_directory, BARS, replace(TRADES, threshold=0))
    store_trades(context.store, range(1, 10))
    store_at(context.store, -1, [1, 2])
    store_at(context.store, 1, [6])
    publish(context, context.source(TRADES.name))
    rows = published(context, publish(context, BARS)).splitlines()
    lost = [row.split(",") for row in rows if '"ETH-USDT"' in row]
    assert len(lost) == 1_440
    assert {(row[12], row[15]) for row in lost} == {('"0"', '"false"')}


def test_snapshots_of_the_book_at_an_interval_have_tardis_columns_and_no_row_where_it_is_not_known(
    in_directory: Context,
) -> None:
    context = with_sources(in_directory, TOPS, BOOK)
    store_book(context.store, "BTC-USDT")
    listened(context.store, "binance", MIDNIGHT, [(MIDNIGHT + 12 * SECOND, MIDNIGHT + 20 * SECOND)])
    publish(context, BOOK)
    header, *rows = published(context, publish(context, TOPS)).splitlines()
    assert header.startswith(
        '"exchange","symbol","timestamp","local_timestamp","asks[0].price","asks[0].amount","bids[0].price",'
        '"bids[0].amount","asks[1].price"'
    )
    assert len(header.split(",")) == 4 + 4 * 5
    told = [row.split(",") for row in rows]
    assert [(int(row[2].strip('"')) - MIDNIGHT) // SECOND for row in told] == [2, 3, 7, 8, 9, 10]
    assert told[0][:12] == [
        '"binance"', '"BTC-USDT"', f'"{MIDNIGHT + 2 * SECOND}"', f'"{MIDNIGHT + 2 * SECOND + 10}"',
        '"11"', '"1.50"', '"9"', '"1.50"', "", "", '"2"', '"1.50"',
    ]  # fmt: skip


def test_the_best_bid_and_ask_of_a_book_are_told_when_they_change(in_directory: Context) -> None:
    context = with_sources(in_directory, CHANGES, BOOK)
    store_book(context.store, "BTC-USDT")
    publish(context, context.source(BOOK.name))
    header, *rows = published(context, publish(context, CHANGES)).splitlines()
    assert header == (
        '"exchange","symbol","timestamp","local_timestamp","ask_amount","ask_price","bid_price","bid_amount"'
    )
    assert [row.split(",", 4)[4] for row in rows] == [
        '"1.50","11","9","1.50"',
        '"1.50","11","9","1.50"',  # known again by the second snapshot
        '"1.50","11","10","1.50"',
    ]


def test_computed_data_is_published_at_aws_as_everything_is(at_aws: Context, world: World) -> None:
    bars = replace(BARS, data_set=world.data_set)
    context = with_sources(at_aws, bars, TRADES)
    store_trades(context.store, range(1, 100))
    publish(context, TRADES)
    run = publish(context, bars)
    assert manifest.read_result(context.store, run, Finalised) is not None
    (asset,) = world.state.assets.values()
    assert asset.content.decode() == published(context, run)


def test_the_same_is_computed_of_what_athena_merged(at_aws: Context, world: World) -> None:
    """Its Parquet is a folder of files for each market."""
    context = with_sources(at_aws, BARS, TRADES)
    url = at_aws.store.url
    init_athena(primary=url, replica=None, results=f"{url}/merged", exchanges=["binance"])
    athena = replace(context, engine=open_engine("athena", primary=url, replica=None, results=f"{url}/merged"))
    for market in ("BTC-USDT", "ETH-USDT"):
        store_trades(context.store, range(1, 100), market=market)
    listened_for_two_days(context.store)
    publish(athena, TRADES)
    first = published(athena, publish(athena, BARS))
    publish(context, TRADES, "republish", "request 1")
    second = published(context, publish(context, BARS, "republish", "request 2"))
    assert first == second
    assert first.count("\n") == 1 + 2 * 2


def test_a_republication_of_the_base_makes_another_one_of_what_is_computed_of_it(in_directory: Context) -> None:
    context = with_sources(in_directory, BARS, TRADES)
    store_trades(context.store, range(1, 50))
    publish(context, TRADES)
    first = publish(context, BARS)
    store_trades(context.store, range(50, 100))
    publish(context, TRADES, "republish", "request 1")
    publish(context, BARS)
    assert manifest.require_result(context.store, first, Compute).run == 1  # done is done
    second = publish(context, BARS, "republish", "request 2")
    assert (second.number, manifest.require_result(context.store, second, Compute).run) == (2, 2)
    assert manifest.require_result(context.store, second, Check).differs is True


def test_it_waits_while_the_base_is_under_way_and_computes_of_the_newest_run_that_is_done(
    in_directory: Context,
) -> None:
    context = with_sources(in_directory, BARS, TRADES)
    store_trades(context.store, range(1, 50))
    run = lifecycle.claim_run(context.store, BARS.name, DAY, "nightly", "test")
    with pytest.raises(
        BaseNotPublishedError, match=r"there is no run of binance-trades on 2024-08-09, and binance-bars-1m is"
    ):
        perform(context, run, "compute")
    base = lifecycle.claim_run(context.store, TRADES.name, DAY, "nightly", "test")
    with pytest.raises(WaitingError, match="binance-trades 2024-08-09 run 1 is under way; binance-bars-1m is"):
        perform(context, run, "compute")
    run_steps(context, base)
    failed = lifecycle.claim_run(context.store, TRADES.name, DAY, "republish", "request 1")
    manifest.record_failure(context.store, failed, "merge", "no memory")
    computed = perform(context, run, "compute")
    assert isinstance(computed, Compute)
    assert computed.run == 1


def test_what_is_computed_of_a_held_day_fails_until_that_is_done(in_directory: Context) -> None:
    context = with_sources(in_directory, BARS, replace(TRADES, threshold=1.0))
    store_trades(context.store, [*range(1, 10), *range(20, 30)])
    with pytest.raises(GateFailedError):
        publish(context, TRADES)
    with pytest.raises(
        BaseNotPublishedError, match="binance-trades 2024-08-09 run 1 is held or failed, and binance-bars-1m is"
    ):
        publish(context, BARS)
    assert run_status(context.store, Run(BARS.name, DAY, 1)).state == "failed"
    store_trades(context.store, range(10, 20))
    publish(context, TRADES, "republish", "request 1")
    assert run_status(context.store, publish(context, BARS)).state == "done"


def test_a_computed_file_that_changed_is_not_published(in_directory: Context) -> None:
    context = with_sources(in_directory, BARS, TRADES)
    store_trades(context.store, range(1, 50))
    publish(context, TRADES)
    run = lifecycle.claim_run(context.store, BARS.name, DAY, "nightly", "test")
    perform(context, run, "compute")
    context.store.replace("merged/binance-bars-1m/2024-08-09/0001.csv", b"something else")
    with pytest.raises(FileChangedError, match="is not the file that was computed: booktape republish binance-bars"):
        perform(context, run, "check")
    assert manifest.read_result(context.store, run, Check) is None


def test_each_kind_of_source_has_its_own_steps() -> None:
    assert [step.name for step in plan(BARS)] == ["compute", "check", "rename"]
    assert [step.name for step in plan(replace(BARS, data_set="x"))][3:5] == ["create_revision", "import_assets"]
    assert [step.name for step in plan(replace(TRADES, market_files=True))][-1] == "market_files"
    assert "market_files" not in [step.name for step in plan(TRADES)]


def test_the_base_is_found_by_its_exchange_and_type_or_by_its_name() -> None:
    other = replace(TRADES, name="binance-trades-again")
    sources = {source.name: source for source in (BARS, TRADES, BOOK)}
    assert base_of(BARS, sources) == TRADES
    assert in_publication_order(sources) == ["binance-book-updates", "binance-trades", "binance-bars-1m"]
    with pytest.raises(UnknownSourceError, match="name the source of binance's trades with of; there are: binance-"):
        base_of(BARS, {**sources, other.name: other})
    assert base_of(replace(BARS, of=other.name), {**sources, other.name: other}) == other
    with pytest.raises(
        UnknownSourceError, match="binance-book-updates is no source of binance's trades; there are: binanc"
    ):
        base_of(replace(BARS, of=BOOK.name), sources)


def test_market_files_lie_below_markets(in_directory: Context) -> None:
    source = replace(TRADES, market_files=True)
    context = with_sources(in_directory, source)
    store_trades(context.store, range(1, 50))
    run = publish(context, source)
    (found,) = context.publication.objects("markets")
    assert found.key == "markets/binance/trades/2024/08/09/BTCUSDT.csv.gz"
    assert manifest.read_result(context.store, run, Certify) is not None
