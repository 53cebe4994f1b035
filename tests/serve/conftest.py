"""What Binance's endpoints are asked about: two short recordings, and a server of them."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from booktape.model.records import SECOND
from booktape.serve.app import create_app
from booktape.serve.clock import MarketClock
from booktape.store.objects import Store, open_store
from tests.serve.recorded_days import START, Shelf, levels, quote, served, snapshot, trade, update
from tests.serve.talking import END, MILLISECOND, Serve


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    shelf.add(
        "binance:BTC-USDT",
        snapshot(4, START, levels(("1.00000000", "2.0"), ("0.90000000", "1.0")), levels(("1.10000000", "3.0"))),
        trade(1, START + 1 * SECOND),
        quote(5, START + 2 * SECOND),
        update(5, 6, START + 3 * SECOND, levels(("1.00000000", "0"))),
        update(7, 9, START + 3 * SECOND + 100 * MILLISECOND, asks=levels(("1.20000000", "1"))),
        update(10, 10, START + 5 * SECOND, asks=levels(("1.20000000", "2"))),
        trade(2, START + 6 * SECOND),
    )
    shelf.add("binance:ETH-USDT", snapshot(1, START), trade(77, START + 4 * SECOND))
    return shelf


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "data").as_uri())


@pytest.fixture
def serve(store: Store) -> Serve:
    def run(
        shelf: Shelf, speed: float = 0.0, *, begin: bool = False, end: int = END, clock: MarketClock | None = None
    ) -> AbstractContextManager[str]:
        return served(create_app(shelf, store, clock or MarketClock(START, end, speed), begin=begin))

    return run
