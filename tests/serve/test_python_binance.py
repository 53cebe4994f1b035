"""A client of Binance's public protocol that others wrote (python-binance) rebuilds the very book that was recorded."""

import asyncio
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from booktape import Archive
from booktape.capture.ingest import ingest_capture
from booktape.capture.pipeline import Pipeline
from booktape.exchanges import exchange
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.book import Book
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, SECOND, BookSnapshot, BookUpdate, Level, levels
from booktape.serve.app import create_app
from booktape.store.layout import batch_key
from booktape.store.objects import Store, open_store
from tests.serve.recorded_days import START, served
from tests.serve.talking import HandClock
from tests.waiting import DEADLINE

binance = pytest.importorskip("binance", reason="python-binance has no wheel here")

CAPTURE = "binance_spot/hftbacktest_btcusdt_20240808.jsonl.gz"
WHOLE_BOOK = 5_000
AHEAD = 5 * SECOND
"""How far the market's clock may be ahead of what the client has seen."""

Sides = tuple[dict[float, float], dict[float, float]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "data").as_uri())


def stored(store: Store, data_type: str) -> list[Any]:
    found = [codec.decode_records(data_type, store.read(item.key)) for item in store.objects(data_type)]
    return sorted((record for some in found for record in some), key=lambda record: getattr(record, "last_id", 0))


class Straight:
    """The documented procedure by hand: the snapshot, then each update in the order of its ids. No code of serve."""

    def __init__(self, store: Store) -> None:
        (snapshot,) = stored(store, BOOK_SNAPSHOTS)
        assert isinstance(snapshot, BookSnapshot)
        self._book = Book(levels(snapshot.bids), levels(snapshot.asks))
        self._updates = [one for one in stored(store, BOOK_UPDATES) if one.last_id > (snapshot.last_id or 0)]

    def at(self, last_id: int) -> Sides:
        """The book after the update of that id; ids must rise from call to call."""
        while self._updates and self._updates[0].last_id <= last_id:
            update = self._updates.pop(0)
            assert isinstance(update, BookUpdate)
            self._book.apply(levels(update.bids), levels(update.asks))
        return _numbers(self._book.bids.top()), _numbers(self._book.asks.top())


def _numbers(side: Sequence[Level]) -> dict[float, float]:
    return {float(price): float(amount) for price, amount in side}


async def follow(address: str, clock: HandClock, symbol: str, last: int, *, fast: bool) -> list[tuple[int, Sides]]:
    """Let python-binance keep its book until the update of the last id; every twentieth book, and the last one.

    The market's clock goes on as far as the client has got, and some seconds.
    """
    client_class: Any = binance.AsyncClient
    client = client_class()
    client.API_URL = f"http://{address}/binance/api"
    await client.ping()
    assert (await client.get_server_time())["serverTime"] > 0
    manager: Any = binance.BinanceSocketManager(client, max_queue_size=1_000_000)
    manager.STREAM_URL = f"ws://{address}/binance/"
    seen: list[tuple[int, Sides]] = []
    number = 0
    try:
        keeper = binance.ws.depthcache.DepthCacheManager(
            client, symbol, bm=manager, limit=WHOLE_BOOK, ws_interval=100 if fast else None
        )
        async with keeper as depth:
            keeper._socket.TIMEOUT = 0.5  # how long its end waits for another frame
            while not seen or seen[-1][0] < last:
                clock.at = max(clock.at, (depth.get_depth_cache().update_time or 0) * 1_000 + AHEAD)
                cache = await asyncio.wait_for(depth.recv(), DEADLINE)
                number += 1
                if number % 20 == 1 or depth._last_update_id >= last:
                    sides = (dict(map(tuple, cache.get_bids())), dict(map(tuple, cache.get_asks())))
                    seen.append((depth._last_update_id, sides))
    finally:
        await client.close_connection()
    return seen


def play(store: Store, start: int, end: int, symbol: str, *, fast: bool) -> list[tuple[int, Sides]]:
    """Serve a stretch of what was recorded, and follow it to its last update."""
    last = max(one.last_id for one in stored(store, BOOK_UPDATES) if (one.timestamp or one.sent_timestamp or 0) < end)
    clock = HandClock(start, end)
    clock.at = start + AHEAD
    with served(create_app(Archive(store.url), store, clock)) as address:
        return asyncio.run(follow(address, clock, symbol, last, fast=fast))


def as_sides(view: Any) -> Sides:
    assert view.sound
    return _numbers(view.bids), _numbers(view.asks)


def test_it_rebuilds_the_book_of_a_recorded_day_and_keeps_it_to_the_end(store: Store) -> None:
    folder = Path(os.environ.get("BOOKTAPE_CAPTURES", Path(__file__).parents[3] / "shared/captures"))
    if not (folder / CAPTURE).is_file():
        pytest.skip(f"no capture {CAPTURE}: set BOOKTAPE_CAPTURES to the folder of captures")
    ingest_capture(folder / CAPTURE, exchange("binance"), store)
    start = 1_723_161_590 * SECOND  # ten seconds before midnight
    end = start + 60 * SECOND
    seen = play(store, start, end, "BTCUSDT", fast=True)
    assert len(seen) >= 20
    straight = Straight(store)
    for last_id, sides in seen:
        assert sides == straight.at(last_id)
    assert seen[-1][1] == as_sides(Archive(store.url).book("binance", "BTC-USDT", end - 1))


@pytest.mark.parametrize("fast", [True, False])
def test_it_rebuilds_the_book_of_a_day_of_our_own(store: Store, fast: bool) -> None:
    """Whole levels that come and go, by the stream of 100 ms and by that of a second."""
    chance = random.Random(7)
    batches: list[Batch] = []
    recorder = Pipeline(exchange("binance"), batches.append, lambda gap: None)
    connection = recorder.new_feed()
    book = {"lastUpdateId": 100, "bids": [["99.00000000", "1.00000000"]], "asks": [["101.00000000", "1.00000000"]]}
    url = "https://api.binance.com/api/v3/depth?symbol=ETHBTC&limit=1000"
    connection.feed_rest(url, json.encode(book), START, START)
    number, time = 100, START
    for step in range(300):
        first, number, time = number + 1, number + chance.randint(1, 9), time + chance.randint(90, 300) * 1_000
        data = {
            "e": "depthUpdate", "E": time // 1_000, "s": "ETHBTC", "U": first, "u": number,
            "b": [[f"{chance.randint(90, 99)}.00000000", chance.choice(["0.00000000", "1.50000000", "2.00000000"])]],
            "a": [[f"{chance.randint(101, 110)}.00000000", chance.choice(["0.00000000", "0.50000000"])]],
        }  # fmt: skip
        connection.feed(json.encode({"stream": "ethbtc@depth@100ms", "data": data}), time + step)
    recorder.close()
    for batch in batches:
        store.create(str(batch_key(batch, "binance")), codec.compress(batch.lines))
    start, end = START + 2 * SECOND, time  # what comes after the last update, nobody knows
    seen = play(store, start, end, "ETHBTC", fast=fast)
    assert len(seen) > (10 if fast else 2)
    straight = Straight(store)
    for last_id, sides in seen:
        assert sides == straight.at(last_id)
    assert seen[-1][1] == as_sides(Archive(store.url).book("binance", "ETH-BTC", end - 1))
