"""A day that began in the middle of a book can be read alone: it starts with the book that the day before left."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.captures import reading
from tests.cli.conftest import Outcome
from tests.cli.test_night_of_a_capture import CAPTURE, MIDNIGHT

SOURCE = "binance-book-updates"

pytestmark = pytest.mark.skipif(not CAPTURE.is_file(), reason="no captures: set BOOKTAPE_CAPTURES")


def deeper_left_out(side: dict[str, str], worst: float, sign: int) -> dict[str, str]:
    """A side down to the worst price that the day's first snapshot told."""
    return {price: amount for price, amount in side.items() if sign * float(price) <= worst}


def test_the_second_day_of_a_recording_gives_the_whole_book_by_itself(
    booktape: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {SOURCE: {"exchange": "binance", "data_type": "book_updates"}}
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump(sources))
    monkeypatch.setenv("BOOKTAPE_SOURCES", str(tmp_path / "sources.yaml"))
    monkeypatch.setenv("BOOKTAPE_STORAGE", str(tmp_path / "tape"))
    assert booktape("ingest", str(CAPTURE), "--exchange", "binance").status == 0
    for day in ("2024-08-08", "2024-08-09"):
        outcome = booktape("nightly", "--day", day, "--source", SOURCE, "--json")
        assert outcome.status == 0, outcome.err
    (run,) = json.loads(outcome.out)
    path = Path(run["url"].removeprefix("file://"))
    rows = list(csv.DictReader(path.read_text().splitlines()))
    first = [row for row in rows if row["local_timestamp"] == rows[0]["local_timestamp"]]
    assert {(row["is_snapshot"], row["timestamp"]) for row in first} == {("true", str(MIDNIGHT))}
    sides: dict[str, dict[str, str]] = {"bid": {}, "ask": {}}
    for row in rows:
        reading.apply(sides[row["side"]], row["price"], row["amount"])
    known = {side: [float(row["price"]) for row in first if row["side"] == side] for side in sides}
    bids, asks = reading.binance_book(CAPTURE, "BTCUSDT")
    assert min(len(prices) for prices in known.values()) > 100
    assert deeper_left_out(sides["bid"], -min(known["bid"]), -1) == deeper_left_out(bids, -min(known["bid"]), -1)
    assert deeper_left_out(sides["ask"], max(known["ask"]), 1) == deeper_left_out(asks, max(known["ask"]), 1)
    certificate = json.loads(path.with_name(f"{path.stem}.certificate.json").read_text())
    assert certificate["markets"]["BTC-USDT"]["book"]["crossed"] == 0
