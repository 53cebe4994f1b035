"""Binance spot, as its documentation and recorded frames have it."""

import asyncio
import itertools
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sandbox.exchanges import simulated
from sandbox.exchanges.binance import MAX_STREAMS, Binance, BinanceSession
from sandbox.exchanges.binance_messages import BestQuote, DepthUpdate, TradeUpdate
from sandbox.exchanges.binance_rest import WeightBudget, depth_weight
from sandbox.exchanges.ledger import Record
from sandbox.exchanges.market import BookChange, Market
from sandbox.exchanges.specs import market_spec
from sandbox.exchanges.venue import DisconnectError
from tests.waiting import DEADLINE

pytestmark = pytest.mark.anyio

STREAMS = "btcusdt@trade/btcusdt@depth@100ms/btcusdt@bookTicker"


def session(*streams: str, path: str = "/stream") -> BinanceSession:
    opened = Binance([]).connect(path, {"streams": "/".join(streams)} if streams else {})
    assert isinstance(opened, BinanceSession)
    return opened


def ask(opened: BinanceSession, request: object, elapsed: float = 0.0) -> object:
    (answer,) = opened.receive(json.dumps(request), 0, elapsed)
    return json.loads(answer)


async def test_payloads_are_the_recorded_ones_to_the_letter() -> None:
    trade = TradeUpdate("BTCUSDT", 1723161255343, 3735683259, "61837.63000000", "0.02000000", 1723161255342, "sell")
    assert trade.plain == (
        '{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000",'
        '"T":1723161255342,"m":true,"M":true}'
    )
    quote = BestQuote("BTCUSDT", 50093239212, ["61837.63000000", "3.78826000"], ["61837.64000000", "1.54698000"])
    assert quote.plain == (
        '{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}'
    )
    depth = DepthUpdate(
        "BTCUSDT",
        1723161255308,
        50093239203,
        50093239207,
        {"55653.87000000": "0.00000000"},
        {"61838.04000000": "0.32332000"},
    )
    assert depth.plain == (
        '{"e":"depthUpdate","E":1723161255308,"s":"BTCUSDT","U":50093239203,"u":50093239207,'
        '"b":[["55653.87000000","0.00000000"]],"a":[["61838.04000000","0.32332000"]]}'
    )


async def test_a_depth_window_spans_its_changes_and_keeps_the_last_amount_of_a_level() -> None:
    venue = Binance([Market(market_spec("binance", "BTC-USDT"), 1)])
    venue.publish(BookChange("BTC-USDT", 11, 12, 1_000_010_000, ((6183700, 5), (6183600, 0)), ()))
    venue.publish(BookChange("BTC-USDT", 13, 14, 1_000_050_000, ((6183700, 7),), ((6183800, 9),)))
    (message,) = venue.flush(1_000_100_000)
    assert message.stream == "btcusdt@depth@100ms"
    assert message.records == [
        {
            "type": "book",
            "exchange": "binance",
            "market": "BTC-USDT",
            "first_id": 11,
            "last_id": 14,
            "timestamp": 1_000_100_000,
            "bids": [["61837.00000000", "0.00007000"], ["61836.00000000", "0.00000000"]],
            "asks": [["61838.00000000", "0.00009000"]],
        }
    ]


async def test_subscriptions_are_acknowledged_and_listed() -> None:
    opened = session("btcusdt@trade")
    request = {"method": "SUBSCRIBE", "params": ["ethusdt@trade"], "id": "abc"}
    assert ask(opened, request) == {"result": None, "id": "abc"}
    assert ask(opened, {"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 312}) == {"result": None, "id": 312}
    assert ask(opened, {"method": "LIST_SUBSCRIPTIONS", "id": 3}) == {"result": ["ethusdt@trade"], "id": 3}
    assert ask(opened, {"method": "GET_PROPERTY", "params": ["combined"], "id": 2}) == {"result": True, "id": 2}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 3),
        ("{}", 2),
        ('{"method":"SUBSCRIBED","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":["a"],"id":1.5}', 2),
        ('{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}', 1),
        ('{"method":"GET_PROPERTY","params":["separate"],"id":1}', 0),
    ],
)
async def test_mistakes_are_answered_with_the_documented_codes(text: str, code: int) -> None:
    (answer,) = session().receive(text, 0, 0.0)
    assert json.loads(answer)["code"] == code


