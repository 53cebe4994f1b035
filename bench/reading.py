"""Reading a day back: its trades as a table, the book at noon, all of it as events; each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Final

import duckdb
from msgspec import Raw, json

from bench.night import EXCHANGE, MARKET, NIGHT, START, WrongMergeError, generate, peak_mebibytes
from booktape import Archive
from booktape.capture.batcher import Batcher
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.gap import Gap
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DAY, BookSnapshot, BookUpdate, Level, Record
from booktape.store.layout import batch_key
from booktape.store.objects import open_store

MESSAGES: Final = 500_000
LEVELS: Final = 10
"""Book messages of the day, and levels in each."""

_SOURCES: Final = ("binance-trades", "binance-book-updates")
_TICKS: Final = 2_000
_MIDDLE: Final = 800_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What one way to read took: processor and wall time in seconds, the most memory in MiB, and what came of it."""

    way: str
    items: int
    cpu_seconds: float
    wall_seconds: float
    peak_mebibytes: float


def prepare(directory: Path, messages: int = MESSAGES, **trades: int) -> None:
    """Write the objects of both systems' trades and of one book, and publish the day."""
    generate(directory, **trades)
    _keep_book(directory / "primary", messages)
    settings = {"BOOKTAPE_STORAGE": "primary", "BOOKTAPE_REPLICA": "replica", "BOOKTAPE_HEAL": "false"}
    for source in _SOURCES:
        command = [sys.executable, "-m", "booktape.cli.main", "nightly", "--day", str(NIGHT), "--source", source]
        subprocess.run(
            command, check=True, cwd=directory, env=os.environ | settings | _importable(), stdout=subprocess.PIPE
        )


def _keep_book(directory: Path, messages: int) -> None:
    store = open_store(str(directory))

    def put(batch: Batch) -> None:
        store.create(str(batch_key(batch, EXCHANGE)), codec.compress(batch.lines))

    for data_type, records in ((BOOK_SNAPSHOTS, iter([_snapshot()])), (BOOK_UPDATES, _updates(messages))):
        stream = Batcher(data_type, MARKET, put, lambda gap: None)
        for record in records:
            stream.append(record, _sent(record))
        stream.close()


def _sent(record: Record) -> int:
    assert isinstance(record, BookSnapshot | BookUpdate)
    assert record.sent_timestamp is not None
    return record.sent_timestamp


def _snapshot() -> BookSnapshot:
    bids, asks = (_levels([(sign * tick, "1.00000000") for tick in range(1, 1_001)]) for sign in (-1, 1))
    return BookSnapshot(
        last_id=0, bids=bids, asks=asks, origin="rest", local_timestamp=START + 1, sent_timestamp=START + 1
    )


def _updates(messages: int) -> Iterator[BookUpdate]:
    """Changes of levels at random, up to 2,000 ticks from a middle that stays: it never crosses."""
    random = Random(20191025)
    for number in range(1, messages + 1):
        time = START + 1 + DAY * number // (messages + 1) // 1000 * 1000
        bids, asks = (
            _levels([(sign * random.randint(1, _TICKS), _amount(random)) for _ in range(LEVELS // 2)])
            for sign in (-1, 1)
        )
        yield BookUpdate(
            first_id=number, last_id=number, bids=bids, asks=asks, local_timestamp=time + 20_000, sent_timestamp=time
        )


def _amount(random: Random) -> str:
    return f"{random.randint(1, 10**9) / 1e8:.8f}" if random.random() < 0.7 else "0.00000000"


def _levels(ticks: list[tuple[int, str]]) -> Raw:
    levels: list[Level] = [(f"{(_MIDDLE + tick) / 100:.2f}000000", amount) for tick, amount in ticks]
    return Raw(json.encode(levels))


def _table(archive: Archive) -> int:
    return int(archive.trades(EXCHANGE, MARKET, *_WHOLE, gaps="mark").to_polars().height)


def _records(archive: Archive) -> int:
    rows = archive.trades(EXCHANGE, MARKET, *_WHOLE, gaps="mark")
    return sum(not isinstance(row, Gap) for row in rows)


def _book_at_noon(archive: Archive) -> int:
    view = archive.book(EXCHANGE, MARKET, START + DAY // 2)
    return len(view.bids) + len(view.asks)


def _replay(archive: Archive) -> int:
    events = archive.replay([f"{EXCHANGE}:{MARKET}"], *_WHOLE)
    return sum(not isinstance(event.record, Gap) for event in events)


def _select(directory: Path, source: str) -> str:
    return f"SELECT * FROM '{directory}/primary/published/{source}/**/{source}*_run1.parquet'"


_WHOLE: Final = (NIGHT, NIGHT + timedelta(days=1))
WAYS: Final[dict[str, Callable[[Archive], int]]] = {
    "trades to Polars": _table,
    "trades as records": _records,
    "book at noon": _book_at_noon,
    "replay of all": _replay,
}
FLOORS: Final[dict[str, Callable[[Path], int]]] = {
    "trades to Polars": lambda directory: int(_relation(directory).pl().height),
    "replay of all": lambda directory: sum(
        len(rows) for source in _SOURCES for rows in _fetched(duckdb.execute(_select(directory, source)))
    ),
}
"""What DuckDB alone takes for the same rows, as one table and as Python's tuples."""


def _relation(directory: Path) -> duckdb.DuckDBPyRelation:
    relation = duckdb.sql(_select(directory, _SOURCES[0]))
    assert relation is not None  # a SELECT always is one
    return relation


def _fetched(result: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[object, ...]]]:
    while rows := result.fetchmany(10_000):
        yield rows


def read(directory: Path, way: str, *, floor: bool = False) -> Reading:
    """Read in this process, which had better do nothing else."""
    wall, cpu = perf_counter(), process_time()
    if floor:
        items = FLOORS[way](directory)
    else:
        with Archive(str(directory / "primary"), replica=str(directory / "replica")) as archive:
            items = WAYS[way](archive)
    return Reading(way, items, process_time() - cpu, perf_counter() - wall, peak_mebibytes())


def measured(directory: Path, way: str, *, floor: bool = False) -> Reading:
    """Read in a new process. Raises :class:`~bench.night.WrongMergeError` where nothing came of it."""
    command = [sys.executable, "-m", "bench.reading", str(directory), way, *(["floor"] if floor else [])]
    reading = json.decode(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout, type=Reading)
    if not reading.items:
        raise WrongMergeError(f"{way} gave nothing")
    return reading


def all_ways(directory: Path) -> list[tuple[Reading, Reading | None]]:
    """Each way, with its floor where there is one."""
    return [(measured(directory, way), measured(directory, way, floor=True) if way in FLOORS else None) for way in WAYS]


def _importable() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(__file__).parents[1])}


if __name__ == "__main__":
    print(json.encode(read(Path(sys.argv[1]), sys.argv[2], floor=len(sys.argv) > 3)).decode())
