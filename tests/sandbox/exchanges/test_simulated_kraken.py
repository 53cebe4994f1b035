"""Kraken spot's WebSocket v2, as its documentation and frames recorded in 2026 have it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect

from sandbox.exchanges import simulated
from sandbox.exchanges.book import Level, OrderBook
from sandbox.exchanges.kraken import Kraken, KrakenSession
from sandbox.exchanges.kraken_book import DepthView, checksum
from sandbox.exchanges.kraken_rest import pair_key
from sandbox.exchanges.market import BookChange, Market, Trade
from sandbox.exchanges.specs import MarketSpec, market_spec
from tests.waiting import DEADLINE

pytestmark = pytest.mark.anyio

# 2026-08-26T15:16:16.730423Z
NOW = 1_787_757_376_730_423

# The example of docs.kraken.com "Book checksum (WebSocket v2)".
DOCUMENTED_ASKS = [
    ["45285.2", "0.00100000"], ["45286.4", "1.54571953"], ["45286.6", "1.54571109"], ["45289.6", "1.54560911"],
    ["45290.2", "0.15890660"], ["45291.8", "1.54553491"], ["45294.7", "0.04454749"], ["45296.1", "0.35380000"],
    ["45297.5", "0.09945542"], ["45299.5", "0.18772827"],
]  # fmt: skip
DOCUMENTED_BIDS = [
    ["45283.5", "0.10000000"], ["45283.4", "1.54582015"], ["45282.1", "0.10000000"], ["45281.0", "0.10000000"],
    ["45280.3", "1.54592586"], ["45279.0", "0.07990000"], ["45277.6", "0.03310103"], ["45277.5", "0.30000000"],
    ["45277.3", "1.54602737"], ["45276.6", "0.15445238"],
]  # fmt: skip


async def test_the_documented_checksum() -> None:
    assert checksum(DOCUMENTED_BIDS, DOCUMENTED_ASKS) == 3310070434


async def test_only_ten_levels_a_side_count() -> None:
    further = [["1.0", "1.00000000"]]
    assert checksum(DOCUMENTED_BIDS + further, DOCUMENTED_ASKS + further) == 3310070434


def book(bids: Sequence[Level], asks: Sequence[Level]) -> OrderBook:
    opened = OrderBook()
    opened.apply(bids, asks)
    return opened


async def test_a_level_that_moves_into_the_depth_is_sent_and_one_that_falls_out_is_not() -> None:
    bids = book([(104, 1), (103, 1), (102, 1), (101, 1)], [])
    view = DepthView(bids, 3)
    bids.bids.set(103, 0)
    assert view.changes([(103, 0)], []) == ([(103, 0), (101, 1)], [])
    bids.bids.set(105, 2)
    assert view.changes([(105, 2)], []) == ([(105, 2)], [])
    bids.bids.set(101, 0)
    assert view.changes([(101, 0)], []) == ([], []), "101 had fallen out of scope before"


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 40), levels=st.integers(2, 40))
def test_a_client_that_truncates_keeps_exactly_the_best_levels(seed: int, depth: int, levels: int) -> None:
    market = Market(MarketSpec("BTC-USD", 1, 8, 100_000, levels), seed)
    view = DepthView(market.book, depth)
    mine = book(market.book.bids.levels(depth), market.book.asks.levels(depth))
    for number in range(100):
        for event in market.step(number):
            if isinstance(event, BookChange):
                mine.apply(*view.changes(event.bids, event.asks))
                mine = book(mine.bids.levels(depth), mine.asks.levels(depth))
                assert mine.bids.levels() == market.book.bids.levels(depth)
                assert mine.asks.levels() == market.book.asks.levels(depth)


def subscribed(venue: Kraken, **params: object) -> tuple[KrakenSession, list[str]]:
    session = venue.connect("/v2", {})
    assert isinstance(session, KrakenSession)
    return session, session.receive(json.dumps({"method": "subscribe", "params": params, "req_id": 11}), NOW, 0.0)


def bitcoin(levels: int = 30) -> Kraken:
    return Kraken([Market(market_spec("kraken", "BTC-USD", levels), 1)])


async def test_acknowledgement_and_status_are_the_recorded_ones_to_the_letter() -> None:
    session, frames = subscribed(bitcoin(), channel="book", symbol=["BTC/USD"], depth=10, snapshot=False)
    assert frames == [
        '{"method":"subscribe","req_id":11,"result":{"channel":"book","depth":10,"snapshot":false,"symbol":"BTC/USD"},'
        '"success":true,"time_in":"2026-08-26T15:16:16.730423Z","time_out":"2026-08-26T15:16:16.730423Z"}'
    ]
    assert session.greet(NOW, 0.0) == [
        '{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2",'
        '"connection_id":1}]}'
    ]


async def test_numbers_are_written_with_all_their_decimals() -> None:
    venue = bitcoin()
    session, _ = subscribed(venue, channel="book", symbol=["BTC/USD"])
    market = venue.markets["BTC-USD"]
    best = market.book.bids.price_at(0)
    market.book.bids.set(best, 0)
    (message,) = venue.publish(BookChange("BTC-USD", 1, 1, NOW, ((best, 0),), ()))
    frame = session.frame(message)
    assert frame is not None
    assert frame.startswith(
        '{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":61837.6,"qty":0.00000000},'
    )
    assert frame.endswith(',"timestamp":"2026-08-26T15:16:16.730423Z"}]}')
    assert message.records[0]["bids"][0] == ["61837.6", "0.00000000"]
    assert message.records[0]["depth"] == 10


async def test_the_trades_of_one_taker_come_in_one_message() -> None:
    venue = bitcoin()
    session, _ = subscribed(venue, channel="trade", symbol=["BTC/USD"])
    venue.publish(Trade("BTC-USD", 7, NOW, "buy", 618377, 100_000))
    venue.publish(Trade("BTC-USD", 8, NOW, "buy", 618380, 2))
    (message,) = venue.publish(BookChange("BTC-USD", 1, 2, NOW, (), ((618377, 0), (618380, 5))))
    rows = [
        f'{{"symbol":"BTC/USD","side":"buy","price":{price},"qty":{amount},"ord_type":"market","trade_id":{number},'
        '"timestamp":"2026-08-26T15:16:16.730423Z"}'
        for price, amount, number in (("61837.7", "0.00100000", 7), ("61838.0", "0.00000002", 8))
    ]
    assert session.frame(message) == f'{{"channel":"trade","type":"update","data":[{",".join(rows)}]}}'
    assert [(record["id"], record["side"]) for record in message.records] == [(7, "buy"), (8, "buy")]


async def test_trades_come_with_a_snapshot_only_if_asked_for_and_instruments_with_precisions() -> None:
    _, frames = subscribed(bitcoin(), channel="trade", symbol=["BTC/USD"])
    assert len(frames) == 1
    _, frames = subscribed(bitcoin(), channel="trade", symbol=["BTC/USD"], snapshot=True)
    assert frames[1] == '{"channel":"trade","type":"snapshot","data":[]}'
    _, frames = subscribed(bitcoin(), channel="instrument")
    (pair,) = json.loads(frames[1])["data"]["pairs"]
    assert (pair["symbol"], pair["price_precision"], pair["qty_precision"]) == ("BTC/USD", 1, 8)
    assert '"qty_increment":0.00000001' in frames[1]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"channel": "book", "symbol": ["NO/PE"]}, "Currency pair not supported NO/PE"),
        ({"channel": "book", "symbol": ["BTC/USD"], "depth": 11}, "Subscription depth not supported"),
        ({"channel": "weather", "symbol": ["BTC/USD"]}, "Channel not supported"),
    ],
)
async def test_refusals_echo_the_request(params: dict[str, Any], error: str) -> None:
    _, (answer,) = subscribed(bitcoin(), **params)
    refusal = json.loads(answer)
    assert (refusal["error"], refusal["success"], refusal["req_id"]) == (error, False, 11)


async def test_ping_is_answered_with_pong() -> None:
    session, _ = subscribed(bitcoin(), channel="instrument")
    (answer,) = session.receive('{"method":"ping","req_id":101}', NOW, 0.0)
    assert json.loads(answer) == {
        "method": "pong",
        "req_id": 101,
        "time_in": "2026-08-26T15:16:16.730423Z",
        "time_out": "2026-08-26T15:16:16.730423Z",
    }


async def test_heartbeats_come_when_something_is_subscribed_and_nothing_else_is_sent() -> None:
    venue = bitcoin()
    session, _ = subscribed(venue, channel="trade", symbol=["BTC/USD"])
    idle = venue.connect("/v2", {})
    assert [session.tick(NOW, elapsed) for elapsed in (0.5, 1.0, 1.5)] == [[], ['{"channel":"heartbeat"}'], []]
    venue.publish(Trade("BTC-USD", 7, NOW, "buy", 618377, 100_000))
    (message,) = venue.publish(BookChange("BTC-USD", 1, 1, NOW, (), ((618377, 0),)))
    session.frame(message)
    assert [session.tick(NOW, elapsed) for elapsed in (1.9, 2.8, 2.9)] == [[], [], ['{"channel":"heartbeat"}']]
    assert idle.tick(NOW, 60.0) == []


async def test_a_depth_is_noted_from_its_first_subscription_on() -> None:
    venue = bitcoin()
    subscribed(venue, channel="book", symbol=["BTC/USD"], depth=25)
    subscribed(venue, channel="book", symbol=["BTC/USD"], depth=25)
    (note,) = venue.notes
    assert (note["type"], note["depth"], len(note["bids"]), note["timestamp"]) == ("snapshot", 25, 25, NOW)


async def receive(socket: ClientConnection, count: int) -> list[Any]:
    """Frames with the numbers as the text that was on the wire."""
    async with asyncio.timeout(DEADLINE):
        return [json.loads(await socket.recv(), parse_float=str) for _ in range(count)]


@pytest.mark.parametrize("depth", [10, 25, 1000])
async def test_a_client_that_follows_the_rules_agrees_with_every_checksum(depth: int) -> None:
    async with simulated("kraken", ["BTC-USD"], rate=300, levels=60) as exchange:
        async with connect(f"{exchange.routes['primary'].ws}/v2") as socket:
            params = {"channel": "book", "symbol": ["BTC/USD"], "depth": depth}
            await socket.send(json.dumps({"method": "subscribe", "params": params}))
            frames = [frame for frame in await receive(socket, 150) if frame.get("channel") == "book"]
        sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
        for frame in frames:
            (data,) = frame["data"]
            for side, reverse in (("bids", True), ("asks", False)):
                sides[side].update({row["price"]: row["qty"] for row in data[side]})
                kept = sorted(
                    ((price, amount) for price, amount in sides[side].items() if float(amount)),
                    key=lambda level: float(level[0]),
                    reverse=reverse,
                )
                sides[side] = dict(kept[:depth])
            assert data["checksum"] == checksum(
                [*map(list, sides["bids"].items())], [*map(list, sides["asks"].items())]
            )
        noted = [(record["bids"], record["asks"]) for record in exchange.ledger.read("book")]
        seen = [
            tuple([[row["price"], row["qty"]] for row in frame["data"][0][side]] for side in ("bids", "asks"))
            for frame in frames[1:]
        ]
        assert seen == noted[: len(seen)]


async def test_rest_keeps_the_old_names_and_coarser_books() -> None:
    async with (
        simulated("kraken", ["BTC-USD", "SOL-USD"], rate=0) as exchange,
        httpx.AsyncClient(base_url=exchange.routes["primary"].http) as client,
    ):
        for pair in ("XBTUSD", "XXBTZUSD", "BTC/USD"):
            answer = (await client.get("/0/public/Depth", params={"pair": pair, "count": 2})).json()
            assert answer["error"] == []
            assert [len(side) for side in answer["result"]["XXBTZUSD"].values()] == [2, 2]
        assert answer["result"]["XXBTZUSD"]["bids"][0][0] == "61837.60000"
        unknown = await client.get("/0/public/Depth?pair=NOPE")
        assert (unknown.status_code, unknown.json()) == (200, {"error": ["EQuery:Unknown asset pair"]})
        pairs = (await client.get("/0/public/AssetPairs")).json()["result"]
        assert {key: (row["altname"], row["wsname"], row["pair_decimals"]) for key, row in pairs.items()} == {
            "XXBTZUSD": ("XBTUSD", "XBT/USD", 1),
            "SOLUSD": ("SOLUSD", "SOL/USD", 2),
        }


@pytest.mark.parametrize(
    ("market", "key"),
    [("BTC-USD", "XXBTZUSD"), ("ETH-BTC", "XETHXXBT"), ("BTC-USDT", "XBTUSDT"), ("SOL-EUR", "SOLEUR")],
)
async def test_only_old_assets_carry_letters(market: str, key: str) -> None:
    assert pair_key(market_spec("kraken", market)) == key
