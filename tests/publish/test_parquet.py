"""The step that places the Parquet file beside the published CSV."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pytest
from msgspec import Raw

from booktape.integrity import parquet_check
from booktape.integrity.certificate_reader import parse_certificate
from booktape.merge import Engine, Merge, Merged, init_athena, open_engine
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import BOOK_UPDATES, BookUpdate
from booktape.publish import certify_step, lifecycle, manifest
from booktape.publish.context import Context
from booktape.publish.executor import run_steps
from booktape.publish.files import FileChangedError
from booktape.publish.parquet_steps import NoParquetError
from booktape.publish.results import Parquet
from booktape.publish.sources import DataSource
from booktape.store.layout import Run, batch_key, parquet_key, published_key
from booktape.store.objects import Store, open_store
from tests.publish.aws_world import BUCKET, World
from tests.publish.recordings import DAY, MIDNIGHT, store_trades, trade

SOURCE = "binance-trades"
KEY = "published/binance-trades/2024/08/09/binance-trades_2024-08-09_run1.parquet"


@dataclass(frozen=True)
class Altered:
    """An engine whose Parquet files are others than those that it wrote."""

    engine: Engine
    parquet: Mapping[str, str]

    @property
    def systems(self) -> Mapping[str, Store | None]:
        return self.engine.systems

    def start(self, merge: Merge, token: str) -> str:
        return self.engine.start(merge, token)

    def poll(self, query: str) -> Merged | None:
        merged = self.engine.poll(query)
        return replace(merged, parquet=self.parquet) if merged is not None else None


def publish(context: Context) -> Run:
    (source,) = context.sources
    run = lifecycle.claim_run(context.store, source, DAY, "nightly", "test")
    run_steps(context, run)
    return run


def test_it_lies_beside_the_csv_and_has_its_records(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    run = publish(in_directory)
    assert parquet_key(run) == KEY
    path = urlsplit(f"{in_directory.publication.url}/{KEY}").path
    ids = duckdb.read_parquet(path).project("id, provenance").fetchall()
    assert ids == [(str(number), "primary") for number in range(1, 50)]
    listed = in_directory.publication.read(f"{KEY}.sha256")
    assert listed == f"{sha256(Path(path).read_bytes()).hexdigest()}  {KEY.rpartition('/')[2]}\n".encode()
    assert manifest.require_result(in_directory.store, run, Parquet) == Parquet(
        f"{in_directory.publication.url}/{KEY}", 1, Path(path).stat().st_size, sha256(listed).hexdigest()
    )


def test_a_book_has_a_row_in_the_csv_for_each_of_its_levels(in_directory: Context) -> None:
    levels = Raw(b'[["8","1"],["7","2"]]')
    updates = [
        BookUpdate(
            first_id=n, last_id=n, timestamp=MIDNIGHT + n, bids=levels, asks=Raw(b"[]"), local_timestamp=MIDNIGHT
        )
        for n in range(1, 9)
    ]
    batch = Batch(BOOK_UPDATES, "BTC-USDT", MIDNIGHT, 1, 8, 8, codec.encode_records(updates))
    in_directory.store.create(str(batch_key(batch, "binance")), codec.compress(batch.lines))
    source = DataSource("binance-book-updates", "binance", "book_updates")
    context = replace(in_directory, sources={source.name: source})
    assert manifest.require_result(context.store, publish(context), Parquet).files == 1


def test_it_is_published_in_a_bucket_too(at_aws: Context) -> None:
    store_trades(at_aws.store, range(1, 50))
    source = replace(at_aws.source(SOURCE), data_set=None, products=())
    run = publish(replace(at_aws, sources={SOURCE: source}))
    content = at_aws.publication.read(KEY)
    assert content.startswith(b"PAR1")
    hashes = f"{sha256(content).hexdigest()}  {KEY.rpartition('/')[2]}\n".encode()
    assert at_aws.publication.read(f"{KEY}.sha256") == hashes
    assert manifest.require_result(at_aws.store, run, Parquet) == Parquet(
        f"s3://{BUCKET}/{KEY}", 1, len(content), sha256(hashes).hexdigest()
    )


@pytest.mark.parametrize("numbers", [range(1, 50), range(1, 5)], ids=["several files", "one file"])
def test_athenas_files_lie_below_the_key_in_a_folder_for_each_market(
    at_aws: Context, world: World, numbers: range
) -> None:
    url = f"s3://{BUCKET}"
    store_trades(at_aws.store, numbers)
    init_athena(primary=url, replica=None, results=f"{url}/merged", exchanges=["binance"])
    athena = open_engine("athena", primary=url, replica=None, results=f"{url}/merged")
    source = replace(at_aws.source(SOURCE), data_set=None, products=())
    run = publish(replace(at_aws, engine=athena, sources={SOURCE: source}))
    files = 2 if len(numbers) > 10 else 1
    found = sorted(item.key for item in at_aws.publication.objects(KEY))
    assert found == [f"{KEY}/symbol=BTC-USDT/{number:04}.parquet" for number in range(files)]
    assert manifest.require_result(at_aws.store, run, Parquet).files == files
    folder = KEY.rpartition("/")[0]
    listed = [line.split("  ") for line in at_aws.publication.read(f"{KEY}.sha256").decode().splitlines()]
    assert [f"{folder}/{name}" for _, name in listed] == found
    assert [digest for digest, _ in listed] == [sha256(at_aws.publication.read(key)).hexdigest() for key in found]
    certificate = parse_certificate(certify_step.read_certificate(at_aws, run))
    assert parquet_check.parquet_differences(certificate, at_aws.publication, published_key(run)) == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("* FROM merged WHERE id <> '49'", "48 rows of BTC-USDT there, 49 in the CSV; booktape republish"),
        ("* REPLACE (if(id = '7', '1', price) AS price) FROM merged", "49 rows of BTC-USDT in both, but not the same"),
        ("* REPLACE (if(id = '7', NULL, side) AS side) FROM merged", "49 rows of BTC-USDT in both, but not the same"),
        ("* REPLACE (50 - position AS position) FROM merged ORDER BY position", "BTC-USDT in both, but not the same"),
        ("* FROM merged ORDER BY id DESC", "its positions of BTC-USDT do not count on from 1"),
        ("* EXCLUDE (price) FROM merged", "the Parquet file cannot be read"),
    ],
)
def test_one_that_has_other_records_than_the_csv_ends_the_run(
    in_directory: Context, tmp_path: Path, change: str, difference: str
) -> None:
    store_trades(in_directory.store, range(1, 50))
    merged = in_directory.engine.poll(in_directory.engine.start(Merge("binance", "trades", DAY), "another"))
    assert merged is not None
    path = urlsplit(merged.parquet[""]).path
    other = tmp_path / "other.parquet"
    rows = duckdb.sql(f"SELECT {change.replace('merged', f'read_parquet({path!r})')}")
    assert rows is not None, "a query has rows"
    rows.write_parquet(str(other))
    context = replace(in_directory, engine=Altered(in_directory.engine, {"": other.as_uri()}))
    with pytest.raises(FileChangedError, match=difference):
        publish(context)
    assert manifest.read_result(context.store, Run(SOURCE, DAY, 1), Parquet) is None
    assert not context.publication.exists(f"{KEY}.sha256")


def test_one_that_cannot_be_read_ends_the_run(in_directory: Context, tmp_path: Path) -> None:
    store_trades(in_directory.store, range(1, 50))
    (tmp_path / "broken").write_bytes(b"PAR1")
    context = replace(in_directory, engine=Altered(in_directory.engine, {"": (tmp_path / "broken").as_uri()}))
    with pytest.raises(FileChangedError, match="the Parquet file cannot be read"):
        publish(context)


def test_a_merge_of_before_that_wrote_none_is_to_be_published_again(in_directory: Context) -> None:
    store_trades(in_directory.store, range(1, 50))
    with pytest.raises(NoParquetError, match="booktape republish binance-trades 2024-08-09"):
        publish(replace(in_directory, engine=Altered(in_directory.engine, {})))


def test_what_was_healed_is_published_and_says_so(in_directory: Context) -> None:
    store_trades(in_directory.store, [*range(1, 20), *range(21, 50)])
    store_trades(open_store(f"{in_directory.store.url}/rest"), [20])
    publish(in_directory)
    path = urlsplit(f"{in_directory.publication.url}/{KEY}").path
    healed = duckdb.read_parquet(path).filter("provenance = 'rest'").project("id, rest_local_timestamp").fetchall()
    assert healed == [("20", trade(20).local_timestamp)]
