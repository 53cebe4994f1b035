"""`python -m sandbox.exchanges`: ready line, market time limits, a clean end."""

import asyncio
import contextlib
import gzip
import json
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from sandbox.exchanges import simulated
from tests.waiting import DEADLINE

pytestmark = pytest.mark.anyio

MIDNIGHT = 1_795_219_200_000_000


@contextlib.asynccontextmanager
async def command(*arguments: str) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.exchanges", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None, "it is a pipe"
        async with asyncio.timeout(DEADLINE):
            yield process, json.loads(await process.stdout.readline())
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_it_says_where_it_listens_and_ends_cleanly_with_everything_sent_and_noted(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    options = ["--exchange", "binance", "--markets", "BTC-USDT,ETH-USDT", "--rate", "200", "--ledger", str(ledger)]
    async with command(*options, "--route", "primary=0", "--route", "replica=0") as (process, ready):
        assert ready["exchange"] == "binance"
        assert list(ready["routes"]) == ["primary", "replica"]
        frames = []
        async with connect(f"{ready['routes']['replica']['ws']}/stream?streams=ethusdt@depth@100ms") as socket:
            frames.append(await socket.recv())
            process.send_signal(signal.SIGTERM)
            frames += [frame async for frame in socket]
        assert await process.wait() == 0
    noted = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert {record["market"] for record in noted} == {"BTC-USDT", "ETH-USDT"}
    windows = [record for record in noted if record["type"] == "book" and record["market"] == "ETH-USDT"]
    seen = [json.loads(frame)["data"]["u"] for frame in frames]
    assert seen == [record["last_id"] for record in windows][-len(seen) :]


async def test_a_market_ends_at_until_and_says_so() -> None:
    async with (
        simulated(
            "kraken", ["BTC-USD"], rate=100, speed=600, start="2026-11-20T23:58:00Z", until="2026-11-21T00:00:00Z"
        ) as exchange,
        httpx.AsyncClient() as client,
    ):
        url = f"{exchange.routes['primary'].http}/_sandbox/ledger"
        async with connect(f"{exchange.routes['primary'].ws}/v2") as socket, asyncio.timeout(DEADLINE):
            while not (status := (await client.get(url)).json())["finished"]:
                await asyncio.sleep(0.02)
            await socket.send('{"method":"ping"}')
            assert json.loads(await socket.recv())["channel"] == "status"
            assert json.loads(await socket.recv())["method"] == "pong"
    trades = exchange.ledger.read("trade")
    assert status["counts"]["trade"] == len(trades)
    assert trades[-1]["timestamp"] < MIDNIGHT
    assert status["market_time"] >= MIDNIGHT


async def test_a_recording_can_be_played(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl.gz"
    row = {"t": None, "kind": "ws", "url": "wss://example.test", "dir": "in", "data": "first"}
    path.write_bytes(gzip.compress(json.dumps(row).encode()))
    async with command("play", str(path), "--then", "close") as (process, ready):
        assert ready["exchange"] == "one.jsonl.gz"
        async with connect(f"{ready['routes']['primary']['ws']}/") as socket:
            await socket.send("subscribe")
            assert [frame async for frame in socket] == ["first"]
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


@pytest.mark.parametrize(
    "options", [["--exchange", "mtgox"], ["--route", "primary"], ["play", "no-such-file.gz"], ["--markets", "BTCUSDT"]]
)
async def test_wrong_options_are_refused(options: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.exchanges", *options, stderr=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() != 0