async def test_the_sixth_message_of_a_second_ends_the_connection() -> None:
    opened = session()
    for number in range(5):
        ask(opened, {"method": "LIST_SUBSCRIPTIONS", "id": number}, elapsed=10 + number / 10)
    with pytest.raises(DisconnectError) as end:
        opened.receive("{}", 0, 10.9)
    assert end.value.code == 1008
    ask(opened, {"method": "LIST_SUBSCRIPTIONS", "id": 7}, elapsed=12.5)


async def test_a_connection_has_at_most_1024_streams() -> None:
    opened = session(*(f"s{number}@trade" for number in range(MAX_STREAMS)))
    with pytest.raises(DisconnectError):
        ask(opened, {"method": "SUBSCRIBE", "params": ["one@trade"], "id": 1})


async def test_request_weights_are_the_documented_ones() -> None:
    assert [depth_weight(limit) for limit in (1, 100, 101, 500, 501, 1000, 1001, 5000, 9999)] == [
        5, 5, 25, 25, 50, 50, 250, 250, 250,
    ]  # fmt: skip


async def test_too_much_weight_is_429_until_the_minute_ends_and_418_for_those_who_go_on() -> None:
    budget = WeightBudget()
    assert budget.take(6000, 10.0) is None
    assert [budget.take(1, 10.0) for _ in range(11)] == [(429, 51)] * 10 + [(418, 120)]
    assert budget.take(1, 70.0) == (418, 61)
    assert budget.take(1, 131.0) is None


async def test_every_client_of_every_route_gets_what_the_ledger_says() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=200, seed=5, routes={"primary": 0, "replica": 0}) as exchange:
        urls = [f"{route.ws}/stream?streams={STREAMS}" for route in exchange.routes.values()]
        async with connect(urls[0]) as first, connect(urls[1]) as second:
            frames = await asyncio.gather(receive(first, 60), receive(second, 60))
            exchange.finish()
            last_id = exchange.ledger.read("book")[-1]["last_id"]
            for socket, texts in zip((first, second), frames, strict=True):
                while not (texts[-1].get("data", {}).get("u") == last_id and "U" in texts[-1]["data"]):
                    texts += await receive(socket, 1)
        for texts in frames:
            assert normalised(texts, "btcusdt@trade") == tail(exchange.ledger.read("trade"), texts, "btcusdt@trade")
            assert normalised(texts, "btcusdt@depth@100ms") == tail(
                exchange.ledger.read("book"), texts, "btcusdt@depth@100ms"
            )
        common = [json.dumps(frame) for frame in frames[0] if frame in frames[1]]
        assert len(common) > 50


async def receive(socket: ClientConnection, count: int) -> list[Any]:
    async with asyncio.timeout(DEADLINE):
        return [json.loads(await socket.recv()) for _ in range(count)]


def normalised(frames: list[Any], stream: str) -> list[tuple[Any, ...]]:
    return [normalise(frame["data"]) for frame in frames if frame["stream"] == stream]


def normalise(data: dict[str, Any]) -> tuple[Any, ...]:
    """What a collector would make of a trade or a depth update, written independently of the simulation."""
    if data["e"] == "trade":
        side = "sell" if data["m"] else "buy"
        return (data["t"], data["T"] * 1000, side, data["p"], data["q"])
    return (data["U"], data["u"], data["E"] * 1000, data["b"], data["a"])


def tail(records: list[Record], frames: list[Any], stream: str) -> list[tuple[Any, ...]]:
    """The ledger's records from the first one that a client saw."""
    rows = [
        (record["id"], record["timestamp"], record["side"], record["price"], record["amount"])
        if record["type"] == "trade"
        else (record["first_id"], record["last_id"], record["timestamp"], record["bids"], record["asks"])
        for record in records
    ]
    first = normalised(frames, stream)[0][0]
    return [row for row in rows if row[0] >= first]


