"""The step that leaves whole books in between beside a book's Parquet file."""

from pathlib import Path

import duckdb
import pytest

from booktape import Archive
from booktape.integrity import parquet_reader
from booktape.model.records import BOOK_UPDATES, SECOND
from booktape.model.timestamps import day_of
from booktape.publish import checkpoints, manifest
from booktape.publish.results import Checkpoints
from booktape.publish.sources import DataSource
from booktape.store.objects import open_store
from tests.archive.nights import publish
from tests.archive.recorded import MARKET, MIDNIGHT, record, record_minutes, snapshot

SOURCE = DataSource("binance-book-updates", "binance", BOOK_UPDATES, threshold=0)
KEY = "published/binance-book-updates/2024/08/09/binance-book-updates_2024-08-09_run1.checkpoints.parquet"


@pytest.fixture
def placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a book that is kept after every twenty messages; 100 to 119 are missing, and 150 is a snapshot."""
    monkeypatch.setattr(checkpoints, "LEVELS", 20)
    store = open_store(str(tmp_path))
    record_minutes(store, range(1, 301), without=range(100, 120))
    record(store, snapshot(150))
    (run,) = publish(store.url, SOURCE, day_of(MIDNIGHT))
    kept = manifest.require_result(store, run, Checkpoints)
    path = tmp_path / KEY
    rows = duckdb.read_parquet(str(path)).aggregate("count(*)").fetchall()
    assert kept == Checkpoints(f"{store.url}/{KEY}", rows[0][0], path.stat().st_size)
    return path


def test_a_book_is_kept_now_and_then_where_it_is_sound(placed: Path) -> None:
    rows = duckdb.read_parquet(str(placed)).project("last_id, timestamp, symbol, bids, asks").fetchall()
    ids = [row[0] for row in rows]
    assert ids[0] < 30
    assert not [number for number in ids if 100 <= number < 150]
    assert [number for number in ids if number >= 150]
    for number, time, market, bids, asks in rows:
        assert (time, market) == (MIDNIGHT + number * SECOND, "BTC-USDT")
        assert [tuple(level.values()) for level in bids] == [("100.0", str(number)), ("99.0", "1")]
        assert [tuple(level.values()) for level in asks] == [("101.0", "2")]


def test_a_reader_begins_with_it(placed: Path, tmp_path: Path) -> None:
    """A checkpoint that says something else is believed, so nothing before it was read."""
    told = duckdb.read_parquet(str(placed)).project("last_id").fetchall()
    other = "* REPLACE ([{'price': '7.0', 'amount': '7'}] AS bids)"
    duckdb.read_parquet(str(placed)).project(other).write_parquet(str(tmp_path / "other.parquet"))
    placed.unlink()
    (tmp_path / "other.parquet").rename(placed)
    placed.with_name(f"{placed.name}.sha256").write_bytes(parquet_reader.hashes(KEY, [KEY], [placed]))
    (last,) = [number for (number,) in told if number < 100][-1:]
    with Archive(str(tmp_path)) as archive:
        view = archive.book(*MARKET, MIDNIGHT + (last + 1) * SECOND)
    assert view.bids == (("100.0", str(last + 1)), ("7.0", "7"))


def test_without_any_the_book_is_the_same(placed: Path, tmp_path: Path) -> None:
    def books() -> list[object]:
        with Archive(str(tmp_path)) as archive:
            return list(archive.books(*MARKET, MIDNIGHT + SECOND, MIDNIGHT + 300 * SECOND, 7, gaps="mark"))

    before = books()
    placed.unlink()
    assert books() == before
