"""The benchmark measures what it says: every way takes every message, and the floor writes what Booktape writes."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import pytest
from msgspec import json
from rich.console import Console

from bench import frames, ingest, night, reading, ways
from bench.report import Report, show
from booktape.capture.pipeline import Pipeline
from booktape.exchanges import exchange
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.gap import Gap
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, TRADES

GENERATED: dict[str, tuple[str, str, Callable[[], Iterable[bytes]]]] = {
    "binance trades": ("binance", TRADES, lambda: frames.binance_trades(50, 20)),
    "binance aggregated trades": ("binance", TRADES, lambda: frames.binance_trades(50, 20, aggregated=True)),
    "binance depth": ("binance", BOOK_UPDATES, lambda: frames.binance_depth(50, 20, 44)),
    "coinbase books": ("coinbase", BOOK_UPDATES, lambda: frames.coinbase_books(50, 20, 6)),
}


def objects(directory: Path) -> list[bytes]:
    return [codec.decompress(path.read_bytes()) for path in sorted(directory.rglob("*.json.gz"))]


@pytest.mark.parametrize("name", GENERATED)
def test_every_generated_frame_is_one_good_record(name: str) -> None:
    """Frames that the rules throw away, or that end batches, would cost something else than real traffic does."""
    exchange_id, data_type, generate = GENERATED[name]
    batches: list[Batch] = []
    gaps: list[Gap] = []
    recorder = Pipeline(exchange(exchange_id), batches.append, gaps.append)
    connection = recorder.new_feed()

    for received, frame in enumerate(generate(), frames.START):
        connection.feed(frame, received)
    recorder.close()

    assert list(recorder.records()) == [data_type]
    assert [batch.count for batch in batches] == [20, 20, 10]
    assert (gaps, recorder.duplicates(), recorder.unknown_frames, recorder.control_frames) == ([], 0, {}, 0)


def test_krakens_generated_books_have_right_checksums() -> None:
    recorder = Pipeline(exchange("kraken"), lambda batch: None, lambda gap: None)
    connection = recorder.new_feed()

    for received, frame in enumerate(frames.kraken_books(50, 20, 4), frames.START):
        connection.feed(frame, received)
    recorder.close()

    assert recorder.checksums() == (50, 0)
    assert {name: sum(markets.values()) for name, markets in recorder.records().items()} == {
        BOOK_SNAPSHOTS: 1,
        BOOK_UPDATES: 49,
    }


@pytest.mark.parametrize(
    ("generated", "record"),
    [(frames.binance_trades(50, 20), ways.trade), (frames.binance_depth(50, 20, 44), ways.depth)],
    ids=["trades", "depth"],
)
def test_the_floor_writes_the_same_bytes(
    generated: list[bytes], record: Callable[[bytes, int], object], tmp_path: Path
) -> None:
    """Else it would be the floor of something else."""
    ways.floor(record, 20)(generated, tmp_path / "floor")()
    ways.booktape("binance")(generated, tmp_path / "ours")()

    assert objects(tmp_path / "floor") == objects(tmp_path / "ours") != []


def test_the_report_has_a_row_for_every_way() -> None:
    measured = [way for way in ingest.all_ways(1) if way.message == "Binance trade"]
    costs = ingest.costs(measured, list(ingest.rounds(measured, 1)))
    text = StringIO()

    one = reading.Reading("trades to Polars", 99, 0.5, 1.0, 100)
    show(Report("machine", {"python": "3"}, 1, costs, None, None, [(one, one)]), Console(file=text, width=80))

    assert [cost.way for cost in costs] == [ingest.FLOOR, ingest.OURS, ingest.PARSE, ingest.CRYPTOFEED]
    assert costs[0].times_floor == 1
    assert all(cost.way in text.getvalue() for cost in costs)
    assert "trades to Polars" in text.getvalue()
    assert json.encode([asdict(cost) for cost in costs])


def test_a_night_gives_every_trade_once_though_each_system_misses_some(tmp_path: Path) -> None:
    night.generate(tmp_path, trades=99)

    merged = night.merge(tmp_path, "token")

    assert (merged.trades, merged.objects) == (99, 2 * 96)
    assert night.merge(tmp_path, "another", with_certificate=True).trades == 99
    assert merged.peak_mebibytes > 0


def test_every_way_of_reading_gives_the_whole_day(tmp_path: Path) -> None:
    reading.prepare(tmp_path, messages=3_000, trades=99)

    read = {one.way: (one, floor) for one, floor in reading.all_ways(tmp_path)}

    table, records, book, replay = (read[way][0].items for way in reading.WAYS)
    assert (table, records, replay) == (99, 99, 99 + 1 + 3_000)
    assert 2_000 <= book <= 4_000  # levels
    assert [floor.items for _, floor in read.values() if floor is not None] == [99, 99 + 1 + 3_000]
