"""The same rows, and the same books, before a day is published and after it; the archive chooses by itself."""

from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from booktape import Archive
from booktape.capture.ingest import ingest_capture
from booktape.exchanges import exchange
from booktape.model.records import BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES, Liquidation
from booktape.publish import checkpoints
from booktape.publish.sources import DataSource
from booktape.store.objects import open_store
from tests.archive.nights import publish
from tests.archive.uptime_logs import at, listened_whenever_recorded
from tests.cli.test_night_of_a_capture import CAPTURE
from tests.merge.days import DAY, NEXT, record_a_day, ticker
from tests.merge.systems import Systems, open_systems, put
from tests.merge.systems import at as of_day

SPOT = (TRADES, BOOK_UPDATES, QUOTES)
FUTURES = (DERIVATIVE_TICKER, LIQUIDATIONS)


@pytest.fixture
def systems(tmp_path: Path) -> Systems:
    """Two systems' day with holes and copies, of all data types."""
    systems = open_systems(tmp_path)
    record_a_day(systems)
    for number, store in enumerate((systems.primary, systems.replica)):
        times = {i: of_day(DAY, i * 60_000_000) for i in range(40) if i % 7 != number}
        put(store, *(ticker(i, time, number) for i, time in times.items()), exchange="binance-futures")
        closed = [
            Liquidation(timestamp=t, side="sell", price="9", amount="2", local_timestamp=t + 5) for t in times.values()
        ]
        put(store, *closed, exchange="binance-futures")
    return systems


def read(archive: Archive, systems: Systems) -> dict[tuple[str, str, str], list[Any]]:
    """All records of the day, with those of the minute after it."""
    found = {}
    for name, types in (("binance", SPOT), ("binance-futures", FUTURES)):
        for data_type in types:
            for market in ("BTC-USDT", "ETH-USDT") if name == "binance" else ("BTC-USDT",):
                rows = archive.rows(data_type, name, market, of_day(DAY), of_day(NEXT, 60_000_000), gaps="mark")
                found[name, data_type, market] = [record for record in rows if hasattr(record, "local_timestamp")]
    return found


def test_every_data_type_reads_the_same_before_and_after(systems: Systems, tmp_path: Path) -> None:
    with Archive(systems.primary.url, replica=systems.replica.url) as archive:
        before = read(archive, systems)
        assert {key: len(records) for key, records in before.items()} == {
            ("binance", TRADES, "BTC-USDT"): 42,
            ("binance", TRADES, "ETH-USDT"): 40,
            ("binance", BOOK_UPDATES, "BTC-USDT"): 41,
            ("binance", BOOK_UPDATES, "ETH-USDT"): 41,
            ("binance", QUOTES, "BTC-USDT"): 40,
            ("binance", QUOTES, "ETH-USDT"): 40,
            ("binance-futures", DERIVATIVE_TICKER, "BTC-USDT"): 50,
            ("binance-futures", LIQUIDATIONS, "BTC-USDT"): 40,
        }
        for name, types in (("binance", SPOT), ("binance-futures", FUTURES)):
            for data_type in types:
                source = DataSource(f"{name}-{data_type}", name, data_type, threshold=0)  # type: ignore[arg-type]  # a data type's name
                publish(systems.primary.url, source, DAY, replica=systems.replica.url, results=tmp_path / "results")
        assert read(archive, systems) == before


@pytest.mark.skipif(not CAPTURE.is_file(), reason="no captures: set BOOKTAPE_CAPTURES")
def test_an_evening_of_binance_reads_the_same_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two days with a midnight between them: at first nothing is published, then the first day, then both.

    The first night stores the book at midnight as the second day's first snapshot: a message more, and the levels
    deeper than those that the venue told of at first are not in it.
    """
    monkeypatch.setattr(checkpoints, "LEVELS", 2_000)
    url = str(tmp_path)
    ingest_capture(CAPTURE, exchange("binance"), open_store(url))
    listened_whenever_recorded(open_store(url), "binance")
    start, end = at("2024-08-08T23:54:30"), at("2024-08-09T00:00:50")
    random = Random(5)
    instants = sorted(random.randrange(start, end) for _ in range(30))
    with Archive(url) as archive:

        def rows() -> dict[str, list[Any]]:
            found = {name: archive.rows(name, "binance", "BTC-USDT", start, end) for name in SPOT}
            return {
                name: [one for one in some if getattr(one, "origin", "") != "derived"] for name, some in found.items()
            }

        def views() -> list[tuple[Any, ...]]:
            found = (archive.book("binance", "BTC-USDT", instant) for instant in instants)
            return [(view.as_of, view.last_id, view.bids[:100], view.asks[:100], view.sound) for view in found]

        before = rows(), views()
        assert {name: len(some) for name, some in before[0].items()} == {
            TRADES: 10991,
            BOOK_UPDATES: 3791,
            QUOTES: 33826,
        }
        for day in (date(2024, 8, 8), date(2024, 8, 9)):
            for name in SPOT:
                publish(url, DataSource(f"binance-{name}", "binance", name), day)  # type: ignore[arg-type]  # a data type's name
            assert (rows(), views()) == before
    directory = open_store(url).directory
    assert directory is not None, "a local store"
    (first, _) = sorted(directory.glob("published/*/**/*.checkpoints.parquet"))
    assert duckdb.read_parquet(str(first)).aggregate("count(*) > 5").fetchall() == [(True,)]
