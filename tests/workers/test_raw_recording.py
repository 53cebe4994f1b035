"""``record --raw``, as a process: what it kept, played again, is what it recorded."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from booktape.capture.reingest import reingest
from booktape.exchanges import exchange
from booktape.model import codec
from booktape.store import clock
from booktape.store.layout import RAW, UPTIME_LOG
from booktape.store.objects import Store, open_store
from tests.waiting import DEADLINE, until
from tests.workers.test_worker import (  # noqa: F401  # fixtures
    Program,
    Venue,
    simulate,
    start,
    work,
)
from workers.options import Options
from workers.raw_capture import RawCapture


def batches(store: Store) -> dict[str, bytes]:
    return {
        item.key: store.read(item.key) for item in store.objects("") if not item.key.startswith((UPTIME_LOG, f"{RAW}/"))
    }


def test_a_days_objects_are_made_again_from_its_frames(
    simulate: Callable[..., Venue],  # noqa: F811  # the fixture
    work: Callable[..., Program],  # noqa: F811  # the fixture
    tmp_path: Path,
) -> None:
    simulated = simulate("kraken", "--speed", "30", "--rate", "40")
    recorded = open_store((tmp_path / "store").as_uri())
    mended = open_store((tmp_path / "mended").as_uri())
    worker = work("kraken", simulated.ws, "a", recorded.url, BOOKTAPE_RAW="true")
    until(lambda: len(batches(recorded)) > 3)
    assert worker.end() == 0
    (stopped,) = worker.events("raw_stopped")
    assert (stopped["left_in_spool"], stopped["RawDropped"], stopped["RawSpooled"]) == (0, 0, 0)
    assert stopped["RawObjects"] == len(list(recorded.objects(RAW))) > 0
    reingest(recorded, exchange("kraken"), mended)
    assert batches(mended) == batches(recorded)


def test_without_it_no_frame_is_kept(
    simulate: Callable[..., Venue],  # noqa: F811  # the fixture
    work: Callable[..., Program],  # noqa: F811  # the fixture
    tmp_path: Path,
) -> None:
    simulated = simulate("kraken", "--speed", "30", "--rate", "40")
    recorded = open_store((tmp_path / "store").as_uri())
    worker = work("kraken", simulated.ws, "a", recorded.url)
    until(lambda: batches(recorded))
    assert worker.end() == 0
    assert list(recorded.objects(RAW)) == []


def keeping(tmp_path: Path, told: list[str]) -> RawCapture:
    storage, spool = (tmp_path / "store").as_uri(), str(tmp_path / "spool")
    options = Options("kraken", ("BTC-USD",), storage, spool=spool)
    return RawCapture(exchange("kraken"), options, lambda key, error: told.append(str(error)))


def test_frames_are_compressed_and_spooled_off_the_event_loop_however_many_connections_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All connections end their objects with the minute, and the store may be slow just then."""
    compressing: set[str] = set()
    compress = codec.compress

    def noted(lines: bytes | bytearray) -> bytes:
        compressing.add(threading.current_thread().name)
        return compress(lines)

    monkeypatch.setattr(codec, "compress", noted)
    told: list[str] = []
    raw = keeping(tmp_path, told)
    for number in range(100):
        raw.frames.connection(number, "wss://x").received("frame", clock.now())
    assert raw.close() == 0
    assert threading.current_thread().name not in compressing
    assert raw.counts()["RawObjects"] == len(list(open_store((tmp_path / "store").as_uri()).objects(RAW))) == 100
    assert told == []


def test_what_waits_in_memory_is_bounded_and_what_is_dropped_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.raw_capture._MAX_BYTES", 1_200)
    released = threading.Event()
    compress = codec.compress

    def stuck(lines: bytes | bytearray) -> bytes:
        assert released.wait(DEADLINE)
        return compress(lines)

    monkeypatch.setattr(codec, "compress", stuck)
    told: list[str] = []
    raw = keeping(tmp_path, told)
    for number in range(3):
        connection = raw.frames.connection(number, "wss://x")
        connection.received("x" * 400, clock.now())
        connection.mark("disconnected", clock.now())
    assert raw.counts()["RawDropped"] == 1
    released.set()
    assert raw.close() == 0
    assert raw.counts() == {"RawObjects": 2, "RawSpooled": 0, "RawDropped": 1}
    assert [error for error in told if "too slow" in error] == told
    assert len(told) == 1
