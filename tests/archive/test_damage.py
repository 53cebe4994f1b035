"""What is damaged, gone or full is told in one line: never a hole, never another number, never a traceback."""

from collections.abc import Callable
from datetime import date
from hashlib import file_digest
from pathlib import Path
from typing import Any

import duckdb
import pytest

from booktape import Archive
from booktape.archive import ReadFailedError
from booktape.merge import day_window
from booktape.model.records import BOOK_UPDATES, SECOND, TRADES
from booktape.publish import checkpoints
from booktape.publish.sources import DataSource
from booktape.store.layout import parquet_key
from booktape.store.objects import Store, open_store
from tests.archive.nights import publish
from tests.archive.recorded import MARKET, MIDNIGHT, record_minutes, trade

FROM, TO = MIDNIGHT + SECOND, MIDNIGHT + 100 * SECOND
QUESTIONS: list[Callable[[Archive], Any]] = [
    lambda archive: list(archive.trades(*MARKET, FROM, TO)),
    lambda archive: archive.trades(*MARKET, FROM, TO).missing,
    lambda archive: archive.trades(*MARKET, FROM, TO, gaps="mark").to_arrow(),
    lambda archive: archive.book(*MARKET, TO),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two minutes of trades and a book that are published, with checkpoints."""
    monkeypatch.setattr(checkpoints, "LEVELS", 20)
    store = open_store(str(tmp_path / "data"))
    record_minutes(store, range(1, 121))
    for data_type in (TRADES, BOOK_UPDATES):
        publish(store.url, DataSource(f"binance-{data_type}", "binance", data_type, threshold=0), date(2024, 8, 9))
    return store


def published(store: Store, ending: str) -> list[Path]:
    assert store.directory is not None
    return sorted(store.directory.glob(f"published/**/*run1{ending}"))


def one_bit_of(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    ("damage", "why"),
    [(one_bit_of, "has another SHA-256 than when it was published; restore it"), (Path.unlink, "No such file")],
)
def test_a_published_file_is_damaged_or_gone(
    store: Store, question: Callable[[Archive], Any], damage: Callable[[Path], None], why: str
) -> None:
    """DuckDB reads some flipped bits as other prices, times or ids."""
    with Archive(store.url) as archive:
        question(archive)
        for path in published(store, ".parquet"):
            damage(path)
        with pytest.raises(ReadFailedError, match=why):
            question(archive)


def test_a_damaged_checkpoint_is_not_believed(store: Store) -> None:
    (path,) = published(store, ".checkpoints.parquet")
    one_bit_of(path)
    with (
        Archive(store.url) as archive,
        pytest.raises(ReadFailedError, match=r"checkpoints\.parquet has another SHA-256"),
    ):
        archive.book(*MARKET, TO)


def test_without_its_hash_a_checkpoint_is_not_needed(store: Store) -> None:
    (path,) = published(store, ".checkpoints.parquet")
    path.with_name(f"{path.name}.sha256").unlink()
    path.write_bytes(b"nothing")
    with Archive(store.url) as archive:
        assert archive.book(*MARKET, TO).bids == (("100.0", "100"), ("99.0", "1"))


def test_a_file_of_a_folder_that_is_gone_is_no_hole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Athena leaves it: a folder for each market, of whose files one is lost, or one too many."""
    store = open_store(str(tmp_path))
    record_minutes(store, range(1, 121))
    (run,) = publish(store.url, DataSource("binance-trades", "binance", TRADES, threshold=0), date(2024, 8, 9))
    whole = tmp_path / parquet_key(run)
    aside = whole.rename(tmp_path / "whole.parquet")
    (whole / "symbol=BTC-USDT").mkdir(parents=True)
    listed = []
    for part in (0, 1):
        path = whole / f"symbol=BTC-USDT/{part:04}.parquet"
        rows = duckdb.read_parquet(str(aside)).filter(f"position % 2 = {part}").project("* EXCLUDE (symbol)")
        rows.write_parquet(str(path))
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        listed.append(f"{digest}  {path.relative_to(whole.parent)}\n")
    whole.with_name(f"{whole.name}.sha256").write_text("".join(listed))
    with Archive(str(tmp_path)) as archive:
        trades = archive.trades(*MARKET, FROM, TO)
        assert list(trades) == [trade(number) for number in range(1, 100)]
        lost = path.rename(tmp_path / "lost.parquet")
        with pytest.raises(ReadFailedError, match=r"symbol=BTC-USDT/0001\.parquet cannot be read: No such file"):
            list(trades)
        lost.rename(path)
        (whole / "symbol=BTC-USDT/0002.parquet").write_bytes(path.read_bytes())
        with pytest.raises(ReadFailedError, match=r"0002\.parquet is not among the files that were published"):
            list(trades)


def test_a_certificate_that_is_none(store: Store) -> None:
    for path in published(store, ".certificate.json"):
        path.write_text("{}")
    with (
        Archive(store.url) as archive,
        pytest.raises(ReadFailedError, match="not a certificate of a format up to 2"),
    ):
        list(archive.trades(*MARKET, FROM, TO))


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_closed_archive_says_so(store: Store, question: Callable[[Archive], Any]) -> None:
    archive = Archive(store.url)
    archive.close()
    with pytest.raises(ReadFailedError, match="the archive was closed; open another one"):
        question(archive)


def test_what_is_being_read_ends_with_the_archive(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("booktape.archive.queries._ROWS_AT_A_TIME", 10)
    with Archive(store.url) as archive:
        reading = iter(archive.trades(*MARKET, FROM, TO))
        next(reading)
    with pytest.raises(ReadFailedError, match="the archive was closed while it was read"):
        list(reading)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> list[int]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(day_window, "write_window", full)
    store = open_store(str(tmp_path))
    record_minutes(store, range(1, 121))
    with (
        Archive(store.url) as archive,
        pytest.raises(ReadFailedError, match=r"No space left on device; make room, or set"),
    ):
        list(archive.trades(*MARKET, FROM, TO))
