"""Whoever talks to a venue of the past shares one clock, and disturbs nobody."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from booktape.model.records import SECOND, Trade
from tests.serve.recorded_days import START, Shelf, snapshot, trade
from tests.serve.talking import END, MILLISECOND, HandClock, Serve, hear, is_subscribed, read_on, talk
from tests.waiting import DEADLINE, until


def test_the_clock_waits_for_the_first_subscription_unless_told_otherwise(shelf: Shelf, serve: Serve) -> None:
    with serve(shelf, speed=10) as address:
        clock = httpx.get(f"http://{address}/clock").json()
        assert clock == {"from": START, "to": END, "now": START, "speed": 10, "state": "waiting"}
        assert httpx.get(f"http://{address}/binance/api/v3/ping").json() == {}
        assert httpx.get(f"http://{address}/binance/api/v3/time").json() == {"serverTime": START // 1000}
        hear(address, "/ws/btcusdt@trade", 1)
        assert httpx.get(f"http://{address}/binance/api/v3/time").json()["serverTime"] >= START // 1000 + 1000
    with serve(shelf, speed=1_000, begin=True) as address:
        until(lambda: httpx.get(f"http://{address}/clock").json()["state"] == "over")


def test_a_clock_without_pace_is_not_over_before_anybody_asked_for_a_market(shelf: Shelf, serve: Serve) -> None:
    with serve(shelf, begin=True) as address:
        assert httpx.get(f"http://{address}/clock").json()["state"] == "running"
        httpx.get(f"http://{address}/binance/api/v3/depth", params={"symbol": "BTCUSDT"})
        until(lambda: httpx.get(f"http://{address}/clock").json()["state"] == "over")


def test_events_come_when_their_time_has_come(shelf: Shelf, serve: Serve) -> None:
    async def listen(address: str) -> float:
        began = time.monotonic()
        async with connect(f"ws://{address}/binance/ws/btcusdt@depth@100ms") as socket:
            await socket.recv()
            return time.monotonic() - began

    with serve(shelf, speed=10) as address:
        assert asyncio.run(listen(address)) >= 0.3


def test_all_clients_share_one_clock_and_who_comes_later_hears_what_follows(shelf: Shelf, serve: Serve) -> None:
    clock = HandClock()
    clock.at = START + 1 * SECOND

    async def listen(address: str) -> list[int]:
        url = f"ws://{address}/binance/ws/btcusdt@trade"
        async with asyncio.timeout(DEADLINE), connect(url) as early:
            first = json.loads(await early.recv())["t"]
            async with connect(url) as late:
                await is_subscribed(late)
                clock.at = END
                both = await asyncio.gather(early.recv(), late.recv())
        return [first, *(json.loads(text)["t"] for text in both)]

    with serve(shelf, clock=clock) as address:
        assert asyncio.run(listen(address)) == [1, 2, 2]


def test_a_client_that_goes_away_disturbs_nobody(shelf: Shelf, serve: Serve) -> None:
    async def listen(address: str) -> list[int]:
        url = f"ws://{address}/binance/ws/btcusdt@depth@100ms"
        async with asyncio.timeout(DEADLINE), connect(url) as staying:
            gone = await connect(url, close_timeout=0.1)
            gone.transport.abort()
            return [frame["u"] for frame in await talk(staying, 3)]

    with serve(shelf, speed=10) as address:
        assert asyncio.run(listen(address)) == [6, 9, 10]


def test_a_client_that_does_not_read_is_cut_off_and_the_others_go_on(serve: Serve, monkeypatch: Any) -> None:
    monkeypatch.setattr("booktape.serve.client.MOST_BYTES", 1_000_000)
    shelf = Shelf()
    shelf.add("binance:BTC-USDT", snapshot(1, START), *[big_trade(n, START + n * MILLISECOND) for n in range(1, 400)])
    shelf.add("binance:ETH-USDT", snapshot(1, START), *[trade(n, START + n * MILLISECOND) for n in range(1, 800)])

    clock = HandClock()

    async def listen(address: str) -> int:
        url = f"ws://{address}/binance/ws"
        lazy = await connect(f"{url}/btcusdt@trade", max_queue=1, close_timeout=0.1)
        async with asyncio.timeout(DEADLINE), connect(f"{url}/ethusdt@trade") as keen:
            await is_subscribed(keen)
            clock.at = END
            last = 0
            async for text in keen:
                last = json.loads(text)["t"]
                if last == 799:
                    break
        with pytest.raises(ConnectionClosedError) as caught:
            await asyncio.wait_for(read_on(lazy), DEADLINE)
        assert caught.value.rcvd is not None
        return caught.value.rcvd.code

    with serve(shelf, clock=clock) as address:
        assert asyncio.run(listen(address)) == 1008


def big_trade(number: int, time: int) -> Trade:
    """A trade whose frame is larger than any: several of them fill what the sockets hold."""
    return Trade(number, time, "buy", "1" * 50_000, "1", time)
