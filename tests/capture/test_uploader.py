"""The uploader: what it takes is in the store or in the spool, whatever the store does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, get_ident

import pytest

from booktape.capture.uploader import Uploader, Uploads
from booktape.model.batch import Batch
from booktape.model.errors import BooktapeError
from booktape.model.records import TRADES
from booktape.store.layout import BatchKey, batch_key
from booktape.store.objects import StorageDeniedError, StorageUnavailableError, Store, open_store
from tests.waiting import DEADLINE, until

LINE = b'{"id":%d,"timestamp":1,"side":"buy","price":"1","amount":"1","local_timestamp":2}\n'


def batch(number: int) -> Batch:
    return Batch(TRADES, "BTC-USDT", 0, number, number, 1, LINE % number)


class FlakyStore:
    """A store in front of another one that can be told to refuse, or to take its time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.away = False

    def create(self, key: str, content: bytes) -> bool:
        if self.away:
            raise StorageUnavailableError("away")
        return self.store.create(key, content)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


@pytest.fixture
def spool(tmp_path: Path) -> Store:
    return open_store((tmp_path / "spool").as_uri())


@pytest.fixture
def errors() -> list[str]:
    return []


@pytest.fixture
def flaky(store: Store) -> FlakyStore:
    return FlakyStore(store)


@pytest.fixture
def uploader(flaky: FlakyStore, spool: Store, errors: list[str]) -> Iterator[Uploader]:
    def on_error(key: str, error: BooktapeError) -> None:
        errors.append(str(error))

    made = Uploader(flaky, spool, "binance", on_error, max_waiting=8, retry_seconds=0)  # type: ignore[arg-type]  # as far as it is used
    yield made
    made.close()


def keys(store: Store) -> set[str]:
    return {item.key for item in store.objects("")}


def wanted(*numbers: int) -> set[str]:
    return {str(batch_key(batch(number), "binance")) for number in numbers}


def test_batches_become_objects(uploader: Uploader, store: Store) -> None:
    for number in (1, 2, 3):
        uploader.submit(batch(number))
    assert uploader.close() == 0
    assert keys(store) == wanted(1, 2, 3)
    assert (uploader.uploads.objects, uploader.uploads.collisions) == (3, 0)


def test_what_another_instance_wrote_is_a_collision_and_stays_as_it_is(uploader: Uploader, store: Store) -> None:
    (key,) = wanted(1)
    store.create(key, b"the other instance's bytes")
    uploader.submit(batch(1))
    uploader.close()
    assert store.read(key) == b"the other instance's bytes"
    assert uploader.uploads == Uploads(collisions=1)


def test_while_the_store_is_away_batches_wait_on_disk_and_then_move(
    uploader: Uploader, flaky: FlakyStore, store: Store, spool: Store, errors: list[str]
) -> None:
    flaky.away = True
    for number in range(20):
        uploader.submit(batch(number))
    uploader._threads.shutdown(wait=True)
    assert keys(store) == set()
    assert keys(spool) == wanted(*range(20))
    assert uploader.uploads.spooled == 20
    assert "away" in errors
    assert uploader.drain() == 0
    flaky.away = False
    assert uploader.drain() == 20
    assert (keys(store), keys(spool)) == (wanted(*range(20)), set())


def test_what_an_earlier_life_of_the_worker_left_in_the_spool_is_moved_too(
    uploader: Uploader, store: Store, spool: Store
) -> None:
    spool.create(next(iter(wanted(9))), b"from before")
    assert uploader.drain() == 1
    assert keys(store) == wanted(9)


def test_a_store_that_is_away_at_the_end_leaves_the_batches_in_the_spool(
    uploader: Uploader, flaky: FlakyStore, spool: Store
) -> None:
    flaky.away = True
    uploader.submit(batch(1))
    assert uploader.close() == 1
    assert keys(spool) == wanted(1)


def test_when_not_even_the_disk_takes_a_batch_the_loss_is_counted_and_told(
    flaky: FlakyStore, store: Store, errors: list[str]
) -> None:
    def on_error(key: str, error: BooktapeError) -> None:
        errors.append(str(error))

    class FullDisk(FlakyStore):
        def objects(self, prefix: str) -> Iterator[object]:
            return iter(())

    full = FullDisk(store)
    full.away = flaky.away = True
    uploader = Uploader(flaky, full, "binance", on_error)  # type: ignore[arg-type]  # as far as it is used
    uploader.submit(batch(1))
    uploader.close()
    assert uploader.uploads == Uploads(dropped=1)
    assert errors == ["away", "away"]


def test_a_key_that_the_store_refuses_for_itself_stops_nothing_else(
    store: Store, spool: Store, errors: list[str]
) -> None:
    (refused,) = wanted(1)

    class Picky(FlakyStore):
        def create(self, key: str, content: bytes) -> bool:
            if key == refused:
                raise StorageDeniedError("not this one")
            return super().create(key, content)

    def on_error(key: str, error: BooktapeError) -> None:
        errors.append(str(error))

    uploader = Uploader(Picky(store), spool, "binance", on_error)  # type: ignore[arg-type]  # as far as it is used
    for number in (1, 2, 3):
        uploader.submit(batch(number))
    assert uploader.close() == 1
    assert (keys(store), keys(spool)) == (wanted(2, 3), wanted(1))
    assert set(errors) == {"not this one"}


