"""A day in which the venue began its numbers anew, published: each era by itself, and none hides another."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import pytest
from msgspec import Raw, json

from booktape.integrity import verify
from booktape.integrity.certificate_reader import parse_certificate
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import (
    BOOK_UPDATES,
    MINUTE,
    SECOND,
    TRADES,
    BookUpdate,
    Trade,
    first_position,
    last_position,
)
from booktape.publish import lifecycle, manifest
from booktape.publish.context import Context
from booktape.publish.executor import run_steps
from booktape.publish.results import Rename
from booktape.publish.retries import GateFailedError
from booktape.publish.sources import DataSource
from booktape.store.layout import Run, batch_key, certificate_key
from booktape.store.objects import Store
from tests.publish.recordings import DAY, MIDNIGHT, trade

SOURCE = "binance-trades"
BOOKS = "binance-book-updates"


def lenient(context: Context, source: str = SOURCE, data_type: Literal["trades", "book_updates"] = TRADES) -> Context:
    """The context, with one source that is published however much it lacks."""
    return replace(context, sources={source: DataSource(source, "binance", data_type, threshold=0)})


def store_batch(store: Store, records: Sequence[Trade] | Sequence[BookUpdate], minute: int | None = None) -> None:
    """Store records as one batch of a minute of the day: by default, that of the first record."""
    first = records[0]
    time = first.timestamp or first.local_timestamp
    start = time // MINUTE * MINUTE if minute is None else MIDNIGHT + minute * MINUTE
    data_type = TRADES if isinstance(first, Trade) else BOOK_UPDATES
    batch = Batch(
        data_type, "BTC-USDT", start, first_position(first), last_position(records[-1]), len(records),
        codec.encode_records(records),
    )  # fmt: skip
    store.create(str(batch_key(batch, "binance")), codec.compress(batch.lines))


def publish(context: Context, source: str = SOURCE) -> Run:
    run = lifecycle.claim_run(context.store, source, DAY, "nightly", "test")
    run_steps(context, run)
    return run


def certificate(context: Context, run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.decode(context.store.read(certificate_key(run)))
    return found


def published(context: Context, run: Run) -> bytes:
    url = manifest.require_result(context.store, run, Rename).url
    return context.publication.read(url.removeprefix(f"{context.publication.url}/"))


def record_two_epochs(store: Store) -> None:
    """Ids 1 to 9 without 4, and an hour later 2 to 6 without 5."""
    store_batch(store, [trade(number) for number in (1, 2, 3, 5, 6, 7, 8, 9)])
    store_batch(store, [trade(number, minute=60) for number in (2, 3, 4, 6)])


def test_ids_that_were_used_twice_are_published_twice_and_each_epoch_has_its_gaps(in_directory: Context) -> None:
    record_two_epochs(in_directory.store)
    run = publish(lenient(in_directory))
    told = certificate(in_directory, run)
    market = told["markets"]["BTC-USDT"]
    sequence = market["sequence"]
    assert (market["rows"], market["first_id"], market["last_id"]) == (12, 1, 9)
    assert (sequence["expected"], sequence["present"], sequence["missing_ids"]) == (14, 12, [[4, 4], [5, 5]])
    instant = MIDNIGHT + (9 * SECOND + 60 * MINUTE + 2 * SECOND + 1) // 2
    assert [
        (epoch["starts_at"], epoch["first"], epoch["last"], epoch["missing_ids"]) for epoch in sequence["epochs"]
    ] == [
        (None, 1, 9, [[4, 4]]),
        (instant, 2, 6, [[5, 5]]),
    ]
    assert verify.csv_differences(parse_certificate(json.encode(told)), lambda: [published(in_directory, run)]) == []


def test_a_row_that_lacks_in_one_epoch_is_missed_though_another_has_its_id(in_directory: Context) -> None:
    record_two_epochs(in_directory.store)
    run = publish(lenient(in_directory))
    lines = published(in_directory, run).splitlines(keepends=True)
    forged = b"".join(line for line in lines if b'"3"' not in line or str(trade(3).timestamp).encode() not in line)
    found = verify.csv_differences(parse_certificate(json.encode(certificate(in_directory, run))), lambda: [forged])
    assert "BTC-USDT: ids not in the file that the certificate does not declare: 3" in found


def test_a_certificate_whose_epochs_do_not_add_up_contradicts_itself(in_directory: Context) -> None:
    record_two_epochs(in_directory.store)
    run = publish(lenient(in_directory))
    told = certificate(in_directory, run)
    told["markets"]["BTC-USDT"]["sequence"]["epochs"][1] |= {
        "expected": 4,
        "present": 4,
        "missing": 0,
        "missing_ids": [],
    }
    found = verify.csv_differences(parse_certificate(json.encode(told)), lambda: [published(in_directory, run)])
    claim = "the ids expected in all epochs of BTC-USDT: 14, but 13 by its other fields"
    assert f"the certificate contradicts itself: {claim}" in found


def test_trades_of_before_that_a_new_subscriber_is_sent_again_are_copies(in_directory: Context) -> None:
    """His batch lies in the minute in which he got them: their times are what they were."""
    store = in_directory.store
    store_batch(store, [trade(number) for number in range(100, 110)])
    store_batch(store, [trade(number, minute=60) for number in range(1, 10)])
    store_batch(store, [trade(number) for number in range(105, 110)], minute=62)
    store_batch(store, [trade(number, minute=63) for number in range(10, 20)])
    run = publish(in_directory)
    told = certificate(in_directory, run)
    market = told["markets"]["BTC-USDT"]
    assert (market["rows"], market["sequence"]["missing"], len(market["sequence"]["epochs"])) == (29, 0, 2)
    assert verify.csv_differences(parse_certificate(json.encode(told)), lambda: [published(in_directory, run)]) == []


def test_two_trades_of_one_id_that_no_restart_explains_hold_the_run(in_directory: Context) -> None:
    """A venue that went back by a few ids: the merge can only take one of them."""
    store_batch(in_directory.store, [trade(number) for number in range(1, 20)])
    store_batch(in_directory.store, [trade(number, minute=1) for number in range(15, 30)])
    with pytest.raises(GateFailedError, match="5 ids stand for two trades each, and nothing separates them: 15, 16"):
        publish(in_directory)


def test_a_book_whose_ids_begin_anew_is_certified_by_epochs(in_directory: Context) -> None:
    store = in_directory.store
    books = lenient(in_directory, BOOKS, BOOK_UPDATES)
    store_batch(store, [update(number, number) for number in (1, 2, 3)])
    store_batch(store, [update(number, 600 + number) for number in (1, 2, 4)])
    run = publish(books, BOOKS)
    told = certificate(books, run)
    sequence = told["markets"]["BTC-USDT"]["sequence"]
    assert (sequence["expected"], sequence["present"], sequence["missing_ids"]) == (7, 6, [[3, 3]])
    assert [line.split(b",")[2] for line in published(books, run).splitlines()[1:]] == [
        f'"{MIDNIGHT + second * SECOND}"'.encode() for second in (1, 2, 3, 601, 602, 604)
    ]
    assert verify.csv_differences(parse_certificate(json.encode(told)), lambda: [published(books, run)]) == []


def update(number: int, second: int) -> BookUpdate:
    time = MIDNIGHT + second * SECOND
    return BookUpdate(
        first_id=number, last_id=number, bids=Raw(b'[["9","1"]]'), asks=Raw(b"[]"), local_timestamp=time + 5,
        sent_timestamp=time,
    )  # fmt: skip