async def test_a_rest_book_joins_the_stream_and_rebuilds_the_models_book() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=200) as exchange, httpx.AsyncClient() as client:
        route = exchange.routes["primary"]
        async with connect(f"{route.ws}/ws/btcusdt@depth@100ms") as socket:
            updates = await receive(socket, 2)
            answer = await client.get(f"{route.http}/api/v3/depth?symbol=BTCUSDT&limit=5000")
            book = answer.json()
            updates += await receive(socket, 3)
            exchange.finish()
            market = exchange.venue.markets["BTC-USDT"]
            while updates[-1]["u"] < market.last_update_id:
                updates += await receive(socket, 1)
        assert [later["U"] - earlier["u"] for earlier, later in itertools.pairwise(updates)] == [1] * (len(updates) - 1)
        bids, asks = dict(book["bids"]), dict(book["asks"])
        for update in updates:
            if update["u"] > book["lastUpdateId"]:
                bids.update(update["b"])
                asks.update(update["a"])
        renderer = exchange.venue.renderers["BTC-USDT"]
        assert {p: a for p, a in bids.items() if float(a)} == dict(renderer.levels(market.book.bids.levels()))
        assert {p: a for p, a in asks.items() if float(a)} == dict(renderer.levels(market.book.asks.levels()))


async def test_rest_says_weight_market_time_and_errors() -> None:
    async with (
        simulated("binance", ["BTC-USDT"], rate=0, start="2026-11-20T23:50:00Z", speed=0.001) as exchange,
        httpx.AsyncClient(base_url=exchange.routes["primary"].http) as client,
    ):
        depth = await client.get("/api/v3/depth", params={"symbol": "BTCUSDT", "limit": 1000})
        assert depth.headers["x-mbx-used-weight-1m"] == "50"
        assert depth.headers["date"].startswith("Fri, 20 Nov 2026 23:50:00")
        assert len(depth.json()["bids"]) == 500
        unknown = await client.get("/api/v3/depth", params={"symbol": "NOPE"})
        assert (unknown.status_code, unknown.text) == (400, '{"code":-1121,"msg":"Invalid symbol."}')
        missing = await client.get("/api/v3/depth")
        assert (missing.status_code, missing.json()["code"]) == (400, -1102)
        assert (await client.get("/api/v3/historicalTrades?symbol=BTCUSDT&limit=x")).json()["code"] == -1100
        listed = (await client.get("/api/v3/exchangeInfo")).json()["symbols"]
        assert [(row["symbol"], row["baseAsset"], row["quoteAsset"]) for row in listed] == [("BTCUSDT", "BTC", "USDT")]
        assert (await client.get("/api/v3/nothing")).status_code == 404


async def test_missed_trades_can_be_fetched_by_id() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=500) as exchange, httpx.AsyncClient() as client:
        while exchange.ledger.counts["trade"] < 20:
            await asyncio.sleep(0.01)
        exchange.finish()
        trades = exchange.ledger.read("trade")
        url = f"{exchange.routes['primary'].http}/api/v3/historicalTrades"
        answer = await client.get(url, params={"symbol": "BTCUSDT", "fromId": trades[5]["id"], "limit": 3})
        assert [
            (row["id"], row["time"] * 1000, row["isBuyerMaker"], row["price"], row["qty"]) for row in answer.json()
        ] == [(row["id"], row["timestamp"], row["side"] == "sell", row["price"], row["amount"]) for row in trades[5:8]]


async def test_raw_connections_get_payloads_without_the_wrapping_and_microseconds_on_request() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=200) as exchange:
        async with connect(f"{exchange.routes['primary'].ws}/ws/btcusdt@trade?timeUnit=MICROSECOND") as socket:
            (trade,) = await receive(socket, 1)
        (noted,) = [record for record in exchange.ledger.read("trade") if record["id"] == trade["t"]]
        assert trade["T"] == noted["timestamp"]
        assert trade["E"] == noted["timestamp"] + 1_000


async def talk_on(socket: ClientConnection) -> None:
    """Ask so much that more than five questions arrive at once, however busy this machine is."""
    for _ in range(60):
        await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    await receive(socket, 61)


async def test_the_server_cuts_off_who_talks_too_much() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=0) as exchange:
        async with connect(f"{exchange.routes['primary'].ws}/ws") as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await talk_on(socket)
        assert closed.value.rcvd is not None, "a closing frame"
        assert closed.value.rcvd.code == 1008