def test_a_batch_that_cannot_even_be_named_is_counted_and_told(uploader: Uploader, errors: list[str]) -> None:
    uploader.submit(Batch(TRADES, "BTC-USDT", 2**62, 1, 1, 1, LINE % 1))
    uploader.close()
    assert uploader.uploads == Uploads(dropped=1)
    assert len(errors) == 1


def test_each_batch_that_is_safe_is_told_with_its_key_be_it_in_the_store_or_in_the_spool(
    flaky: FlakyStore, spool: Store
) -> None:
    told: list[tuple[BatchKey, int]] = []
    uploader = Uploader(
        flaky,  # type: ignore[arg-type]  # as far as it is used
        spool,
        "binance",
        lambda key, error: None,
        on_saved=lambda key, count: told.append((key, count)),
    )
    uploader.submit(batch(1))
    uploader.wait()
    flaky.away = True
    uploader.submit(batch(2))
    uploader.wait()
    assert told == [(batch_key(batch(number), "binance"), 1) for number in (1, 2)]
    uploader.close()


def test_a_batch_that_is_lost_is_not_told_as_safe(flaky: FlakyStore, store: Store) -> None:
    told: list[BatchKey] = []

    class FullDisk(FlakyStore):
        def objects(self, prefix: str) -> Iterator[object]:
            return iter(())

    full = FullDisk(store)
    full.away = flaky.away = True
    uploader = Uploader(
        flaky,  # type: ignore[arg-type]  # as far as it is used
        full,  # type: ignore[arg-type]  # as far as it is used
        "binance",
        lambda key, error: None,
        on_saved=lambda key, count: told.append(key),
    )
    uploader.submit(batch(1))
    uploader.close()
    assert (told, uploader.uploads.dropped) == ([], 1)


def test_a_batch_that_is_lost_is_told_as_lost_even_where_it_cannot_be_named(flaky: FlakyStore, store: Store) -> None:
    told: list[Batch] = []
    full = FlakyStore(store)
    full.away = flaky.away = True
    uploader = Uploader(
        flaky,  # type: ignore[arg-type]  # as far as it is used
        full,  # type: ignore[arg-type]  # as far as it is used
        "binance",
        lambda key, error: None,
        on_lost=told.append,
    )
    nameless = Batch(TRADES, "BTC-USDT", 2**62, 1, 1, 1, LINE % 1)
    for lost in (batch(1), nameless):
        uploader.submit(lost)
        uploader.wait()
    assert told == [batch(1), nameless]


def test_a_segment_is_written_after_all_batches_that_were_taken_before_it(store: Store, spool: Store) -> None:
    """A process that is killed between the two would else have told that a stream was heard, and lost what it heard."""
    goes_on, tried = Event(), Event()
    written: list[str] = []

    class Slow(FlakyStore):
        def create(self, key: str, content: bytes) -> bool:
            if not key.startswith("ledger/"):
                tried.set()
                assert goes_on.wait(DEADLINE)
            written.append(key)
            return super().create(key, content)

    uploader = Uploader(Slow(store), spool, "binance", lambda key, error: None)  # type: ignore[arg-type]  # as far as it is used
    uploader.submit(batch(1))
    assert tried.wait(DEADLINE)
    uploader.submit_object_last("a segment", lambda: ("ledger/x", b"lines"))
    uploader.submit_object("another", lambda: ("ledger/y", b"lines"))  # waits for nothing
    until(lambda: written)
    assert written == ["ledger/y"]
    goes_on.set()
    uploader.close()
    assert written == ["ledger/y", *wanted(1), "ledger/x"]


def test_when_all_has_settled_everything_lies_somewhere(uploader: Uploader, store: Store, spool: Store) -> None:
    for number in range(30):
        uploader.submit(batch(number))
    uploader.wait()
    assert keys(store) | keys(spool) == wanted(*range(30))


def test_a_segment_of_the_ledger_is_made_off_the_event_loop_and_counts_as_no_object(
    uploader: Uploader, store: Store
) -> None:
    here = get_ident()

    def make() -> tuple[str, bytes]:
        assert get_ident() != here
        return "ledger/x", b"lines"

    uploader.submit_object("a segment", make)
    uploader.close()
    assert store.read("ledger/x") == b"lines"
    assert uploader.uploads == Uploads(segments=1)


def test_while_the_store_is_away_segments_wait_on_disk_too(
    uploader: Uploader, flaky: FlakyStore, store: Store, spool: Store
) -> None:
    flaky.away = True
    uploader.submit_object("a segment", lambda: ("ledger/x", b"lines"))
    uploader.wait()
    assert keys(spool) == {"ledger/x"}
    flaky.away = False
    assert uploader.drain() == 1
    assert store.read("ledger/x") == b"lines"
    assert (uploader.uploads.segments, uploader.uploads.objects, uploader.uploads.collisions) == (1, 0, 0)


def test_two_drains_at_once_move_each_object_once(uploader: Uploader, store: Store, spool: Store) -> None:
    for key in wanted(*range(50)):
        spool.create(key, b"x")
    with ThreadPoolExecutor(2) as threads:
        moved = list(threads.map(lambda _: uploader.drain(), range(2)))
    assert sum(moved) == 50
    assert keys(store) == wanted(*range(50))
