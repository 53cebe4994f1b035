"""Books of which each message names the one before it: between which two something is missing is told, and verified."""

from collections.abc import Iterable
from typing import Any

from msgspec import Raw, json

from booktape.integrity import parquet_check
from booktape.integrity.certificate_reader import parse_certificate
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, SECOND, BookSnapshot, BookUpdate
from booktape.publish import certify_step, lifecycle
from booktape.publish.executor import run_steps
from booktape.publish.sources import DataSource
from booktape.store.layout import batch_key, published_key
from booktape.store.objects import Store
from tests.publish.conftest import context_of
from tests.publish.recordings import DAY, MIDNIGHT

NOTHING, SOMETHING = Raw(b"[]"), Raw(b'[["9","1"]]')


def put(store: Store, data_type: str, records: list[Any]) -> None:
    batch = Batch(
        data_type,
        "BTC-USDT",
        MIDNIGHT,
        records[0].last_id,
        records[-1].last_id,
        len(records),
        codec.encode_records(records),
    )
    store.create(str(batch_key(batch, "okx")), codec.compress(batch.lines))


def store_book(store: Store, numbers: Iterable[int]) -> None:
    """Numbers rise by ten: of each message nobody can tell how many were before it."""

    def at(number: int) -> dict[str, Any]:
        time = MIDNIGHT + number * SECOND
        return {"last_id": number, "timestamp": time, "local_timestamp": time, "bids": SOMETHING, "asks": NOTHING}

    put(store, BOOK_SNAPSHOTS, [BookSnapshot(**at(10), origin="stream")])
    put(store, BOOK_UPDATES, [BookUpdate(**at(number), previous_id=number - 10) for number in numbers])


def test_both_ends_of_what_is_missing_are_recomputed_from_the_parquet(tmp_path: Any) -> None:
    context = context_of(f"file://{tmp_path}", DataSource("books", "okx", "book_updates", threshold=0))
    store_book(context.store, [20, 30, 70, 80, 100])
    run = lifecycle.claim_run(context.store, "books", DAY, "nightly", "test")
    run_steps(context, run)
    told = json.decode(certify_step.read_certificate(context, run))
    sequence = told["markets"]["BTC-USDT"]["sequence"]

    def differences() -> list[str]:
        certified = parse_certificate(json.encode(told))
        return parquet_check.parquet_differences(certified, context.publication, published_key(run))

    assert sequence["broken_links"] == [[30, 70], [80, 100]]
    assert differences() == []
    for forged in ([[30, 75], [80, 100]], [[30, 70], [80, 101]], [[30, 70]], []):
        sequence["broken_links"] = forged
        assert len(differences()) == 1
