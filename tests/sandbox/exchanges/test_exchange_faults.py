"""Faults: what goes wrong on command, and that the ledger does not care."""

import asyncio
import itertools
import json
from typing import Any, Literal

import httpx
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sandbox.exchanges import simulated
from sandbox.exchanges.faults import (
    CorruptChecksum,
    Drop,
    Duplicate,
    Fault,
    Faults,
    Garbage,
    Recut,
    Refuse,
    Reorder,
    Restamp,
    RestLimit,
    Stall,
    Treatment,
    Withhold,
)
from sandbox.exchanges.kraken_book import checksum
from tests.waiting import DEADLINE, FOR_EVER

pytestmark = pytest.mark.anyio

TWO_ROUTES = {"primary": 0, "replica": 0}


async def receive(socket: ClientConnection, count: int) -> list[Any]:
    async with asyncio.timeout(DEADLINE):
        return [json.loads(await socket.recv(), parse_float=str) for _ in range(count)]


async def trade_ids(socket: ClientConnection, count: int) -> list[int]:
    return [frame["t"] for frame in await receive(socket, count)]


async def test_a_fault_can_be_written_as_json() -> None:
    text = '{"fault":"withhold","route":"primary","stream":"btcusdt@*","count":3}'
    assert msgspec.json.decode(text, type=Fault) == Withhold(route="primary", stream="btcusdt@*", count=3)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode('{"fault":"refuse"}', type=Fault)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode('{"fault":"drop","rout":"primary"}', type=Fault)


async def test_counted_faults_end_with_their_count_on_each_route() -> None:
    faults = Faults(["primary", "replica"])
    faults.inject(Withhold(stream="a*", count=2))
    asked = [faults.treatment(route, stream) for stream in ("ab", "b", "ac", "ad") for route in ("primary", "replica")]
    lost, sent = [Treatment.WITHHOLD] * 2, [Treatment.SEND] * 2
    assert asked == lost + sent + lost + sent


async def test_timed_faults_end_by_the_clock() -> None:
    now = [10.0]
    faults = Faults(["primary", "replica"], monotonic=lambda: now[0])
    faults.inject(Refuse(route="primary", seconds=5))
    faults.inject(RestLimit(status=418, seconds=2.5))
    assert (faults.refuses("primary"), faults.refuses("replica")) == (True, False)
    assert faults.rest_limit("replica") == (418, 3)
    now[0] = 12.5
    assert faults.rest_limit("replica") is None
    assert [entry["remaining_seconds"] for entry in faults.in_force()] == [2.5]
    now[0] = 15.0
    assert faults.refuses("primary") is False


async def test_clearing_can_spare_other_routes_and_unknown_routes_are_refused() -> None:
    faults = Faults(["primary", "replica"])
    faults.inject(Restamp())
    faults.clear("primary")
    assert (faults.restamps("primary"), faults.restamps("replica")) == (False, True)
    with pytest.raises(ValueError, match="no route 'third'"):
        faults.inject(Stall(route="third", seconds=1))


async def test_withheld_messages_are_in_the_ledger_and_on_the_other_route() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=300, routes=TWO_ROUTES) as exchange:
        primary, replica = (f"{route.ws}/ws/btcusdt@trade" for route in exchange.routes.values())
        async with connect(primary) as cut, connect(replica) as whole:
            before = await trade_ids(cut, 5)
            exchange.faults.inject(Withhold(route="primary", stream="btcusdt@trade", count=3))
            ids = before + await trade_ids(cut, 60)
            gaps = [(earlier + 1, later - 1) for earlier, later in itertools.pairwise(ids) if later != earlier + 1]
            ((first_lost, last_lost),) = gaps
            assert last_lost - first_lost + 1 == 3
            complete = await trade_ids(whole, 65)
            assert complete == list(range(complete[0], complete[0] + 65))
            noted = [record["id"] for record in exchange.ledger.read("trade")]
            assert noted == list(range(noted[0], noted[0] + len(noted)))


async def test_withheld_messages_leave_a_hole_in_coinbases_counter() -> None:
    async with simulated("coinbase", ["BTC-USD"], rate=300) as exchange:
        async with connect(exchange.routes["primary"].ws) as socket:
            await socket.send('{"type":"subscribe","channel":"level2","product_ids":["BTC-USD"]}')
            frames = await receive(socket, 10)
            exchange.faults.inject(Withhold(stream="level2:*", count=2))
            numbers = [frame["sequence_num"] for frame in frames + await receive(socket, 100)]
        steps = [later - earlier for earlier, later in itertools.pairwise(numbers)]
        assert sorted(steps) == [1] * 108 + [3]


