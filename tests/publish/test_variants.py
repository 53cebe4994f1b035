"""Two systems that tell one id with two times: the merge's SQL and the proof publish the same one, and say so."""

from pathlib import Path

from msgspec import json

from booktape.exchanges import exchange
from booktape.integrity import parquet_check, verify
from booktape.integrity.certificate_reader import parse_certificate
from booktape.merge import open_engine
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import SECOND, TRADES, Trade
from booktape.publish import certify_step, lifecycle
from booktape.publish.aws import Aws
from booktape.publish.context import Context
from booktape.publish.executor import run_steps
from booktape.publish.sources import DataSource
from booktape.store.layout import batch_key, published_key
from booktape.store.objects import Store, open_store
from tests.publish.recordings import DAY, MIDNIGHT

VENUE = "bitstamp"


def keep(store: Store, told: dict[str, int]) -> None:
    """Store a batch of trades: their ids, and the seconds after midnight that their times are."""
    times = {identifier: MIDNIGHT + second * SECOND for identifier, second in told.items()}
    trades = [Trade(identifier, time, "buy", "10", "1", time + 5) for identifier, time in times.items()]
    batch = Batch(
        TRADES, "BTC-USD", MIDNIGHT, *(min(times.values()), max(times.values())), 3, codec.encode_records(trades)
    )
    store.create(str(batch_key(batch, VENUE)), codec.compress(batch.lines))


def test_the_file_has_the_primarys_and_the_certificate_says_that_they_disagree(tmp_path: Path) -> None:
    assert exchange(VENUE).channel(TRADES).rule == "none"
    urls = [str(tmp_path / name) for name in ("primary", "replica")]
    store, replica = map(open_store, urls)
    keep(store, {"a": 1, "b": 2, "c": 3})
    keep(replica, {"a": 1, "c": 4, "b": 50})
    engine = open_engine("duckdb", primary=urls[0], replica=urls[1], results=str(tmp_path / "results"))
    source = DataSource("bitstamp-trades", VENUE, "trades")
    context = Context(store, store, engine, {source.name: source}, Aws())
    run = lifecycle.claim_run(store, source.name, DAY, "nightly", "test")

    run_steps(context, run)

    key = published_key(run)
    lines = store.read(key).decode().splitlines()[1:]
    assert [line.split(",")[4] for line in lines] == ['"a"', '"b"', '"c"']
    content = certify_step.read_certificate(context, run)
    told = json.decode(content)
    assert told["markets"]["BTC-USD"]["agreement"] == {
        "both": 1, "primary_only": 0, "replica_only": 0, "variants": 2, "variant_ids": ["b", "c"], "incomparable": 0,
    }  # fmt: skip
    assert verify.csv_differences(parse_certificate(content), lambda: store.stream(key)) == []
    assert parquet_check.parquet_differences(parse_certificate(content), store, key) == []
