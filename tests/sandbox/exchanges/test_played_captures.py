"""Played captures: recorded frames and REST answers, byte for byte."""

import asyncio
import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK

from sandbox.exchanges import played
from sandbox.exchanges.recording import Frame, read_recording
from tests.waiting import DEADLINE

pytestmark = pytest.mark.anyio

SECOND = 1_000_000_000
START = 1_723_161_253 * SECOND
# White space and number texts that no re-serialising would keep.
FRAMES = ['{"stream": "btcusdt@trade","data":{"p":61837.630000}}', '[320,{"c":"1"}]', "not JSON at all"]

Writer = Callable[[list[dict[str, Any]]], Path]
"""Writes lines as a recording and returns its path."""


def line(
    time_ns: int | None,
    data: str,
    kind: str = "ws",
    direction: str = "in",
    url: str = "wss://stream.binance.com:9443/stream",
    **extra: str,
) -> dict[str, Any]:
    return {"t": time_ns, "kind": kind, "url": url, "dir": direction, "data": data, **extra}


def book(symbol: str, body: str, after: int = 0) -> dict[str, Any]:
    url = f"https://api.binance.com/api/v1/depth?symbol={symbol}&limit=1000"
    return line(START + after, body, kind="http", url=url)


@pytest.fixture
def recorded(tmp_path: Path) -> Writer:
    """Writes lines as a recording and returns its path."""

    def write(lines: list[dict[str, Any]]) -> Path:
        path = tmp_path / "recorded.jsonl.gz"
        with gzip.open(path, "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in lines)
        return path

    return write


@pytest.fixture
def three_frames(recorded: Writer) -> Path:
    return recorded([line(START + number * SECOND, data) for number, data in enumerate(FRAMES)])


async def receive(socket: ClientConnection, count: int) -> list[str | bytes]:
    async with asyncio.timeout(DEADLINE):
        return [await socket.recv() for _ in range(count)]


async def test_only_what_the_venue_sent_is_played(recorded: Writer) -> None:
    path = recorded(
        [
            line(START, '{"method":"SUBSCRIBE"}', direction="out"),
            line(START, "text"),
            line(None, "bytes", op="binary"),
            line(START, base64.b64encode(b"\x1f\x8b").decode(), op="binary", enc="base64"),
            book("BTCUSDT", "{}"),
        ]
    )
    assert read_recording(path).frames == [Frame(START, "text"), Frame(None, b"bytes"), Frame(START, b"\x1f\x8b")]


async def test_a_subscription_is_acknowledged_and_then_the_frames_come_byte_for_byte(three_frames: Path) -> None:
    async with played(three_frames) as exchange, connect(f"{exchange.routes['primary'].ws}/ws") as socket:
        await socket.send('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":9}')
        assert await receive(socket, 4) == ['{"result":null,"id":9}', *FRAMES]


async def test_streams_in_the_url_need_no_subscription_and_every_client_starts_at_the_first_frame(
    three_frames: Path,
) -> None:
    async with played(three_frames, routes={"primary": 0, "replica": 0}) as exchange:
        for route in exchange.routes.values():
            async with connect(f"{route.ws}/stream?streams=btcusdt@trade") as socket:
                assert await receive(socket, 3) == FRAMES


async def test_at_the_end_the_connection_is_held_or_closed(three_frames: Path) -> None:
    async with (
        played(three_frames, then="close") as exchange,
        connect(f"{exchange.routes['primary'].ws}/ws/btcusdt@trade") as socket,
    ):
        await receive(socket, 3)
        with pytest.raises(ConnectionClosedOK):
            await receive(socket, 1)
    async with (
        played(three_frames, then="hold") as exchange,
        httpx.AsyncClient() as client,
        connect(f"{exchange.routes['primary'].ws}/ws/btcusdt@trade") as socket,
    ):
        await receive(socket, 3)
        await socket.send('{"method":"UNSUBSCRIBE","params":[],"id":2}')
        assert await receive(socket, 1) == ['{"result":null,"id":2}']
        status = await client.get(f"{exchange.routes['primary'].http}/_sandbox/ledger")
        assert status.json() == {"frames": 3, "clients": 1, "played": 1, "finished": True}


async def test_playing_waits_for_the_awaited_clients(three_frames: Path) -> None:
    async with played(three_frames, clients=2) as exchange:
        url = f"{exchange.routes['primary'].ws}/ws/btcusdt@trade"
        async with connect(url) as first:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):  # of the loop's own time, in which a frame would have come
                    await first.recv()
            async with connect(url) as second:
                assert await receive(first, 3) == FRAMES
                assert await receive(second, 3) == FRAMES


async def test_playing_can_be_paced_by_the_recorded_times(three_frames: Path) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with (
        played(three_frames, speed=10) as exchange,
        connect(f"{exchange.routes['primary'].ws}/ws/btcusdt@trade") as socket,
    ):
        await receive(socket, 3)
        assert loop.time() - begun > 0.15


async def test_rest_answers_are_matched_by_path_and_symbol_with_the_recorded_time(recorded: Writer) -> None:
    path = recorded(
        [
            book("BTCUSDT", '{"lastUpdateId": 1}'),
            book("ETHUSDT", '{"lastUpdateId": 2}'),
            book("BTCUSDT", '{"lastUpdateId": 3}', after=2 * SECOND),
        ]
    )
    async with played(path) as exchange, httpx.AsyncClient(base_url=exchange.routes["primary"].http) as client:
        bitcoin = [await client.get("/api/v1/depth?symbol=BTCUSDT&limit=10") for _ in range(3)]
        assert [answer.text for answer in bitcoin] == [
            '{"lastUpdateId": 1}',
            '{"lastUpdateId": 3}',
            '{"lastUpdateId": 3}',
        ]
        assert [answer.headers["date"] for answer in bitcoin[:2]] == [
            "Thu, 08 Aug 2024 23:54:13 GMT",
            "Thu, 08 Aug 2024 23:54:15 GMT",
        ]
        assert (await client.get("/api/v3/depth?symbol=ETHUSDT")).text == '{"lastUpdateId": 2}'
        assert (await client.get("/api/v3/depth?symbol=XRPUSDT")).status_code == 404