async def test_duplicated_and_reordered_messages() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=300) as exchange:
        async with connect(f"{exchange.routes['primary'].ws}/ws/btcusdt@trade") as socket:
            (first,) = await trade_ids(socket, 1)
            exchange.faults.inject(Duplicate(stream="*@trade"))
            exchange.faults.inject(Reorder(stream="*@trade"))
            ids = [first, *await trade_ids(socket, 60)]
        steps = [later - earlier for earlier, later in itertools.pairwise(ids) if later - earlier != 1]
        assert steps == [0, 2, -1, 2], "one id twice; then n, n+2, n+1, n+3"


async def test_a_stalled_route_is_silent_but_open_and_goes_on_afterwards() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=300, routes=TWO_ROUTES) as exchange:
        primary, replica = (f"{route.ws}/ws/btcusdt@trade" for route in exchange.routes.values())
        async with connect(primary) as stalled, connect(replica) as lively:
            seen = await trade_ids(stalled, 1)
            exchange.faults.inject(Stall(route="primary", seconds=FOR_EVER))
            during = await trade_ids(lively, 60)
            await stalled.ping()
            exchange.faults.clear()
            while seen[-1] <= during[-1]:
                seen += await trade_ids(stalled, 1)
    lost = set(range(seen[0], seen[-1])) - set(seen)
    assert lost == set(range(min(lost), max(lost) + 1)), "one hole, the length of the stall"
    assert len(lost) > 10


async def test_a_dropped_route_does_not_touch_the_other() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=100, routes=TWO_ROUTES) as exchange:
        primary, replica = (f"{route.ws}/ws/btcusdt@trade" for route in exchange.routes.values())
        async with connect(primary) as dropped, connect(replica) as kept:
            await asyncio.gather(receive(dropped, 1), receive(kept, 1))
            exchange.faults.inject(Drop(route="primary"))
            with pytest.raises(ConnectionClosed) as closed:
                await receive(dropped, 10_000)
            assert closed.value.rcvd is None, "no closing handshake"
            await receive(kept, 10)
            exchange.faults.inject(Drop(route="replica", code=1012))
            with pytest.raises(ConnectionClosed) as closed:
                await receive(kept, 10_000)
            assert closed.value.rcvd is not None, "a closing frame"
            assert closed.value.rcvd.code == 1012


async def test_a_refusing_route_answers_503_except_on_its_control_paths() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=0, routes=TWO_ROUTES) as exchange:
        exchange.faults.inject(Refuse(route="primary", seconds=FOR_EVER))
        primary = exchange.routes["primary"]
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{primary.ws}/ws").__aenter__()
        assert refused.value.response.status_code == 503
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{primary.http}/api/v3/exchangeInfo")).status_code == 503
            assert (await client.get(f"{primary.http}/_sandbox/ledger")).status_code == 200
            assert (await client.delete(f"{primary.http}/_sandbox/faults")).json() == []
            assert (await client.get(f"{primary.http}/api/v3/exchangeInfo")).status_code == 200


@pytest.mark.parametrize("status", [429, 418])
async def test_limited_rest_says_when_to_come_back(status: Literal[429, 418]) -> None:
    async with simulated("binance", ["BTC-USDT"], rate=0) as exchange, httpx.AsyncClient() as client:
        exchange.server.faults._monotonic = lambda: 10.0
        exchange.faults.inject(RestLimit(status=status, seconds=7))
        answer = await client.get(f"{exchange.routes['primary'].http}/api/v3/depth?symbol=BTCUSDT")
        assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (status, "7", -1003)


@pytest.mark.parametrize("kind", ["text", "json", "binary"])
async def test_garbage_arrives_as_such(kind: Literal["text", "json", "binary"]) -> None:
    async with simulated("binance", ["BTC-USDT"], rate=0) as exchange:
        async with connect(f"{exchange.routes['primary'].ws}/ws") as socket:
            await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            await receive(socket, 1)
            exchange.faults.inject(Garbage(kind=kind))
            async with asyncio.timeout(DEADLINE):
                frame = await socket.recv()
        expected = {
            "text": "this is not JSON {",
            "json": '{"unheard_of":["of",{"any":"shape"}]}',
            "binary": b"\x00\xff\x13\x37",
        }
        assert frame == expected[kind]


async def test_a_corrupt_checksum_is_wrong_once() -> None:
    async with simulated("kraken", ["BTC-USD"], rate=200) as exchange:
        exchange.faults.inject(CorruptChecksum(count=1))
        async with connect(f"{exchange.routes['primary'].ws}/v2") as socket:
            await socket.send('{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"]}}')
            frames = [frame for frame in await receive(socket, 30) if frame.get("channel") == "book"]
        sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
        verdicts = []
        for frame in frames:
            for side, reverse in (("bids", True), ("asks", False)):
                sides[side].update({row["price"]: row["qty"] for row in frame["data"][0][side]})
                kept = sorted(((p, a) for p, a in sides[side].items() if float(a)), key=lambda level: float(level[0]))
                sides[side] = dict(kept[::-1][:10] if reverse else kept[:10])
            right = checksum([*map(list, sides["bids"].items())], [*map(list, sides["asks"].items())])
            verdicts.append(frame["data"][0]["checksum"] == right)
        assert verdicts == [True, False] + [True] * (len(frames) - 2)


async def test_restamped_connections_agree_on_everything_but_the_sending_time() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=300) as exchange:
        exchange.faults.inject(Restamp())
        url = f"{exchange.routes['primary'].ws}/ws/btcusdt@trade"
        async with connect(url) as first, connect(url) as second:
            one, other = await asyncio.gather(receive(first, 1), receive(second, 60))
            while one[-1]["t"] < other[-1]["t"]:  # the first one is ahead by as long as the second took to connect
                one += await receive(first, 1)
    stamps = {frame["t"]: frame.pop("E") for frame in one}
    pairs = [(frame, stamps[frame["t"]], frame.pop("E")) for frame in other if frame["t"] in stamps]
    assert len(pairs) == 60
    assert all(mine != yours for _, mine, yours in pairs)
    assert all(frame in one for frame, _, _ in pairs)


async def test_recut_connections_see_other_windows_of_the_same_book() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=300, speed=20) as exchange:
        exchange.faults.inject(Recut())
        url = f"{exchange.routes['primary'].ws}/ws/btcusdt@depth@100ms"
        async with connect(url) as first, connect(url) as second:
            one, other = await asyncio.gather(receive(first, 60), receive(second, 60))
            exchange.finish()
            market, renderer = exchange.venue.markets["BTC-USDT"], exchange.venue.renderers["BTC-USDT"]
            for socket, frames in ((first, one), (second, other)):
                while frames[-1]["u"] < market.last_update_id:
                    frames += await receive(socket, 1)
    book = {
        (key, price): amount
        for key, side in (("b", market.book.bids), ("a", market.book.asks))
        for price, amount in renderer.levels(side.levels())
    }
    for frames in (one, other):
        assert all(later["U"] == earlier["u"] + 1 for earlier, later in itertools.pairwise(frames))
        said = {(side, price): amount for frame in frames for side in "ba" for price, amount in frame[side]}
        assert said == {level: book.get(level, "0.00000000") for level in said}
    assert {(frame["U"], frame["u"]) for frame in one} != {(frame["U"], frame["u"]) for frame in other}


async def test_some_connections_of_a_route_are_cut_and_the_others_go_on() -> None:
    async with (
        simulated("binance", ["BTC-USDT"], rate=100, routes=TWO_ROUTES) as exchange,
        connect(f"{exchange.routes['primary'].ws}/ws/btcusdt@trade") as one,
        connect(f"{exchange.routes['primary'].ws}/ws/btcusdt@trade/btcusdt@depth") as two,
        connect(f"{exchange.routes['replica'].ws}/ws/btcusdt@trade") as other,
        httpx.AsyncClient() as client,
    ):
        await asyncio.gather(*(receive(socket, 1) for socket in (one, two, other)))
        url = f"{exchange.routes['primary'].http}/_sandbox/ledger"
        assert (await client.get(url)).json()["streams"] == {"primary": 2, "replica": 1}
        exchange.faults.inject(Drop(route="primary", connections=1))
        ended = 0
        for socket in (one, two, other):
            try:
                await receive(socket, 50)
            except ConnectionClosed:
                ended += 1
        assert (ended, (await client.get(url)).json()["clients"]) == (1, 2)


async def test_the_markets_are_closed_over_http_and_connections_stay_open() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=100) as exchange, httpx.AsyncClient() as client:
        route = exchange.routes["primary"]
        async with connect(f"{route.ws}/ws/btcusdt@trade") as socket:
            await receive(socket, 1)
            closed = (await client.post(f"{route.http}/_sandbox/finish")).json()
            assert (closed["finished"], closed["clients"]) == (True, 1)
            later = closed
            while later["market_time"] <= closed["market_time"]:
                later = (await client.get(f"{route.http}/_sandbox/ledger")).json()
            assert later["counts"] == closed["counts"]


async def test_faults_are_injected_listed_and_cleared_over_http() -> None:
    async with simulated("kraken", ["BTC-USD"], rate=0, routes=TWO_ROUTES) as exchange, httpx.AsyncClient() as client:
        url = f"{exchange.routes['replica'].http}/_sandbox/faults"
        posted = await client.post(url, json={"fault": "withhold", "route": "primary", "count": 3})
        assert posted.json() == [
            {
                "fault": "withhold",
                "route": "primary",
                "stream": "*",
                "count": 3,
                "remaining_seconds": None,
                "remaining_count": 3,
            }
        ]
        assert (await client.get(url)).json() == posted.json()
        assert (await client.delete(url, params={"route": "replica"})).json() == posted.json()
        assert (await client.delete(url)).json() == []
        assert (await client.post(url, json={"fault": "earthquake"})).status_code == 400
        assert (await client.post(url, json={"fault": "restamp", "route": "third"})).status_code == 400
        assert (await client.put(url)).status_code == 405
